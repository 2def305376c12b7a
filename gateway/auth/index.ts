/** The door of the auth room. */
export type { AuthOutcome } from "./auth.ts";
export { type Auth, type AuthOptions, createAuth } from "./create-auth.ts";
export { believing, type Directory, type DirectoryChange, type Identity, type Standing } from "./directory.ts";
export { type IssuerSource, readIssuers, type TrustedIssuer } from "./issuers.ts";
export { type KeySource, type OwnKeys, readOwnKeys } from "./own-keys.ts";
export { type MintRequest, mintToken, type TokenOptions } from "./own-tokens.ts";
export { basicRequirement, EVERYONE, holds, isPermitted } from "./permissions.ts";
export { reachOf } from "./principal-of.ts";
export { createResources, type ResourceOptions, type Resources, WELL_KNOWN } from "./resources.ts";
export {
  type CookiePlace,
  clearCookie,
  cookiePlace,
  ridesOnCookie,
  SESSION_COOKIE,
  setCookie,
} from "./session-cookie.ts";
export type { Person } from "./sso/person.ts";
export { createSignIn, type SignInOptions, type SignInRoutes } from "./sso/sign-in.ts";
export type { Rejection, Verifier } from "./verifiers.ts";

/** The door of the auth room. */
export { type Auth, type AuthOptions, type AuthOutcome, createAuth } from "./auth.ts";
export { type JwtOptions, type MintRequest, mintJwt } from "./hs256.ts";
export { basicRequirement, isPermitted } from "./permissions.ts";
export type { Rejection, Verifier } from "./verifiers.ts";

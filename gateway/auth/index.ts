/** The door of the auth room. */
export { type Auth, type AuthOptions, type AuthOutcome, createAuth } from "./auth.ts";
export { believing, type Directory, type DirectoryChange, type Identity, type Standing } from "./directory.ts";
export { type JwtOptions, type MintRequest, mintJwt } from "./hs256.ts";
export { basicRequirement, EVERYONE, heldAnywhere, holds, isPermitted } from "./permissions.ts";
export type { Rejection, Verifier } from "./verifiers.ts";

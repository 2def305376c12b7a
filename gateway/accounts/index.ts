/** The door of the accounts room: who may call, over REST; the directory that the auth room asks; API tokens. */
export { createAccounts } from "./accounts.ts";
export { createTokenVerifier, TOKEN_PREFIX } from "./api-token.ts";
export { type ArrivalOptions, createArrivals } from "./arrivals.ts";
export { type BootstrapOptions, bootstrapAdmin } from "./bootstrap.ts";
export { accountsDescription } from "./describe.ts";
export { type AccountDirectory, type DirectoryOptions, openDirectory } from "./directory.ts";
export { createLogins } from "./login.ts";
export { createPasswords } from "./passwords.ts";
export { createResetTokens, type ResetTokens } from "./reset-tokens.ts";
export { createTokenGuards, type TokenGuards } from "./token-guard.ts";
export type { AccountsParts } from "./types.ts";

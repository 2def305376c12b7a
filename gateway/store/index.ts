export { revisionOf } from "./gateways.ts";
export { LIBRARY } from "./library.ts";
export { type Migration, migrateDatabase, readMigrations } from "./migrate.ts";
export type { IdentityPropagation, Outbound, OutboundSecrets, UpstreamOAuth } from "./outbound.ts";
export * from "./shared-state.ts";
export { openStore, type Store, type StoreOptions } from "./store.ts";
export * from "./types.ts";
export { OWN_TOKEN, type StoredClient, type StoredToken, type UpstreamTokens } from "./upstream-tokens.ts";

export * from "./account-types.ts";
export type { AccountOperations } from "./accounts.ts";
export type { TokenList } from "./api-tokens.ts";
export { revisionOf } from "./gateways.ts";
export { type LeaseRepository, type LeaseRow, raiseFence } from "./leases.ts";
export { LIBRARY } from "./library.ts";
export { type Migration, migrateDatabase, readMigrations } from "./migrate.ts";
export {
  type IdentityPropagation,
  type Outbound,
  type OutboundSecrets,
  outboundSecrets,
  outboundShape,
  type UpstreamOAuth,
} from "./outbound.ts";
export type {
  PinChange,
  PinDetail,
  PinOperations,
  PinPolicies,
  PinPolicy,
  Sighting,
  ToolPin,
} from "./pins.ts";
export * from "./records/index.ts";
export type * from "./rest-tools.ts";
export * from "./shared-state.ts";
export { PURPOSES } from "./statements.ts";
export { openStore, type RegistryStore, type Store, type StoreOptions } from "./store.ts";
export type { Joined, PersonalTeam } from "./teams.ts";
export * from "./types.ts";
export { OWN_TOKEN, type StoredClient, type StoredToken, type UpstreamTokens } from "./upstream-tokens.ts";
export type { Lockout } from "./users.ts";

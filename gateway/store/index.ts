export { revisionOf } from "./gateways.ts";
export { LIBRARY } from "./library.ts";
export { type Migration, migrateDatabase, readMigrations } from "./migrate.ts";
export type * from "./rest-tools.ts";
export * from "./shared-state.ts";
export { openStore, type Store, type StoreOptions } from "./store.ts";
export * from "./types.ts";

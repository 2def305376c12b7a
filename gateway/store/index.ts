export { revisionOf } from "./gateways.ts";
export { type LeaseRepository, type LeaseRow, raiseFence } from "./leases.ts";
export { LIBRARY } from "./library.ts";
export { type Migration, migrateDatabase, readMigrations } from "./migrate.ts";
export * from "./shared-state.ts";
export { openStore, type Store, type StoreOptions } from "./store.ts";
export * from "./types.ts";

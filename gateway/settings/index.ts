/** The door of the settings room. */
export { fairShareWeights, inFlightLimit, listLimit } from "./admission.ts";
export { type LoadedSettings, type LoadOptions, loadSettings, type Provenance } from "./load.ts";
export type { NamedProcess } from "./processes.ts";
export { ensureSecrets, type Secrets } from "./secrets.ts";
export { printSettings, redacted } from "./show.ts";
export { sizeThreadPool } from "./thread-pool.ts";

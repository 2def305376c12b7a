/** What a worker is told by its supervisor: everything it needs, since it reads no settings itself. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import type { Foundation } from "./foundation.ts";
import type { LoadedSettings } from "./settings/index.ts";

/** Plain data, with secrets; it travels over the channel alone. */
export type WorkerConfig = {
  readonly kind: "worker";
  readonly workerId: string;
  /** PORT is where to listen. */
  readonly settings: Settings;
  readonly environment: LoadedSettings["environment"];
  readonly foundation: Foundation;
  /** Of the settings as they were read, which those of a worker may differ from. */
  readonly fingerprint: string;
  readonly firstRun: boolean;
  /** Event loops that this process starts as threads; 0 serves itself. */
  readonly threads: number;
  /** Asks to be replaced after so many requests; 0 never does. */
  readonly maxRequests: number;
  /** Asks to be replaced above so many resident bytes. */
  readonly memoryBytes: number | undefined;
};

/** The other end is `servePrimary` or `serveThreads` of the same program: only a message of another kind could be mistaken for it. */
export function readWorkerConfig(value: unknown): WorkerConfig {
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "worker")
    return value as WorkerConfig;
  throw new TypeError("this is not the configuration of a worker");
}

/** What a crew is told: of its workers, its patience, and whom it reports to. */
import type { Log } from "../telemetry/index.ts";
import type { ChildMessage } from "./child.ts";
import type { Hire } from "./member.ts";

export type RespawnReason = "crash" | "memory" | "stuck" | "start";

export type CrewOptions = {
  /** At least 1. */
  readonly size: number;
  readonly hire: Hire;
  /** Of the next worker: its id in logs, and its configuration, which is all it is told. `isReload`: of one that a reload starts. */
  readonly next: (isReload: boolean) => { readonly id: string; readonly config: unknown };
  /** From its start to its ready message; one that takes longer is killed, ms. */
  readonly startTimeoutMs: number;
  /** Silence after which a worker is killed and replaced, ms; 0 waits for ever. */
  readonly beatTimeoutMs: number;
  /** What a worker may take to retire or drain; it is killed a little later, ms. */
  readonly graceMs: number;
  /** False: the end of a worker is the end of the crew. */
  readonly respawns: boolean;
  readonly restart: { readonly minMs: number; readonly maxMs: number };
  /** The first alone, the others when it is ready: they need what it has found. */
  readonly firstAlone: boolean;
  readonly log: Log;
  readonly count: {
    respawn(reason: RespawnReason): void;
    recycle(reason: string): void;
    missed(): void;
  };
  /** A worker serves. */
  readonly onReady: (message: ChildMessage) => void;
  /** What the leading worker tells, each time one has begun to lead. */
  readonly onLed: (fields: unknown) => void;
  /** The figures of everything, for a worker that is asked for them. */
  readonly scrape: () => Promise<string>;
};

/** What runs, on disk: so that another program can tell, and can end it when the supervisor is gone. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Topology } from "../../topology/index.ts";
import { writeWhole } from "./layout.ts";
import { bootId, isAlive } from "./proc.ts";

const identitySchema = z.strictObject({ pid: z.int().min(1), startTicks: z.int().min(0) });

const recordSchema = z.strictObject({
  name: z.string(),
  tier: z.string(),
  kind: z.enum(["service", "job"]),
  state: z.enum(["waiting", "starting", "ready", "not ready", "ended", "failed", "stopping", "stopped", "done"]),
  /** Null where no process runs. */
  identity: identitySchema.nullable(),
  since: z.number(),
  restarts: z.int(),
  failure: z.string().nullable(),
  ports: z.array(z.strictObject({ name: z.string(), port: z.int() })),
  after: z.array(z.string()),
  signal: z.enum(["SIGTERM", "SIGINT", "SIGQUIT"]),
  graceS: z.number(),
});

export const stateSchema = z.strictObject({
  stack: z.string(),
  /** Of the machine's start: after another one every process of it is gone. */
  boot: z.string(),
  supervisor: identitySchema,
  /** Of the topology that was applied last. */
  checksum: z.string(),
  entry: z.strictObject({ workload: z.string(), port: z.int() }),
  workloads: z.array(recordSchema),
  /** Not run here by themselves. */
  schedules: z.array(z.strictObject({ name: z.string(), cron: z.string() })),
});

export type Record = z.infer<typeof recordSchema>;
export type State = z.infer<typeof stateSchema>;

export function stateFile(data: string): string {
  return join(data, "state.json");
}

/** Undefined where no stack has run, or since the machine has started again. Throws RangeError for a file that is not a state. */
export function readState(data: string): State | undefined {
  let text: string;
  try {
    text = readFileSync(stateFile(data), "utf8");
  } catch {
    return undefined;
  }
  const parsed = stateSchema.safeParse(parseJson(text));
  if (!parsed.success)
    throw new RangeError(
      `${stateFile(data)} is no state of a stack; remove it when no process of the stack runs any more`,
    );
  return parsed.data.boot === bootId() ? parsed.data : undefined;
}

export function writeState(data: string, state: State): void {
  writeWhole(stateFile(data), `${JSON.stringify(state, null, 2)}\n`, 0o600, undefined);
}

/** Those of the records whose process still runs, in the order of their start. */
export function leftovers(state: State | undefined): readonly Record[] {
  return (state?.workloads ?? []).filter(({ identity }) => identity !== null && isAlive(identity));
}

/** Over everything that the target reads of a topology. */
export function checksumOf(topology: Topology): string {
  return createHash("sha256")
    .update(JSON.stringify([topology.workloads, topology.entry]))
    .digest("hex");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the process in the background is told at its start, and what it says back. */
import { z } from "zod";
import type { Topology } from "../../topology/index.ts";
import type { Users } from "./users.ts";

export type Launch = {
  readonly data: string;
  /** Where daemons listen and probes ask. */
  readonly host: string;
  readonly topology: Topology;
  /** Values by name. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly users: Users;
};

/** Made by this version's own code: its shape is not checked further. */
export const topologySchema = z.custom<Topology>(
  (value) =>
    z.looseObject({ stack: z.string(), workloads: z.array(z.looseObject({ name: z.string() })) }).safeParse(value)
      .success,
);
const userSchema = z.strictObject({ name: z.string(), uid: z.int(), gid: z.int() });
const tiers = ["nginx", "gateway", "pgbouncer", "postgres", "redis", "migrations", "backup", "exporter"] as const;
export const usersSchema = z.partialRecord(z.enum(tiers), userSchema);

const launchSchema = z.strictObject({
  data: z.string(),
  host: z.string(),
  topology: topologySchema,
  secrets: z.record(z.string(), z.string()),
  users: usersSchema,
});

const messageSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("say"), sentence: z.string() }),
  z.strictObject({ type: z.literal("ready") }),
  z.strictObject({ type: z.literal("failed"), reason: z.string() }),
]);

export type DaemonMessage = z.infer<typeof messageSchema>;

/** Throws for anything else: both ends are of one version. */
export function readLaunch(raw: unknown): Launch {
  return launchSchema.parse(raw);
}

export function readMessage(raw: unknown): DaemonMessage {
  return messageSchema.parse(raw);
}

/** What the process in the background is told at its start, and what it says back. */
import { z } from "zod";
import type { Topology } from "../../topology/index.ts";

export type Launch = {
  readonly data: string;
  /** Where daemons listen and probes ask. */
  readonly host: string;
  readonly topology: Topology;
  readonly secrets: Readonly<Record<string, string>>;
};

const launchSchema = z.strictObject({
  data: z.string(),
  host: z.string(),
  topology: z.custom<Topology>((value) => z.looseObject({ workloads: z.array(z.unknown()) }).safeParse(value).success),
  secrets: z.record(z.string(), z.string()),
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

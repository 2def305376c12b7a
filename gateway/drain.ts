/** The end of one event loop's work within a grace. Part of the composition root. */
import { setTimeout as pause } from "node:timers/promises";
import type { DrainReport } from "./engine/index.ts";
import type { StartedEngine } from "./start-engine.ts";
import type { Log } from "./telemetry/index.ts";

/** Refuses new work (`drain`), or leaves it to a successor (`retire`); resolves when what is in flight is answered, or cut at the end of the grace. */
export async function endWork(
  { engine, drain, handOver }: StartedEngine,
  how: "drain" | "retire",
  graceMs: number,
  log: Log,
): Promise<void> {
  const grace = new AbortController();
  const over = pause(graceMs, undefined, { signal: grace.signal }).catch(() => undefined);
  // Streams first: the engine waits for what they leave behind.
  const streams = Promise.race([how === "drain" ? drain() : handOver(), over]);
  const requests: Promise<DrainReport> = how === "drain" ? engine.drain(graceMs) : engine.retire(graceMs);
  const [{ cut }] = await Promise.all([requests, streams]);
  grace.abort();
  if (cut > 0) log.warn("requests were cut at the end of the grace", { requests: cut });
}

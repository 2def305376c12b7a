/**
 * Tells the other workers and replicas which upstreams are left alone, and takes over what they tell. Hints: what is lost costs each worker
 * its own failures, and what is wrong is put right by the first answer. Part of the composition root.
 */
import type { SharedState } from "./coordination/index.ts";
import type { Log } from "./telemetry/index.ts";
import type { Upstreams, UpstreamTarget } from "./upstreams/index.ts";

const CHANNEL = "upstream:circuits";

export type CircuitShare = { close(): Promise<void> };

/** `target`: the definition in force of an upstream. Goes without, and says so, when the store does not answer. */
export async function shareCircuits(
  state: SharedState,
  upstreams: Upstreams,
  target: (id: string) => UpstreamTarget | undefined,
  log: Log,
): Promise<CircuitShare> {
  const forget = upstreams.onCircuit((id, revision, circuit, hinted) => {
    const slug = target(id)?.slug ?? id;
    if (circuit === "open") log.warn("an upstream is left alone", { upstream: slug, hinted });
    else log.info("an upstream is reached again", { upstream: slug, hinted });
    if (hinted) return;
    state.publish(CHANNEL, JSON.stringify({ id, revision, circuit })).catch((error: unknown) => {
      log.debug("others were not told of an upstream", { upstream: slug, reason: String(error) });
    });
  });
  try {
    const leave = await state.subscribe(CHANNEL, (message) => {
      const { id, revision, circuit } = hintOf(message);
      const known = target(id);
      if (known?.revision === revision && circuit !== undefined) upstreams.hintCircuit(known, circuit);
    });
    return {
      async close() {
        forget();
        await leave();
      },
    };
  } catch (error) {
    log.warn("what others see of upstreams is not heard", { reason: String(error) });
    return { close: async () => void forget() };
  }
}

function hintOf(message: string): { id: string; revision: string; circuit: "open" | "closed" | undefined } {
  const value: unknown = JSON.parse(message);
  const fields = new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
  const circuit = fields.get("circuit");
  return {
    id: String(fields.get("id")),
    revision: String(fields.get("revision")),
    circuit: circuit === "open" || circuit === "closed" ? circuit : undefined,
  };
}

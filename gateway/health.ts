/**
 * Brings unreachable upstreams back: one process of the deployment, the holder of a lease, asks them again, with a growing pause per
 * upstream. Reachable ones are not probed; their own traffic shows how they are. Part of the composition root.
 */
import { holdLease, type LeaseOptions, type SharedState } from "./coordination/index.ts";
import type { Federation } from "./federation/index.ts";
import type { GatewayRecord } from "./store/index.ts";
import type { Log } from "./telemetry/index.ts";

const MAX_PAUSE_FACTOR = 10;

export type HealthChecks = { close(): Promise<void> };
export type Election = Omit<LeaseOptions, "name" | "log">;

/** `refresh` inspects an upstream and stores what it found; it rejects when the upstream is still away. */
export function startHealthChecks(
  state: SharedState,
  federation: Federation,
  intervalMs: number,
  election: Election,
  refresh: (record: GatewayRecord) => Promise<void>,
  log: Log,
): HealthChecks {
  if (intervalMs === 0) return { close: () => Promise.resolve() };
  const failures = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let round = 0;

  async function check(record: GatewayRecord): Promise<void> {
    const failed = failures.get(record.id) ?? 0;
    if (failed > 0 && round % Math.min(2 ** failed, MAX_PAUSE_FACTOR) !== 0) return;
    try {
      await refresh(record);
      failures.delete(record.id);
      log.info("an upstream is back", { upstream: record.slug });
    } catch (error) {
      failures.set(record.id, failed + 1);
      log.debug("an upstream is still away", { upstream: record.slug, reason: String(error) });
    }
  }

  async function run(): Promise<void> {
    round++;
    const away = federation.snapshot.gateways.filter((record) => record.enabled && !record.reachable);
    const present = new Set(away.map(({ id }) => id));
    for (const id of failures.keys()) if (!present.has(id)) failures.delete(id);
    await Promise.all(away.map(check));
  }

  // A look that began before the lease was lost may end after it: looking twice does no harm, so nothing is fenced here.
  return holdLease(
    state,
    { ...election, name: "health", log },
    {
      acquired() {
        timer = setInterval(() => void run(), intervalMs);
        timer.unref();
      },
      lost: () => clearInterval(timer),
    },
  );
}

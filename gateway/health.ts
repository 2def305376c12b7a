/**
 * Asks upstreams whether they live: one process of the deployment, the holder of a lease. Those that fail several times in a row count as
 * unreachable; those are asked again, with a growing pause, until they are back. Part of the composition root.
 */
import { type Election, holdChores, type SharedState } from "./coordination/index.ts";
import type { GatewayRecord } from "./store/index.ts";
import type { Log } from "./telemetry/index.ts";

const MAX_PAUSE_FACTOR = 10;

export type HealthChecks = {
  /** Something else speaks against an upstream: it is asked now, where the checks are made, and one more failure is enough. */
  suspect(id: string): void;
  close(): Promise<void>;
};

export type HealthOptions = {
  readonly election: Election;
  /** 0: nobody is asked. */
  readonly intervalMs: number;
  readonly threshold: number;
  readonly concurrency: number;
  /** How old lists may become; undefined: as old as they are. */
  readonly refreshMs: number | undefined;
  readonly gateways: () => readonly GatewayRecord[];
  /** Asks one; rejects with what is wrong. Leaves nothing behind. */
  readonly probe: (record: GatewayRecord) => Promise<void>;
  /** Inspects one and stores what it found; rejects when it is away. */
  readonly refresh: (record: GatewayRecord) => Promise<void>;
  /** Stores that it is away. */
  readonly away: (record: GatewayRecord, reason: string) => Promise<void>;
  readonly log: Log;
};

export function startHealthChecks(state: SharedState, options: HealthOptions): HealthChecks {
  if (options.intervalMs === 0) return { suspect: () => undefined, close: () => Promise.resolve() };
  const checks = new Checks(options);
  const { election, intervalMs, log } = options;
  // Looking twice does no harm, so nothing is fenced here.
  const lease = holdChores(state, { ...election, name: "health", log }, [
    {
      firstMs: intervalMs,
      run(signal) {
        // The others are asked in time, however long one of them takes.
        void checks.run(signal);
        return intervalMs;
      },
    },
  ]);
  return {
    suspect(id) {
      if (lease.fence !== undefined) void checks.suspect(id);
    },
    close: () => lease.close(),
  };
}

export class Checks {
  readonly #options: HealthOptions;
  /** Failures in a row, by upstream. */
  readonly #failures = new Map<string, number>();
  readonly #asked = new Set<string>();
  #round = 0;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** Every upstream once. Never rejects. */
  async run(signal?: AbortSignal): Promise<void> {
    this.#round++;
    const enabled = this.#options.gateways().filter(({ enabled }) => enabled);
    const present = new Set(enabled.map(({ id }) => id));
    for (const id of this.#failures.keys()) if (!present.has(id)) this.#failures.delete(id);
    const waiting = enabled.values();
    const work = async (): Promise<void> => {
      for (const record of waiting) {
        if (signal?.aborted === true) return;
        await this.#check(record);
      }
    };
    await Promise.all(Array.from({ length: this.#options.concurrency }, work));
  }

  async suspect(id: string): Promise<void> {
    const record = this.#options.gateways().find((known) => known.id === id);
    if (record?.enabled !== true || !record.reachable) return;
    this.#failures.set(id, Math.max(this.#failures.get(id) ?? 0, this.#options.threshold - 1));
    await this.#check(record);
  }

  /** One at a time of each: a slow answer is waited for, not asked for again. */
  async #check(record: GatewayRecord): Promise<void> {
    if (this.#asked.has(record.id)) return;
    this.#asked.add(record.id);
    try {
      await (record.reachable ? this.#watch(record) : this.#recover(record));
    } catch (error) {
      this.#options.log.warn("a health check could not be made", { upstream: record.slug, reason: String(error) });
    } finally {
      this.#asked.delete(record.id);
    }
  }

  async #watch(record: GatewayRecord): Promise<void> {
    const { probe, refresh, away, threshold, log } = this.#options;
    // Children of the stdio host are started when they are needed; what the gateway hosts itself is there.
    const isOwn = record.transport === "STDIO" || record.transport === "BUILTIN";
    try {
      if (!isOwn) await probe(record);
      this.#failures.delete(record.id);
    } catch (error) {
      const failed = (this.#failures.get(record.id) ?? 0) + 1;
      this.#failures.set(record.id, failed);
      const reason = error instanceof Error ? error.message : String(error);
      log.debug("an upstream failed a health check", { upstream: record.slug, failed, reason });
      if (failed < threshold) return;
      this.#failures.delete(record.id);
      log.warn("an upstream is away", { upstream: record.slug, reason });
      await away(record, reason);
      return;
    }
    if (this.#isOld(record)) await refresh(record);
  }

  #isOld({ lastRefreshAt, transport }: GatewayRecord): boolean {
    const { refreshMs } = this.#options;
    if (refreshMs === undefined || transport === "BUILTIN") return false;
    return lastRefreshAt === null || Date.now() - Date.parse(lastRefreshAt) >= refreshMs;
  }

  async #recover(record: GatewayRecord): Promise<void> {
    const { refresh, log } = this.#options;
    const failed = this.#failures.get(record.id) ?? 0;
    if (failed > 0 && this.#round % Math.min(2 ** failed, MAX_PAUSE_FACTOR) !== 0) return;
    try {
      await refresh(record);
      this.#failures.delete(record.id);
      log.info("an upstream is back", { upstream: record.slug });
    } catch (error) {
      this.#failures.set(record.id, failed + 1);
      log.debug("an upstream is still away", { upstream: record.slug, reason: String(error) });
    }
  }
}

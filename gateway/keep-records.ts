/**
 * Upkeep of records: hours are added up and what is past its time is dropped, by the one process of the deployment that holds the lease.
 * Part of the composition root.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Settings } from "../contract/settings.ts";
import { type Chore, type Election, holdChores, type SharedState } from "./coordination/index.ts";
import type { RecordRepository } from "./store/index.ts";
import { type ChainEnd, type ChainKeys, type Log, signAnchor } from "./telemetry/index.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A process that has written nothing for so long writes no old batch again. */
const WRITER_DAYS = 7;
/** After a failure it is tried again. */
const RETRY_MS = 60_000;

export type UpkeepParts = {
  readonly settings: Settings;
  readonly records: RecordRepository;
  readonly keys: ChainKeys;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: Log;
};

export type Upkeep = {
  /** Does it at once and then in its intervals, while this process holds the lease. */
  hold(state: SharedState, election: Election): { close(): Promise<void> };
  /** Up to where hours are added up, epoch ms; undefined when somebody else is at it. */
  rollUp(): Promise<number | undefined>;
  /** How many of what were dropped. */
  cleanUp(signal?: AbortSignal): Promise<Readonly<Record<string, number>>>;
};

export function keepRecords(parts: UpkeepParts): Upkeep {
  const { settings, records, keys, now } = parts;
  const batch = settings.METRICS_CLEANUP_BATCH_SIZE;
  const lateHours = settings.METRICS_ROLLUP_LATE_DATA_HOURS;

  /** Small statements with pauses between, until there is nothing left to drop. */
  async function inBatches(drop: () => Promise<number>, signal: AbortSignal | undefined): Promise<number> {
    for (let dropped = 0; ; ) {
      const some = await drop();
      dropped += some;
      if (some < batch || signal?.aborted === true) return dropped;
      await pause(settings.METRICS_CLEANUP_BATCH_SLEEP_MS);
    }
  }

  const upkeep: Upkeep = {
    hold: (state, election) =>
      holdChores(state, { name: "records", ...election, log: parts.log }, choresOf(upkeep, parts)),
    // Rows of the last minutes still wait in some process: an hour is over when they have come.
    rollUp: () => records.rollUpCalls(now() - 2 * settings.METRICS_BUFFER_FLUSH_INTERVAL * 1000, lateHours),
    async cleanUp(signal) {
      const old = (days: number) => now() - days * DAY_MS;
      const gone = await records.dropCalls(old(settings.METRICS_RETENTION_DAYS), undefined);
      const addedUp =
        settings.METRICS_ROLLUP_ENABLED && settings.METRICS_DELETE_RAW_AFTER_ROLLUP
          ? await records.dropCalls(now() - settings.METRICS_DELETE_RAW_AFTER_ROLLUP_HOURS * HOUR_MS, lateHours)
          : [];
      const sign = (end: ChainEnd) => signAnchor(keys, end);
      return {
        days: gone.length + addedUp.length,
        hours: await inBatches(
          () => records.pruneFigures(old(settings.METRICS_ROLLUP_RETENTION_DAYS), old(WRITER_DAYS), batch),
          signal,
        ),
        events: await inBatches(() => records.pruneEvents(old(settings.LOG_RETENTION_DAYS), batch), signal),
        audit: await inBatches(() => records.pruneAudit(old(settings.AUDIT_TRAIL_RETENTION_DAYS), batch, sign), signal),
      };
    },
  };
  return upkeep;
}

function choresOf(upkeep: Upkeep, { settings, log }: UpkeepParts): readonly Chore[] {
  const chore = (name: string, hours: number, work: (signal: AbortSignal) => Promise<unknown>): Chore => ({
    firstMs: 0,
    async run(signal) {
      try {
        await work(signal);
        return hours * HOUR_MS;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log.warn("records.upkeep_failed", { task: name, reason });
        return RETRY_MS;
      }
    },
  });
  const { METRICS_ROLLUP_ENABLED, METRICS_ROLLUP_INTERVAL_HOURS } = settings;
  const { METRICS_CLEANUP_ENABLED, METRICS_CLEANUP_INTERVAL_HOURS } = settings;
  return [
    ...(METRICS_ROLLUP_ENABLED ? [chore("roll-up", METRICS_ROLLUP_INTERVAL_HOURS, () => upkeep.rollUp())] : []),
    ...(METRICS_CLEANUP_ENABLED ? [chore("clean-up", METRICS_CLEANUP_INTERVAL_HOURS, upkeep.cleanUp)] : []),
  ];
}

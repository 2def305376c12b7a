/**
 * Rows that wait in memory to be written together. Bounded: what finds no room is dropped and counted. A batch that could not be written
 * stays the same batch with the same number, so that a writer can tell it from a new one.
 */
import type { Log } from "./types.ts";

export type BufferOptions<Row> = {
  /** In the log and among the metrics. */
  readonly name: string;
  /** Rows at which they are written at once. */
  readonly flushAt: number;
  /** Rows in memory at most, those that are being written included. */
  readonly capacity: number;
  readonly flushEveryMs: number;
  /** Rejects when the rows could not be written. The same number with the same rows may come again. */
  readonly write: (rows: readonly Row[], batch: number) => Promise<void>;
  /** Rows with the same key that wait together become one: the second is put into the first. */
  readonly merge?: { readonly keyOf: (row: Row) => string; readonly join: (first: Row, second: Row) => void };
  /** Waiting does not help such a failure: the batch is dropped. */
  readonly isHopeless?: (error: unknown) => boolean;
  readonly log: Log;
};

export type BufferFigures = {
  readonly waiting: number;
  readonly written: number;
  readonly dropped: number;
  readonly failures: number;
};

export interface RowBuffer<Row> {
  /** The row in which it stands now, itself or one of the same key; undefined where there was no room. */
  add(row: Row): Row | undefined;
  /** Changes when the rows that wait begin to be written, or are dropped: from then on they stay as they are. */
  readonly batches: number;
  /** Writes what is there now; resolves with whether all of it is written. */
  flush(): Promise<boolean>;
  figures(): BufferFigures;
  /** Writes what is there, for at most `withinMs`; what is left then, and what comes later, is dropped, counted and told. */
  close(withinMs: number): Promise<void>;
}

/** After a failure they are tried again this soon. */
const RETRY_MS = 5000;
/** Between tries at the end. */
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1000;

export function createBuffer<Row>(options: BufferOptions<Row>): RowBuffer<Row> {
  const { name, flushAt, capacity, write, merge, isHopeless = () => false, log } = options;
  let rows: Row[] = [];
  /** Where in `rows` a key stands. */
  const places = new Map<string, number>();
  let batch: { readonly rows: readonly Row[]; readonly number: number } | undefined;
  let batches = 0;
  let [written, dropped, failures, toldDropped] = [0, 0, 0, 0];
  let flushing: Promise<boolean> | undefined;
  /** The last try failed: a full buffer waits for the timer then, and not for the next row. */
  let isAway = false;
  let phase: "open" | "closing" | "closed" = "open";

  const waiting = () => rows.length + (batch?.rows.length ?? 0);

  function tellDropped(): void {
    if (dropped === toldDropped) return;
    log.warn("records.dropped", { records: name, rows: dropped - toldDropped, sinceStart: dropped });
    toldDropped = dropped;
  }

  /** One batch. False when it could not be written and is still there. */
  async function writeBatch(): Promise<boolean> {
    if (batch === undefined) {
      batch = { rows, number: ++batches };
      rows = [];
      places.clear();
    }
    const tried = batch;
    try {
      await write(tried.rows, tried.number);
      // At the end it was dropped meanwhile, and counted so.
      if (batch !== tried) return true;
      written += tried.rows.length;
      if (isAway) log.info("records.written_again", { records: name, rows: tried.rows.length });
    } catch (error) {
      if (batch !== tried) return true;
      failures++;
      const reason = error instanceof Error ? error.message : String(error);
      if (!isHopeless(error)) {
        if (!isAway) log.warn("records.waiting", { records: name, rows: waiting(), reason });
        isAway = true;
        // At the end it is close that tries again.
        if (phase === "open") setTimeout(() => void flush(), Math.min(RETRY_MS, options.flushEveryMs)).unref();
        return false;
      }
      dropped += tried.rows.length;
      log.error("records.refused", { records: name, rows: tried.rows.length, reason });
      toldDropped = dropped;
    }
    isAway = false;
    batch = undefined;
    return true;
  }

  /** What was there when it began, and what came while it was at it. Not called with nothing to write: it has to wait once. */
  async function writeAll(): Promise<boolean> {
    try {
      while (waiting() > 0) if (!(await writeBatch())) return false;
      return true;
    } finally {
      // In the same step as the last look at what waits: a row that comes after it begins anew.
      flushing = undefined;
      tellDropped();
    }
  }

  function flush(): Promise<boolean> {
    if (waiting() === 0) return Promise.resolve(true);
    flushing ??= writeAll();
    return flushing;
  }

  const timer = setInterval(() => void flush(), options.flushEveryMs).unref();

  return {
    add(row) {
      const key = merge?.keyOf(row);
      const place = key === undefined ? undefined : places.get(key);
      const first = place === undefined ? undefined : rows[place];
      if (merge !== undefined && place !== undefined && first !== undefined) {
        merge.join(first, row);
        return first;
      }
      if (waiting() >= capacity || phase === "closed") {
        dropped++;
        if (phase === "closed") tellDropped();
        return undefined;
      }
      if (key !== undefined) places.set(key, rows.length);
      rows.push(row);
      if (rows.length >= flushAt && !isAway && flushing === undefined) setImmediate(() => void flush());
      return row;
    },
    get batches() {
      return batches;
    },
    flush,
    figures: () => ({ waiting: waiting(), written, dropped, failures }),
    async close(withinMs) {
      clearInterval(timer);
      phase = "closing";
      const end = performance.now() + withinMs;
      for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(MAX_PAUSE_MS, pause * 2)) {
        const left = end - performance.now();
        const isDone = left > 0 && (await within(flush(), left));
        if (isDone && waiting() === 0) {
          phase = "closed";
          return;
        }
        if (end - performance.now() <= pause) break;
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
      phase = "closed";
      dropped += waiting();
      [rows, batch] = [[], undefined];
      // Nobody shall add to a row that is gone.
      batches++;
      places.clear();
      tellDropped();
    },
  };
}

/** False when it has not ended by then. */
async function within(work: Promise<boolean>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

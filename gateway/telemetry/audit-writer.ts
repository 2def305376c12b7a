/** The audit trail's end in this process: rows are chained as they go into a batch, so that one that was dropped leaves no gap but a number. */
import { type BufferFigures, createBuffer } from "./buffer.ts";
import { type ChainKeys, GENESIS, type Link, type Linked, linkRow } from "./chain.ts";
import type { Log } from "./types.ts";

export type AuditEntry = Omit<Link, "writer" | "sequence" | "dropped">;

export interface AuditWriter {
  /** Written with others, later. */
  add(entry: AuditEntry): void;
  /** Resolves when it is written, or could not be for now: it stays then, and the log tells. */
  addNow(entry: AuditEntry): Promise<void>;
  flush(): Promise<boolean>;
  figures(): BufferFigures;
  close(withinMs: number): Promise<void>;
}

export type AuditWriterOptions = {
  /** One life of one process: no other may ever write under it. */
  readonly writer: string;
  readonly keys: ChainKeys;
  readonly flushAt: number;
  readonly capacity: number;
  readonly flushEveryMs: number;
  readonly write: (rows: readonly Linked[]) => Promise<void>;
  readonly isHopeless: (error: unknown) => boolean;
  readonly log: Log;
};

export function createAuditWriter(options: AuditWriterOptions): AuditWriter {
  const { writer, keys, write } = options;
  let [sequence, previous] = [0, GENESIS];
  let chained: { readonly batch: number; readonly rows: readonly Linked[]; readonly undo: () => void } | undefined;
  let [lost, told] = [0, 0];

  function chain(batch: number, entries: readonly AuditEntry[]) {
    const before = { sequence, previous };
    const rows = entries.map((entry) => {
      const dropped = lost - told;
      told = lost;
      const row = linkRow(keys, { ...storable(entry), writer, sequence: ++sequence, dropped }, previous);
      previous = row.hash;
      return row;
    });
    const undo = () => {
      ({ sequence, previous } = before);
      lost += entries.length;
    };
    return { batch, rows, undo };
  }

  const buffer = createBuffer<AuditEntry>({
    name: "audit",
    flushAt: options.flushAt,
    capacity: options.capacity,
    flushEveryMs: options.flushEveryMs,
    async write(entries, batch) {
      if (chained?.batch !== batch) chained = chain(batch, entries);
      await write(chained.rows);
    },
    isHopeless(error) {
      const isHopeless = options.isHopeless(error);
      // The chain goes on from before what nobody will ever read.
      if (isHopeless) chained?.undo();
      return isHopeless;
    },
    log: options.log,
  });
  const add = (entry: AuditEntry) => {
    if (!buffer.add(entry)) lost++;
  };
  return {
    add,
    async addNow(entry) {
      add(entry);
      await buffer.flush();
    },
    flush: () => buffer.flush(),
    figures: () => buffer.figures(),
    close: (withinMs) => buffer.close(withinMs),
  };
}

/** As the database keeps it, before it is hashed: its text holds no U+0000 and no half of a surrogate pair. */
function storable(entry: AuditEntry): AuditEntry {
  const text = (value: string) => value.toWellFormed().replaceAll("\0", "\uFFFD");
  const orNull = (value: string | null) => (value === null ? null : text(value));
  return {
    ...entry,
    at: Math.trunc(entry.at),
    correlationId: text(entry.correlationId),
    principal: text(entry.principal),
    tokenId: orNull(entry.tokenId),
    remote: text(entry.remote),
    method: text(entry.method),
    action: text(entry.action),
    resourceType: text(entry.resourceType),
    resourceId: orNull(entry.resourceId),
    change: orNull(entry.change),
  };
}

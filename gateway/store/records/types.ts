/** Rows of records, as they are given to the store and come back. Times are epoch milliseconds. */
import type { Linked, LogEntry, SecurityEntry } from "../../telemetry/index.ts";

export type CallKind = "tool" | "resource" | "prompt";

export type CallRow = {
  readonly at: number;
  readonly kind: CallKind;
  readonly gatewayId: string;
  readonly gatewaySlug: string;
  readonly name: string;
  /** Empty without a virtual server. */
  readonly serverId: string;
  readonly outcome: string;
  /** The mean, where it stands for several. */
  readonly ms: number;
  /** Of the histogram of durations. */
  readonly bucket: number;
  /** How many calls it stands for, all of one bucket; 1 when absent. */
  readonly calls?: number;
};

/** A link of the audit trail's chain, as it was signed. */
export type AuditRow = Linked;

/** Kinds and levels are those of any version that ever wrote. */
export type SecurityRow = Readonly<Omit<SecurityEntry, "kind">> & { readonly kind: string };
export type LogRow = Omit<LogEntry, "level"> & { readonly level: string };

/** Which batch of which writer: the same one again changes nothing. Batches of a writer are numbered from 1 on. */
export type Batch = { readonly writer: string; readonly number: number };

export type Stored<Row> = Row & { readonly id: string };
/** Newest first; `next` is where the next page begins. */
export type RecordPage<Row> = { readonly rows: readonly Stored<Row>[]; readonly next?: string };

/** What is asked of records; absent fields ask for everything. `before` is an id: only older rows. */
export type RecordQuery<Field extends string> = {
  readonly limit: number;
  readonly before?: string;
  /** Epoch milliseconds, `from` included and `until` not. */
  readonly from?: number;
  readonly until?: number;
  readonly where: Readonly<Partial<Record<Field, string>>>;
};

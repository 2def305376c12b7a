/** Rows of records, as they are given to the store and come back. Times are epoch milliseconds. */
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

export type AuditRow = {
  readonly writer: string;
  readonly sequence: number;
  readonly at: number;
  readonly correlationId: string;
  readonly principal: string;
  readonly principalKind: string;
  readonly tokenId: string | null;
  readonly remote: string;
  readonly method: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string | null;
  readonly status: number;
  readonly outcome: string;
  /** JSON text. */
  readonly change: string | null;
  readonly dropped: number;
  readonly keyId: string;
  readonly previous: string;
  readonly hash: string;
};

export type Anchor = {
  readonly writer: string;
  readonly sequence: number;
  readonly hash: string;
  readonly keyId: string;
  readonly mac: string;
};

export type Severity = "low" | "medium" | "high";
export type SecurityRow = {
  readonly at: number;
  readonly kind: string;
  readonly severity: Severity;
  readonly principal: string | null;
  readonly remote: string;
  readonly detail: string;
  readonly correlationId: string;
  readonly times: number;
};

export type LogRow = {
  readonly at: number;
  readonly level: string;
  readonly event: string;
  readonly worker: string | null;
  readonly correlationId: string | null;
  /** JSON text. */
  readonly fields: string;
};

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

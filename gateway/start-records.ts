/** What this worker writes down, and how it gets into the store. Part of the composition root. */
import { randomBytes } from "node:crypto";
import type { Settings } from "../contract/settings.ts";
import { chainKeysOf } from "./audit-trail.ts";
import { LooseEnds } from "./loose-ends.ts";
import { alikeCalls, auditCalls, type GrowingRow, recordCalls } from "./record-calls.ts";
import type { ChangeRecorder } from "./record-changes.ts";
import { securityWatch } from "./record-security.ts";
import type { CallWatch } from "./sessions/index.ts";
import { type LogRow, RowsRefused, type Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import {
  type AuditWriter,
  type BufferFigures,
  type ChainKeys,
  createAuditWriter,
  createBuffer,
  createSecurityLog,
  type Log,
  logWithRows,
  type Metrics,
  type RowBuffer,
  rememberRedacted,
  type SecurityWriter,
} from "./telemetry/index.ts";

/** Rows other than those of calls: written this often, so many at once, and so many in memory. */
const FLUSH_EVERY_MS = 2000;
const FLUSH_AT = 1000;
const CAPACITY = 10_000;
/** Of calls, times METRICS_BUFFER_MAX_SIZE. */
const CAPACITY_FACTOR = 10;
/** Names of tools, prompts and resources whose redacted form is remembered. */
const REMEMBERED_NAMES = 1000;
/** Buffers are told apart from a database that is slow: this long they are written at the end. */
const LAST_WRITE_MS = 5000;
/** Changes that outlive the grace are waited for this long; what is left of the time until a worker is killed is for the rest. */
const LAST_CHANGES_MS = 3000;

export type Records = {
  /** What is said to it is rows too, where that is wanted. */
  readonly log: Log;
  /** Absent where nothing is recorded of calls. */
  readonly watches: readonly CallWatch[];
  readonly changes: ChangeRecorder;
  readonly security: SecurityWriter | undefined;
  readonly chainKeys: ChainKeys;
  flush(): Promise<void>;
  /** Waits for changes that still run, for at most 3 s: nothing that they need may be closed before, and no new ones may come. */
  finishChanges(): Promise<void>;
  buffers(): Readonly<Record<string, BufferFigures>>;
};

export type RecordsInput = {
  readonly settings: Settings;
  readonly store: Store;
  readonly encryptionSecret: string;
  readonly workerId: string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly teardown: Teardown;
};

type Kept = { flush(): Promise<unknown>; figures(): BufferFigures; close(withinMs: number): Promise<void> };

/** Closed after everything that writes into it and before the store: what waits is written then. */
export function openRecords(input: RecordsInput): Records {
  const { settings, store, log, workerId } = input;
  const records = store.records;
  /** One life of this worker: nobody else ever has the name. */
  const writer = `${workerId}.${randomBytes(6).toString("base64url")}`;
  const chainKeys = chainKeysOf(input.encryptionSecret);
  const isHopeless = (error: unknown) => error instanceof RowsRefused;
  const kept: Record<string, Kept> = {};
  const redacted = rememberRedacted(REMEMBERED_NAMES);
  const running = new LooseEnds();

  const audit = settings.AUDIT_TRAIL_ENABLED || settings.PERMISSION_AUDIT_ENABLED ? openAudit() : undefined;
  const security = settings.SECURITY_LOGGING_ENABLED ? openSecurity() : undefined;
  const calls = settings.DB_METRICS_RECORDING_ENABLED ? openCalls() : undefined;
  const lines = settings.STRUCTURED_LOGGING_DATABASE_ENABLED ? openLines() : undefined;

  function openAudit(): AuditWriter {
    const made = createAuditWriter({
      writer,
      keys: chainKeys,
      flushAt: FLUSH_AT,
      capacity: CAPACITY,
      flushEveryMs: FLUSH_EVERY_MS,
      write: (rows) => records.writeAudit(rows),
      isHopeless,
      log,
    });
    kept.audit = made;
    return made;
  }

  function openSecurity(): SecurityWriter {
    const made = createSecurityLog({
      level: settings.SECURITY_LOGGING_LEVEL,
      threshold: settings.SECURITY_FAILED_AUTH_THRESHOLD,
      windowMs: settings.SECURITY_RATE_LIMIT_WINDOW_MINUTES * 60_000,
      capacity: CAPACITY,
      flushEveryMs: FLUSH_EVERY_MS,
      write: (rows, number) => records.writeSecurity({ writer, number }, rows),
      isHopeless,
      now: Date.now,
      log,
    });
    kept.security = made;
    return made;
  }

  function openCalls(): RowBuffer<GrowingRow> {
    const size = settings.METRICS_BUFFER_MAX_SIZE;
    const made = createBuffer<GrowingRow>({
      name: "calls",
      flushAt: size,
      capacity: size * CAPACITY_FACTOR,
      merge: alikeCalls,
      flushEveryMs: settings.METRICS_BUFFER_ENABLED ? settings.METRICS_BUFFER_FLUSH_INTERVAL * 1000 : 1000,
      // Names of resources are URIs, which may hold what nobody else shall read; not looked at while a call waits.
      write: (rows, number) =>
        records.writeCalls(
          { writer, number },
          rows.map((row) => ({ ...row, name: redacted(row.name) })),
        ),
      isHopeless,
      log,
    });
    kept.calls = made;
    return made;
  }

  function openLines(): RowBuffer<LogRow> {
    const made = createBuffer<LogRow>({
      name: "log",
      flushAt: FLUSH_AT,
      capacity: CAPACITY,
      flushEveryMs: FLUSH_EVERY_MS,
      write: (rows, number) => records.writeLog({ writer, number }, rows),
      isHopeless,
      log,
    });
    kept.log = made;
    return made;
  }

  const buffers = () => Object.fromEntries(Object.entries(kept).map(([name, one]) => [name, one.figures()]));
  measure(input.metrics, buffers);
  input.teardown.add("records", async () => {
    // Log lines last: the others may have something to say.
    for (const one of Object.values(kept)) await one.close(LAST_WRITE_MS);
  });
  return {
    log:
      lines === undefined
        ? log
        : logWithRows(log, {
            level: settings.LOG_LEVEL,
            fields: { worker: workerId },
            add: (entry) => void lines.add(entry),
            now: Date.now,
          }),
    watches: [
      ...(calls === undefined ? [] : [recordCalls(calls, Date.now)]),
      ...(security === undefined ? [] : [securityWatch(security)]),
      ...(audit === undefined || !settings.AUDIT_TRAIL_CALLS ? [] : [auditCalls(audit, redacted, Date.now)]),
    ],
    changes: { audit, withReads: settings.PERMISSION_AUDIT_ENABLED, security, running, now: Date.now },
    security,
    chainKeys,
    async finishChanges() {
      const left = await running.tie(LAST_CHANGES_MS);
      if (left > 0) log.warn("changes were still being made at the end", { changes: left });
    },
    flush: async () => void (await Promise.all(Object.values(kept).map((one) => one.flush()))),
    buffers,
  };
}

function measure(metrics: Metrics, buffers: Records["buffers"]): void {
  const each = (read: (figures: BufferFigures) => number) => (set: (value: number, name: string) => void) => {
    for (const [name, figures] of Object.entries(buffers())) set(read(figures), name);
  };
  metrics.collect(
    "mcp_records_waiting",
    each(({ waiting }) => waiting),
  );
  metrics.collect(
    "mcp_records_written_total",
    each(({ written }) => written),
  );
  metrics.collect(
    "mcp_records_dropped_total",
    each(({ dropped }) => dropped),
  );
}

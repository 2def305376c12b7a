/** The security log of this process: what was refused and why. Equal events that come soon after each other are one row with a number. */
import { type BufferFigures, createBuffer } from "./buffer.ts";
import { redactText } from "./redaction.ts";
import type { Log, SecurityEvent, SecurityKind, SecurityLog } from "./types.ts";

export type SecuritySeverity = "low" | "medium" | "high";
export type SecurityEntry = {
  readonly at: number;
  readonly kind: SecurityKind;
  readonly severity: SecuritySeverity;
  readonly principal: string | null;
  readonly remote: string;
  readonly detail: string;
  readonly correlationId: string;
  times: number;
};

const SEVERITY: Readonly<Record<SecurityKind, SecuritySeverity>> = {
  "auth.ok": "low",
  "auth.refused": "low",
  "auth.forbidden": "medium",
  "auth.lockout": "high",
  "auth.revoked": "medium",
  "limit.refused": "low",
  "address.blocked": "high",
  "tool.quarantined": "high",
};
/** Addresses whose tries are counted; the ones that came first are forgotten. */
const MAX_ADDRESSES = 10_000;
const MAX_DETAIL = 300;

export type SecurityLogOptions = {
  readonly level: "all" | "failures_only" | "high_severity";
  /** Refused tries of one address within the window that make the next ones of high severity. */
  readonly threshold: number;
  readonly windowMs: number;
  readonly capacity: number;
  readonly flushEveryMs: number;
  readonly write: (rows: readonly SecurityEntry[], batch: number) => Promise<void>;
  readonly isHopeless: (error: unknown) => boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: Log;
};

export type SecurityWriter = SecurityLog & {
  figures(): BufferFigures;
  flush(): Promise<boolean>;
  close(withinMs: number): Promise<void>;
};

export function createSecurityLog(options: SecurityLogOptions): SecurityWriter {
  const { level, now } = options;
  const failures = failureCounts(options);
  /** Rows that are not on their way yet. */
  const open = new Map<string, SecurityEntry>();
  const buffer = createBuffer<SecurityEntry>({
    name: "security",
    flushAt: 1000,
    capacity: options.capacity,
    flushEveryMs: options.flushEveryMs,
    write(rows, batch) {
      open.clear();
      return options.write(rows, batch);
    },
    isHopeless: options.isHopeless,
    log: options.log,
  });

  function severityOf({ kind, remote }: SecurityEvent): SecuritySeverity {
    if (kind === "auth.refused" && failures(remote)) return "high";
    return SEVERITY[kind];
  }

  return {
    record(event) {
      const severity = severityOf(event);
      if (level === "high_severity" ? severity !== "high" : event.kind === "auth.ok" && level !== "all") return;
      const principal = event.principal ?? null;
      const detail = redactText(event.detail, MAX_DETAIL);
      const key = JSON.stringify([event.kind, severity, event.remote, principal, detail]);
      const same = open.get(key);
      if (same !== undefined) {
        same.times++;
        return;
      }
      const { kind, remote, correlationId } = event;
      const row = { at: now(), kind, severity, principal, remote, detail, correlationId, times: 1 };
      if (buffer.add(row)) open.set(key, row);
    },
    figures: () => buffer.figures(),
    flush: () => buffer.flush(),
    close: (withinMs) => buffer.close(withinMs),
  };
}

/** Counts a refused try of this address; true once there are as many as the threshold within the window. */
function failureCounts({ threshold, windowMs, now }: SecurityLogOptions): (remote: string) => boolean {
  const counts = new Map<string, { times: number; since: number }>();
  return (remote) => {
    const at = now();
    let count = counts.get(remote);
    if (count === undefined || at - count.since >= windowMs) {
      counts.delete(remote);
      const [oldest] = counts.keys();
      if (counts.size >= MAX_ADDRESSES && oldest !== undefined) counts.delete(oldest);
      count = { times: 0, since: at };
      counts.set(remote, count);
    }
    count.times++;
    return count.times >= threshold;
  };
}

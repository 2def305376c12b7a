/** Rows of calls: follows what goes to upstreams and says one row for each. Part of the composition root. */
import type { Route } from "./federation/index.ts";
import type { CallWatch, WatchedCall } from "./sessions/index.ts";
import type { CallRow } from "./store/index.ts";
import { type AuditWriter, bucketOf, type RowBuffer } from "./telemetry/index.ts";

const KINDS: ReadonlyMap<string, CallRow["kind"]> = new Map([
  ["tools/call", "tool"],
  ["resources/read", "resource"],
  ["prompts/get", "prompt"],
]);
/** What lists and notifications are about is no item: their methods are in no table above. */
const MAX_NAME = 256;

function kindOf(method: string): CallRow["kind"] | undefined {
  return KINDS.get(method);
}

function nameOf({ route }: WatchedCall): string {
  const name = route.target?.value ?? "";
  return name.length > MAX_NAME ? name.slice(0, MAX_NAME) : name;
}

/** A row to which calls are added while it waits to be written. */
export type GrowingRow = { -readonly [Key in keyof CallRow]: CallRow[Key] };
/** `until`: the end of its hour, epoch milliseconds. `batches`: those of the buffer when it was put there. */
type Tally = { readonly row: GrowingRow; readonly until: number; readonly batches: number };

const HOUR_MS = 3_600_000;

/** `now`: epoch milliseconds. */
export function recordCalls(rows: Pick<RowBuffer<GrowingRow>, "add" | "batches">, now: () => number): CallWatch {
  // By what was called, then by duration: calls that ended well are nearly all, and those of one route differ in nothing else.
  const tallies = new WeakMap<Route, (Tally | undefined)[]>();

  function first(call: WatchedCall, kind: CallRow["kind"], outcome: string, ms: number, bucket: number): void {
    const at = now();
    const { record } = call.route.upstream;
    const row = rows.add({
      at,
      kind,
      gatewayId: record.id,
      gatewaySlug: record.slug,
      name: nameOf(call),
      serverId: call.view.server?.id ?? "",
      outcome,
      ms,
      bucket,
    });
    if (row === undefined || outcome !== "ok") return;
    let tally = tallies.get(call.route);
    if (tally === undefined) {
      tally = [];
      tallies.set(call.route, tally);
    }
    tally[bucket] = { row, until: (Math.floor(at / HOUR_MS) + 1) * HOUR_MS, batches: rows.batches };
  }

  return {
    mayBegin: () => undefined,
    ended(call, outcome, ms) {
      const kind = kindOf(call.envelope.method);
      if (kind === undefined) return;
      const bucket = bucketOf(ms);
      const tally = outcome === "ok" ? tallies.get(call.route)?.[bucket] : undefined;
      if (tally === undefined || tally.batches !== rows.batches) {
        first(call, kind, outcome, ms, bucket);
        return;
      }
      const at = now();
      if (at >= tally.until) first(call, kind, outcome, ms, bucket);
      else grow(tally.row, at, ms, 1);
    },
  };
}

function grow(row: GrowingRow, at: number, ms: number, calls: number): void {
  const before = row.calls ?? 1;
  row.at = at;
  row.calls = before + calls;
  row.ms = (row.ms * before + ms * calls) / row.calls;
}

/** Rows of one hour, item, outcome and duration, as far as the histogram tells durations apart, are one: a busy tool is a few rows a minute. */
export const alikeCalls = {
  keyOf: ({ at, kind, gatewayId, name, serverId, outcome, bucket }: CallRow): string =>
    `${bucket} ${kind} ${Math.floor(at / HOUR_MS)} ${gatewayId} ${serverId} ${outcome} ${name}`,
  join: (first: GrowingRow, { at, ms, calls = 1 }: CallRow): void => grow(first, at, ms, calls),
};

/** Calls in the audit trail: who, what and with which outcome; no arguments and no results. */
export function auditCalls(audit: AuditWriter, redacted: (text: string) => string, now: () => number): CallWatch {
  return {
    mayBegin: () => undefined,
    ended(call, outcome) {
      const { method } = call.envelope;
      const kind = kindOf(method);
      if (kind === undefined) return;
      const { principal, remote, correlationId } = call.caller;
      audit.add({
        at: now(),
        correlationId,
        principal: principal.id,
        principalKind: principal.kind,
        tokenId: principal.tokenId ?? null,
        remote,
        method: "POST",
        action: method,
        resourceType: kind,
        resourceId: redacted(`${call.route.upstream.record.slug}/${nameOf(call)}`),
        status: 200,
        outcome,
        change: null,
      });
    },
  };
}

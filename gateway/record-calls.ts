/** Rows of calls: follows what goes to upstreams and says one row for each. Part of the composition root. */
import type { CallWatch, WatchedCall } from "./sessions/index.ts";
import type { CallRow } from "./store/index.ts";
import { type AuditWriter, bucketOf } from "./telemetry/index.ts";

const KINDS: Readonly<Record<string, CallRow["kind"] | undefined>> = {
  "tools/call": "tool",
  "resources/read": "resource",
  "prompts/get": "prompt",
};
/** What lists and notifications are about is no item: their methods are in no table above. */
const MAX_NAME = 256;

function kindOf(method: string): CallRow["kind"] | undefined {
  return Object.hasOwn(KINDS, method) ? KINDS[method] : undefined;
}

function nameOf({ route }: WatchedCall): string {
  const name = route.target?.value ?? "";
  return name.length > MAX_NAME ? name.slice(0, MAX_NAME) : name;
}

/** `now`: epoch milliseconds. */
export function recordCalls(add: (row: CallRow) => void, now: () => number): CallWatch {
  return {
    mayBegin: () => undefined,
    ended(call, outcome, ms) {
      const kind = kindOf(call.envelope.method);
      if (kind === undefined) return;
      const { record } = call.route.upstream;
      add({
        at: now(),
        kind,
        gatewayId: record.id,
        gatewaySlug: record.slug,
        name: nameOf(call),
        serverId: call.view.server?.id ?? "",
        outcome,
        ms,
        bucket: bucketOf(ms),
      });
    },
  };
}

const HOUR_MS = 3_600_000;

/** Rows of one hour, item, outcome and duration, as far as the histogram tells durations apart, are one: a busy tool is a few rows a minute. */
export const alikeCalls = {
  keyOf: ({ at, kind, gatewayId, name, serverId, outcome, bucket }: CallRow): string =>
    `${bucket} ${kind} ${Math.floor(at / HOUR_MS)} ${gatewayId} ${serverId} ${outcome} ${name}`,
  merged(first: CallRow, second: CallRow): CallRow {
    const [before, more] = [first.calls ?? 1, second.calls ?? 1];
    const calls = before + more;
    return { ...second, calls, ms: (first.ms * before + second.ms * more) / calls };
  },
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

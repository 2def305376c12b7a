/** Figures as REST shows them. */
import type { CallFigures } from "../store/index.ts";
import { percentile } from "../telemetry/index.ts";

/** Thousandths of a millisecond. */
const round = (ms: number) => Math.round(ms * 1000) / 1000;

export function shown({ calls, failures, totalMs, minMs, maxMs, lastAt, buckets }: CallFigures) {
  // A bucket's middle may lie outside of what was seen.
  const at = (share: number) => round(Math.min(maxMs, Math.max(minMs, percentile(buckets, share) ?? 0)));
  return {
    calls,
    failures,
    errorRate: calls === 0 ? 0 : failures / calls,
    meanMs: calls === 0 ? 0 : round(totalMs / calls),
    minMs: round(minMs),
    maxMs: round(maxMs),
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    lastAt: new Date(lastAt).toISOString(),
  };
}

export function shownItem(row: CallFigures) {
  return { kind: row.kind, gatewayId: row.gatewayId, gateway: row.gatewaySlug, name: row.name, ...shown(row) };
}

export function shownServer(row: CallFigures) {
  return { serverId: row.serverId, ...shown(row) };
}

/** Of what was never called. */
export const NOTHING = {
  calls: 0,
  failures: 0,
  errorRate: 0,
  meanMs: 0,
  minMs: 0,
  maxMs: 0,
  p50Ms: 0,
  p95Ms: 0,
  p99Ms: 0,
  lastAt: null,
};

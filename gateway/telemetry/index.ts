/** The door of the telemetry room. */

export { type AuditEntry, type AuditWriter, createAuditWriter } from "./audit-writer.ts";
export { type BufferFigures, type BufferOptions, createBuffer, type RowBuffer } from "./buffer.ts";
export {
  type Anchor,
  type ChainEnd,
  type ChainKey,
  type ChainKeys,
  ChainReader,
  isAnchor,
  isEnd,
  type Linked,
  type Signature,
  signAnchor,
  signEnd,
} from "./chain.ts";
export { correlationOf, knownCorrelation } from "./correlation.ts";
export { bucketOf, durationOf, percentile } from "./durations.ts";
export { type Figures, METRICS_CONTENT_TYPE, renderFigures } from "./exposition.ts";
export { createLog, type LogLevel, type LogOptions } from "./log.ts";
export { type LogEntry, logWithRows } from "./log-rows.ts";
export { countsOf, mergeFigures } from "./merge.ts";
export { collectBuild, collectLoopMetrics, collectProcessMetrics } from "./process-metrics.ts";
export { REDACTED, redact, redactText, rememberRedacted } from "./redaction.ts";
export { type Counter, createMetrics, type Gauge, type Histogram, type Metrics } from "./registry.ts";
export { createSecurityLog, type SecurityEntry, type SecurityWriter } from "./security-log.ts";
export type * from "./types.ts";

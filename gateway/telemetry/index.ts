/** The door of the telemetry room. */
export { createLog, type LogLevel, type LogOptions } from "./log.ts";
export { collectProcessMetrics } from "./process-metrics.ts";
export {
  type Counter,
  createMetrics,
  type Gauge,
  type Histogram,
  METRICS_CONTENT_TYPE,
  type Metrics,
} from "./registry.ts";
export type * from "./types.ts";

/** The door of the telemetry room. */

export { type Figures, METRICS_CONTENT_TYPE, renderFigures } from "./exposition.ts";
export { createLog, type LogLevel, type LogOptions } from "./log.ts";
export { countsOf, mergeFigures } from "./merge.ts";
export { collectBuild, collectLoopMetrics, collectProcessMetrics } from "./process-metrics.ts";
export { type Counter, createMetrics, type Gauge, type Histogram, type Metrics } from "./registry.ts";
export type * from "./types.ts";

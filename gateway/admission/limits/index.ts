export { customerOf } from "./address.ts";
export type { LimitFigures } from "./limiter.ts";
export { createLimits, type Limits, type LimitsOptions } from "./limits.ts";
export type { CallTarget } from "./subjects.ts";
export type { QuotaStore } from "./supplies.ts";

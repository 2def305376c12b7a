export { type Admission, type AdmissionOptions, BEAT_MS, createAdmission } from "./admission.ts";
export { type BulkheadOptions, Bulkheads, type Place } from "./bulkheads.ts";
export type { Signal } from "./governor.ts";
export * from "./limits/index.ts";
export { QueuedTicket } from "./queue.ts";
export { heapUse, loopDelay, upstreamWait } from "./signals.ts";
export { Ticket } from "./ticket.ts";
export * from "./types.ts";

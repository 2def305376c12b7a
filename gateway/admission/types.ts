/** The vocabulary of admission: classes of requests, why one is refused, and what is counted of them. */
import type { Fault } from "../../contract/errors.ts";
import type { Refused } from "../../contract/http.ts";

export type AdmissionClass = "probe" | "control" | "call" | "list" | "stream";

export const ADMISSION_CLASSES: readonly AdmissionClass[] = ["probe", "control", "call", "list", "stream"];

/**
 * `full`: all slots are taken. `pressure`: a signal has made them fewer than configured. `share`: near the cap, and this caller holds
 * more than its share. `late`: it waited for a slot as long as it may. `draining`: the process stops.
 */
export type RefusalReason = "full" | "pressure" | "share" | "late" | "draining";

export const REFUSAL_REASONS: readonly RefusalReason[] = ["full", "pressure", "share", "late", "draining"];

/** The same object for every refusal of a kind: it carries nothing of the request, and an engine may keep what it makes of it. */
export type Refusal = Refused & {
  readonly reason: RefusalReason;
  /** The same, for those who answer in their own words. */
  readonly fault: Fault;
};

/** A limit that is not enforced: `exceeded` is called each time the number rises above it. */
export type Watched = { readonly limit: number; readonly exceeded: () => void };
export type PlannedLoad = { readonly inFlight: Watched; readonly streams: Watched };

export type AdmissionGauges = {
  readonly draining: boolean;
  readonly inFlight: Readonly<Record<AdmissionClass, number>>;
  readonly admitted: Readonly<Record<AdmissionClass, number>>;
  readonly refused: Readonly<Record<AdmissionClass, Readonly<Record<RefusalReason, number>>>>;
  /** Slots at this moment; 0 = no cap. */
  readonly limit: Readonly<Record<AdmissionClass, number>>;
  /** How often a signal has taken slots away, by signal. */
  readonly shrunk: Readonly<Record<string, number>>;
  /** Requests that wait for a slot. */
  readonly waiting: number;
};

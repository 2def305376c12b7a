/** One `≤` or `<` of a budget, and the amounts that several budgets begin with. */
import type { Plan } from "../../../contract/plan.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";

export type Inequality = {
  readonly id: string;
  readonly statement: string;
  readonly left: number;
  readonly right: number;
  /** `left < right` instead of `left ≤ right`. */
  readonly strict: boolean;
  readonly severity: "refuse" | "warn";
};

export function holds({ left, right, strict }: Inequality): boolean {
  return strict ? left < right : left <= right;
}

/** Whether rounding in the last digits decides it; two honest calculations may then differ. What is equal is no matter of rounding. */
export function isBorderline({ left, right }: Inequality): boolean {
  return left !== right && Math.abs(left - right) <= 1e-9 * Math.max(1, Math.abs(left), Math.abs(right));
}

export function most(id: string, statement: string, left: number, right: number): Inequality {
  return { id, statement, left, right, strict: false, severity: "refuse" };
}
export function below(id: string, statement: string, left: number, right: number): Inequality {
  return { id, statement, left, right, strict: true, severity: "refuse" };
}
export function warn(one: Inequality): Inequality {
  return { ...one, severity: "warn" };
}

/** A condition that is not about amounts: 1 for met. */
export function met(id: string, statement: string, condition: boolean): Inequality {
  return most(id, statement, 1, condition ? 1 : 0);
}

/** A total is added up again here, unless the person pinned the total itself. */
export function total(input: SizingInput, path: string, sum: number): number {
  const pin = input.given[path];
  return typeof pin === "number" ? pin : sum;
}

/** λ: what nginx's cache lets through at the top of a burst, requests/s. */
export function arrivals(input: SizingInput): number {
  const { peakRps, burst, cacheableShare, cacheHitRatio } = input.load;
  return total(input, "load.gatewayRps", peakRps * burst * (1 - cacheableShare * cacheHitRatio));
}

/** L = λ·W (Little). */
export function requestsInFlight(input: SizingInput): number {
  return total(input, "load.inFlight", (arrivals(input) * input.load.meanLatencyMs) / 1000);
}

/** Connections that all workers can open at the worst instant. */
export function appConnections(input: SizingInput, { gateway, database }: Plan): number {
  const { poolPerWorker, overflow } = database;
  return total(input, "database.appConnections", gateway.replicas.peak * gateway.workers * (poolPerWorker + overflow));
}

/** One run of a scenario: the system from its start through the scenario's phases, cut into windows. */
import type { Plan } from "../../contract/plan.ts";
import type { ArrivalPattern } from "./arrivals.ts";
import type { Model } from "./model.ts";
import { Operations, type Order, type ReplicaStep } from "./operations.ts";
import { type Peaks, System } from "./system.ts";
import { between, type Counts } from "./tally.ts";

export type Phase = { readonly name: string; readonly seconds: number; readonly windows: number };

export type Course = {
  readonly replicas: number;
  /** Most replicas alive at once that the course may need. */
  readonly places: number;
  readonly pattern: ArrivalPattern;
  readonly orders: readonly Order[];
  /** Undefined where the number of replicas stays. */
  readonly autoscaling: Plan["autoscaling"] | undefined;
  /** One after the other; the first is for warming up. */
  readonly phases: readonly Phase[];
};

export type Window = {
  readonly phase: string;
  readonly counts: Counts;
  /** Seconds; NaN when nothing was answered. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
};

export type Run = {
  readonly windows: readonly Window[];
  /** From the very start. */
  readonly total: Counts;
  readonly inside: number;
  readonly peaks: Readonly<Peaks>;
  readonly replicas: readonly ReplicaStep[];
  /** Asked for at the end. */
  readonly desired: number;
};

export function runCourse(course: Course, model: Model, seed: number): Run {
  const system = new System(model, course.places, course.pattern, seed);
  const operations = new Operations(system, course.replicas, course.orders, course.autoscaling);
  const windows = course.phases.flatMap((phase) => runPhase(system, phase));
  return {
    windows,
    total: system.counts(),
    inside: system.inside,
    peaks: { ...system.peaks },
    replicas: operations.history,
    desired: operations.desired,
  };
}

function runPhase(system: System, { name, seconds, windows }: Phase): readonly Window[] {
  const start = system.now;
  return Array.from({ length: windows }, (_, at) => {
    const before = system.counts();
    system.latencies.clear();
    system.runUntil(start + (seconds * (at + 1)) / windows);
    const counts = between(before, system.counts());
    const quantile = (share: number) => system.latencies.quantile(share);
    return { phase: name, counts, p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99) };
  });
}

/** The profiles of a load test as steps. */
import type { Load } from "./generator.ts";

export const PROFILES = {
  smoke: "a few connections, to see whether all is well",
  step: "twice the load in each step, to find the knee",
  soak: "one rate for long, to find what grows",
  spike: "a rate, ten times that rate, the rate again",
} as const;
export type Profile = keyof typeof PROFILES;
export const profileNames: readonly Profile[] = ["smoke", "step", "soak", "spike"];

export type PlannedStep = { readonly name: string; readonly load: Load };

export type ProfileOrder = {
  readonly profile: Profile;
  /** Arrivals per second, open loop: of smoke and soak, of the last step, of the spike's base. */
  readonly rps?: number;
  /** Closed loop: of smoke, of the last step. */
  readonly connections?: number;
  /** Of all steps together. */
  readonly seconds: number;
};

export const DEFAULT_SECONDS: { readonly [P in Profile]: number } = { smoke: 10, step: 35, soak: 300, spike: 30 };
const SMOKE_CONNECTIONS = 2;
const STEP_CONNECTIONS = 64;
const SPIKE_FACTOR = 10;
/** An open loop opens connections as arrivals need them, up to so many: above what one worker admits at most (1024). */
export const OPEN_LOOP_CONNECTIONS = 2048;

/** soak and spike need a rate; the caller has checked that. */
export function planSteps({ profile, rps, connections, seconds }: ProfileOrder): readonly PlannedStep[] {
  const open = (name: string, rate: number, ofSteps: number): PlannedStep => ({
    name,
    load: { kind: "open", rps: rate, connections: OPEN_LOOP_CONNECTIONS, seconds: seconds / ofSteps },
  });
  const closed = (count: number, ofSteps: number): PlannedStep => ({
    name: `${count} connection${count === 1 ? "" : "s"}`,
    load: { kind: "closed", connections: count, seconds: seconds / ofSteps },
  });
  if (profile === "spike" && rps !== undefined)
    return [open("base", rps, 3), open("spike", SPIKE_FACTOR * rps, 3), open("after", rps, 3)];
  if (profile === "step") {
    const top = rps ?? connections ?? STEP_CONNECTIONS;
    const levels = rps === undefined ? doubled(top) : doubled(STEP_CONNECTIONS).map((n) => (n * rps) / 64);
    return levels.map((level) =>
      rps === undefined ? closed(level, levels.length) : open(`${rateText(level)}/s`, level, levels.length),
    );
  }
  if (rps !== undefined) return [open(`${rateText(rps)}/s`, rps, 1)];
  return [closed(connections ?? SMOKE_CONNECTIONS, 1)];
}

/** 1, 2, 4, … and the last one itself. */
function doubled(last: number): number[] {
  const levels: number[] = [];
  for (let level = 1; level < last; level *= 2) levels.push(level);
  return [...levels, last];
}

function rateText(rps: number): string {
  return String(Math.round(rps * 100) / 100);
}

/** A step is worth its connections when it brings more than this share of throughput. */
const WORTHWHILE = 0.05;

/** Index of the knee: the last step that brought over 5 % more throughput than the knee before it. */
export function kneeOf(throughputs: readonly number[]): number {
  let knee = 0;
  for (const [index, throughput] of throughputs.entries())
    if (throughput > (throughputs[knee] ?? 0) * (1 + WORTHWHILE)) knee = index;
  return knee;
}

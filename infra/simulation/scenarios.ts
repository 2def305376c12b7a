/** What is done to the planned system: six courses, each with the load, the replicas it starts with and the phases that are measured. */
import type { Plan } from "../../contract/plan.ts";
import type { ArrivalPattern, Step } from "./arrivals.ts";
import { SYNC_S, TOLERANCE } from "./autoscaler.ts";
import { type Model, replicasAt, steadyReplicas } from "./model.ts";
import type { Course, Phase } from "./run.ts";

export const scenarioNames = ["steady", "double", "burst", "lost-zone", "rollout", "scaling"] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export type Scenario = {
  readonly name: ScenarioName;
  readonly about: string;
  readonly course: Course;
  /** The phase whose figures are reported. */
  readonly main: string;
  /** Independent replications; one where the phase is long enough for batches. */
  readonly runs: number;
};

/** Batches of a steady phase; Student's t hardly narrows beyond. */
const BATCHES = 20;
const REPLICATIONS = 5;
/** Batches and phases shorter than this many mean latencies would depend on each other. */
const LATENCIES = 5;
/** After so many, the system has forgotten that it started empty. */
const WARM_UP_LATENCIES = 10;
const SHORTEST_S = 30;
const LONGEST_S = 300;
/** Of the ramp. */
const RAMP_STEPS = 12;
const RAMP_S = 60;
const LOW = 0.2;
/** Share of the time that bursts last, and how long one lasts at least. */
const BURST_SHARE = 0.25;
const BURST_S = 2;

/** `requests`: how many a scenario should at least consist of, about. */
export function scenarioOf(name: ScenarioName, plan: Plan, model: Model, requests: number): Scenario {
  return { name, ...SCENARIOS[name](new Setting(plan, model, requests)) };
}

/** Rates and lengths that the scenarios share. */
class Setting {
  readonly plan: Plan;
  readonly model: Model;
  readonly requests: number;
  /** Requests per second at nginx: what reaches the gateway and what the cache answers. */
  readonly peakRate: number;
  readonly averageRate: number;
  readonly latencyS: number;
  readonly warmUp: Phase;

  constructor(plan: Plan, model: Model, requests: number) {
    this.plan = plan;
    this.model = model;
    this.requests = requests;
    this.peakRate = plan.load.gatewayRps / (1 - model.hitShare);
    this.averageRate = plan.load.averageRps / (1 - model.hitShare);
    this.latencyS = plan.load.inFlight / plan.load.gatewayRps;
    this.warmUp = { name: "warm-up", seconds: Math.max(5, WARM_UP_LATENCIES * this.latencyS), windows: 1 };
  }

  /** Of a phase in batches. */
  batched(name: string, rate: number): Phase {
    return { name, seconds: Math.max(this.requests / rate, BATCHES * LATENCIES * this.latencyS), windows: BATCHES };
  }

  /** Of a phase that each replication measures once; `phases` share the requests. */
  once(name: string, rate: number, phases: number): Phase {
    const wanted = Math.min(LONGEST_S, Math.max(SHORTEST_S, this.requests / REPLICATIONS / phases / rate));
    return { name, seconds: Math.max(wanted, LATENCIES * this.latencyS), windows: 1 };
  }

  course(replicas: number, pattern: ArrivalPattern, phases: readonly Phase[]): Course {
    const { surge } = this.model;
    const most = Math.max(replicas, this.plan.gateway.replicas.max);
    // Both generations and every replica that still ends.
    const places = 3 * (most + surge);
    return { replicas, places, pattern, orders: [], autoscaling: undefined, phases: [this.warmUp, ...phases] };
  }
}

const several = (replicas: number) => `${replicas} ${replicas === 1 ? "replica" : "replicas"}`;

const constant = (rate: number): ArrivalPattern => ({
  kind: "steps",
  steps: [{ untilS: Number.POSITIVE_INFINITY, rate }],
});

const SCENARIOS: Readonly<Record<ScenarioName, (setting: Setting) => Omit<Scenario, "name">>> = {
  steady(setting) {
    const replicas = steadyReplicas(setting.plan);
    const phases = [setting.batched("peak", setting.peakRate)];
    return {
      about: `the planned peak on ${several(replicas)}`,
      course: setting.course(replicas, constant(setting.peakRate), phases),
      main: "peak",
      runs: 1,
    };
  },

  double(setting) {
    const { plan, model, warmUp, peakRate } = setting;
    const before = setting.once("before", peakRate, 10);
    const doublesAt = warmUp.seconds + before.seconds;
    const replicas = steadyReplicas(plan);
    const change = { name: "change", seconds: scalingS(replicas, plan, model), windows: 1 };
    const steps = [
      { untilS: doublesAt, rate: peakRate },
      { untilS: Number.POSITIVE_INFINITY, rate: 2 * peakRate },
    ];
    const phases = [before, change, setting.batched("doubled", 2 * peakRate)];
    return {
      about: "twice the planned peak, after the autoscaler has done what it may",
      course: { ...setting.course(replicas, { kind: "steps", steps }, phases), autoscaling: autoscalingOf(plan) },
      main: "doubled",
      runs: 1,
    };
  },

  burst(setting) {
    const { plan, averageRate } = setting;
    const pattern = burstsOf(setting);
    const replicas = replicasAt(plan, plan.load.averageRps);
    const batched = setting.batched("bursts", averageRate);
    // A batch has to see several bursts.
    const cycles = pattern.kind === "bursts" ? BATCHES * 3 * (pattern.calmS + pattern.burstS) : 0;
    const phases = [{ ...batched, seconds: Math.max(batched.seconds, cycles) }];
    return {
      about: `the average load of the busiest hour on ${several(replicas)}, in bursts up to the peak ${Math.round(100 * burstShare(plan))} % of the time`,
      course: setting.course(replicas, pattern, phases),
      main: "bursts",
      runs: 1,
    };
  },

  "lost-zone"(setting) {
    const { plan, model, warmUp, averageRate } = setting;
    const replicas = replicasAt(plan, plan.load.averageRps);
    const before = { ...setting.once("before", averageRate, 8), seconds: SHORTEST_S / 3 };
    const without = setting.once("without", averageRate, 2);
    const returned = { name: "returned", seconds: model.coldStartS + SHORTEST_S / 2, windows: 1 };
    const losesAt = warmUp.seconds + before.seconds;
    const course = setting.course(replicas, constant(averageRate), [before, without, returned]);
    return {
      about: `the average load of the busiest hour on ${several(replicas)}, ${lostReplicas(replicas, model)} of them gone with a zone for ${Math.round(without.seconds)} s`,
      course: {
        ...course,
        orders: [
          { atS: losesAt, what: "loseZone" },
          { atS: losesAt + without.seconds, what: "returnZone" },
        ],
      },
      main: "without",
      runs: REPLICATIONS,
    };
  },

  rollout(setting) {
    const { plan, model, warmUp, peakRate } = setting;
    const replicas = plan.gateway.replicas.max;
    const waves = Math.ceil(replicas / model.surge);
    const ends = waves * (model.coldStartS + model.minReadyS) + model.preStopS + WARM_UP_LATENCIES * setting.latencyS;
    const phases = [{ name: "rollout", seconds: ends + SYNC_S, windows: 1 }];
    return {
      about: `a rollout at the planned peak on ${several(replicas)}, ${model.surge} at a time`,
      course: {
        ...setting.course(replicas, constant(peakRate), phases),
        orders: [{ atS: warmUp.seconds, what: "rollout" }],
      },
      main: "rollout",
      runs: REPLICATIONS,
    };
  },

  scaling(setting) {
    const { plan, model, warmUp, peakRate } = setting;
    const replicas = replicasAt(plan, LOW * plan.load.gatewayRps);
    const settling = { name: "settling", seconds: scalingS(replicas, plan, model), windows: 1 };
    const phases = [{ name: "ramp", seconds: RAMP_S, windows: 1 }, settling, setting.once("settled", peakRate, 4)];
    const pattern: ArrivalPattern = { kind: "steps", steps: rampOf(warmUp.seconds, peakRate) };
    return {
      about: `from a fifth of the planned peak to the peak within ${RAMP_S} s, starting with ${several(replicas)}`,
      course: { ...setting.course(replicas, pattern, phases), autoscaling: autoscalingOf(plan) },
      main: "settled",
      runs: REPLICATIONS,
    };
  },
};

function autoscalingOf(plan: Plan): Plan["autoscaling"] | undefined {
  return plan.autoscaling.enabled && plan.autoscaling.targetCpuPercent > 0 ? plan.autoscaling : undefined;
}

/** Long enough for the autoscaler to reach its maximum, at the slower of its two policies, and one look more. */
function scalingS(from: number, plan: Plan, model: Model): number {
  const { scaleUpPercent, scaleUpPeriodS } = plan.autoscaling;
  const doublings = Math.ceil(Math.log(plan.gateway.replicas.max / from) / Math.log(1 + scaleUpPercent / 100));
  return (Math.max(0, doublings) + 3) * Math.max(SYNC_S, scaleUpPeriodS) + model.coldStartS;
}

/** Replicas with which an autoscaler leaves a load alone at the least: its tolerance above the target. */
export function fewestSettled(plan: Plan, rps: number): number {
  return replicasAt(plan, rps, 0.7 * (1 + TOLERANCE));
}

export function lostReplicas(replicas: number, { zones }: Model): number {
  return Math.ceil(replicas / zones);
}

function rampOf(fromS: number, peakRate: number): readonly Step[] {
  const ramp = Array.from({ length: RAMP_STEPS }, (_, step) => ({
    untilS: fromS + (RAMP_S * (step + 1)) / RAMP_STEPS,
    rate: peakRate * (LOW + ((1 - LOW) * (step + 1)) / RAMP_STEPS),
  }));
  const low = { untilS: fromS, rate: LOW * peakRate };
  return [low, ...ramp, { untilS: Number.POSITIVE_INFINITY, rate: peakRate }];
}

/** Share of the time that bursts last: so small that a calm with less than the average is left. */
export function burstShare({ load }: Plan): number {
  return Math.min(BURST_SHARE, load.averageRps / load.gatewayRps / 2);
}

/** Calm so low that the mean is the average load; the bursts reach the planned peak. */
function burstsOf({ plan, averageRate, peakRate, latencyS }: Setting): ArrivalPattern {
  const share = burstShare(plan);
  const burstS = Math.max(BURST_S, WARM_UP_LATENCIES * latencyS);
  return {
    kind: "bursts",
    burstRate: peakRate,
    calmRate: (averageRate - share * peakRate) / (1 - share),
    burstS,
    calmS: (burstS * (1 - share)) / share,
  };
}

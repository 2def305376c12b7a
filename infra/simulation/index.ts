/** The discrete-event simulation of a plan: the planned system under load, and what of the plan it confirms. Pure, seeded, no clock. */
import type { Plan } from "../../contract/plan.ts";
import type { SizingInput } from "../sizing/index.ts";
import { meanRate } from "./arrivals.ts";
import { type Finding, judge, together } from "./judgement.ts";
import { Measured } from "./measured.ts";
import { modelOf } from "./model.ts";
import type { ReplicaStep } from "./operations.ts";
import { type Prediction, predictionsFor } from "./predictions.ts";
import type { Spread } from "./random.ts";
import { runCourse } from "./run.ts";
import { type Scenario, type ScenarioName, scenarioNames, scenarioOf } from "./scenarios.ts";
import type { Interval } from "./statistics.ts";
import { failures, type Tally } from "./tally.ts";

export type { Finding, Verdict } from "./judgement.ts";
export { type QueueFigures, simulateQueue } from "./queue.ts";
export { reportText } from "./report.ts";
export { type ScenarioName, scenarioNames } from "./scenarios.ts";
export type { Interval } from "./statistics.ts";

export type SimulationOptions = {
  readonly scenarios: readonly ScenarioName[];
  /** Whole number; the same one gives the same report. */
  readonly seed: number;
  /** About how many requests a scenario consists of; those with a course of their own may need more. */
  readonly requests: number;
  /** How the times of processor, transactions and upstreams spread. */
  readonly spread: Spread;
};

export type ScenarioReport = {
  readonly name: ScenarioName;
  readonly about: string;
  readonly runs: number;
  /** Simulated time of all runs. */
  readonly seconds: number;
  /** Of all runs, the warm-up included: arrived = cached + served + shed + failed + inFlight. */
  readonly requests: {
    readonly arrived: number;
    readonly cached: number;
    readonly served: number;
    readonly shed: number;
    readonly failed: number;
    readonly inFlight: number;
    readonly failures: Readonly<Record<FailureName, number>>;
  };
  /** With 95 % each; durations in seconds; null where there was nothing to measure. */
  readonly figures: Readonly<Record<FigureName, Interval | null>>;
  /** The most at one instant. */
  readonly peaks: {
    readonly inFlight: number;
    readonly connections: number;
    readonly serverConnections: number;
    readonly replicasAlive: number;
  };
  /** Of the first run. */
  readonly replicas: readonly ReplicaStep[];
  readonly findings: readonly Finding[];
};

export type SimulationReport = {
  readonly verdict: "confirmed" | "not confirmed";
  readonly seed: number;
  readonly spread: Spread;
  readonly requests: number;
  readonly scenarios: readonly ScenarioReport[];
};

type FailureName = "unreachable" | "lost" | "killed" | "late" | "poolTimeouts" | "poolerTimeouts";
type FigureName =
  | "latencyMean"
  | "latencyP50"
  | "latencyP90"
  | "latencyP99"
  | "shed"
  | "failed"
  | "poolWaits"
  | "poolWaitMean"
  | "poolerWaits"
  | "poolerWaitMean"
  | "gatewayUse"
  | "databaseUse"
  | "inFlight"
  | "throughput";

/** More would take minutes and tell nothing new. */
const MOST_REQUESTS = 200_000_000;
/** Far enough apart that no two runs share a stream. */
const SEED_STRIDE = 1_000_003;

/**
 * Simulates the plan of the input. Throws RangeError when nothing reaches the gateway, and when a scenario would need more requests than
 * are sensible.
 */
export function simulate(input: SizingInput, plan: Plan, options: SimulationOptions): SimulationReport {
  if (plan.load.gatewayRps <= 0)
    throw new RangeError(
      "nginx answers every request from its cache (load.cacheableShare, load.cacheHitRatio): nothing to simulate",
    );
  const model = modelOf(input, plan, options.spread);
  const wanted = scenarioNames.filter((name) => options.scenarios.includes(name));
  const scenarios = wanted.map((name) => scenarioOf(name, plan, model, options.requests));
  for (const scenario of scenarios) checkSize(scenario);
  const simulated = scenarios.map((scenario) => {
    const seeds = Array.from({ length: scenario.runs }, (_, run) => options.seed + SEED_STRIDE * run);
    const runs = seeds.map((seed) => runCourse(scenario.course, model, seed));
    const measured = new Measured(runs, scenario.main, model.workers, model.databaseServers);
    return { scenario, measured, predictions: predictionsFor(scenario.name, { plan, model, measured }) };
  });
  const confidence = together(simulated.flatMap(({ predictions }) => predictions).length);
  const reports = simulated.map(({ scenario, measured, predictions }) =>
    reportOn(scenario, measured, predictions, confidence),
  );
  const isConfirmed = reports.every(({ findings }) => findings.every(({ verdict }) => verdict !== "not confirmed"));
  return {
    verdict: isConfirmed ? "confirmed" : "not confirmed",
    seed: options.seed,
    spread: options.spread,
    requests: reports.reduce((sum, { requests }) => sum + requests.arrived, 0),
    scenarios: reports,
  };
}

function checkSize({ name, course, runs }: Scenario): void {
  const seconds = course.phases.reduce((sum, phase) => sum + phase.seconds, 0);
  const requests = seconds * meanRate(course.pattern) * runs;
  if (requests > MOST_REQUESTS)
    throw new RangeError(
      `scenario ${name} lasts ${Math.round(seconds * runs)} s and needs ${requests.toExponential(1)} requests; at most ${MOST_REQUESTS.toExponential(0)} are simulated. Simulate a smaller plan of the same proportions, or fewer requests where that shortens it`,
    );
}

function reportOn(
  { name, about, runs }: Scenario,
  measured: Measured,
  predictions: readonly Prediction[],
  confidence: number,
): ScenarioReport {
  const total = (figure: (counts: Tally) => number) => measured.runs.reduce((sum, run) => sum + figure(run.total), 0);
  return {
    name,
    about,
    runs,
    seconds: total(({ seconds }) => seconds),
    requests: {
      arrived: total(({ arrived }) => arrived),
      cached: total(({ cached }) => cached),
      served: total(({ served }) => served),
      shed: total(({ shed }) => shed),
      failed: total(failures),
      inFlight: measured.runs.reduce((sum, { inside }) => sum + inside, 0),
      failures: {
        unreachable: total(({ unreachable }) => unreachable),
        lost: total(({ lost }) => lost),
        killed: total(({ killed }) => killed),
        late: total(({ late }) => late),
        poolTimeouts: total(({ poolTimeouts }) => poolTimeouts),
        poolerTimeouts: total(({ poolerTimeouts }) => poolerTimeouts),
      },
    },
    figures: figuresOf(measured),
    peaks: {
      inFlight: measured.most(({ peaks }) => peaks.inFlight),
      connections: measured.most(({ peaks }) => peaks.connections),
      serverConnections: measured.most(({ peaks }) => peaks.serverConnections),
      replicasAlive: measured.most(({ peaks }) => peaks.replicasAlive),
    },
    replicas: measured.runs[0]?.replicas ?? [],
    findings: predictions.map((prediction) => judge(prediction, confidence)),
  };
}

function figuresOf(measured: Measured): ScenarioReport["figures"] {
  const known = (interval: Interval) => (Number.isNaN(interval.mean) ? null : interval);
  return {
    latencyMean: known(measured.latencySeconds()),
    latencyP50: known(measured.quantileSeconds("p50")),
    latencyP90: known(measured.quantileSeconds("p90")),
    latencyP99: known(measured.quantileSeconds("p99")),
    shed: known(measured.shed()),
    failed: known(measured.failed()),
    poolWaits: known(measured.poolWaits()),
    poolWaitMean: known(measured.poolWaitSeconds()),
    poolerWaits: known(measured.poolerWaits()),
    poolerWaitMean: known(measured.poolerWaitSeconds()),
    gatewayUse: known(measured.gatewayUse()),
    databaseUse: known(measured.databaseUse()),
    inFlight: known(measured.inFlight()),
    throughput: known(measured.throughput()),
  };
}

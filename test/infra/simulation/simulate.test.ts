/** Plans under simulation: what is confirmed, what is not, and that every scenario does what its name says. */
import { describe, expect, it } from "vitest";
import {
  type ScenarioName,
  type ScenarioReport,
  type SimulationOptions,
  type SimulationReport,
  scenarioNames,
  simulate,
} from "../../../infra/simulation/index.ts";
import { verdictOf } from "../../../infra/simulation/judgement.ts";
import { dev, type Planned, prod } from "./plans.ts";

const OPTIONS: SimulationOptions = { scenarios: scenarioNames, seed: 1, requests: 100_000, spread: "exponential" };

function simulated({ input, plan }: Planned, options: Partial<SimulationOptions> = {}): SimulationReport {
  return simulate(input, plan, { ...OPTIONS, ...options });
}
function only(planned: Planned, name: ScenarioName, options: Partial<SimulationOptions> = {}): ScenarioReport {
  const [report] = simulated(planned, { ...options, scenarios: [name] }).scenarios;
  if (report === undefined) throw new Error(`no report on ${name}`);
  return report;
}
const verdicts = ({ findings }: ScenarioReport) => findings.map(({ statement, verdict }) => [verdict, statement]);

describe("every scenario", () => {
  const reports = [dev(), prod({ load: { peakRps: 300 } })].map((planned) => simulated(planned, { requests: 30_000 }));

  it("is reported in its order and accounts for every request", () => {
    for (const report of reports) {
      expect(report.scenarios.map(({ name }) => name)).toEqual(scenarioNames);
      for (const { requests } of report.scenarios) {
        const { arrived, cached, served, shed, failed, inFlight } = requests;
        expect(arrived).toBe(cached + served + shed + failed + inFlight);
        expect(Object.values(requests.failures).reduce((sum, times) => sum + times, 0)).toBe(failed);
      }
      expect(report.requests).toBe(report.scenarios.reduce((sum, { requests }) => sum + requests.arrived, 0));
    }
  });

  it("is the same again with the same seed, and another with another", () => {
    const again = (seed: number) => simulated(dev(), { requests: 10_000, seed });
    expect(again(4)).toEqual(again(4));
    expect(again(5)).not.toEqual(again(4));
  });

  it("answers from the cache what the plan says", () => {
    for (const { requests } of reports.flatMap(({ scenarios }) => scenarios))
      expect(requests.cached / requests.arrived).toBeCloseTo(0.04, 2);
  });
});

describe("the planned peak", () => {
  it("of a bounded engine confirms the plan", () => {
    const report = simulated(prod(), { scenarios: ["steady"], requests: 400_000 });
    expect(report.verdict).toBe("confirmed");
    expect(
      report.scenarios[0]?.findings.map(({ statement, predicted, limit }) => [statement, predicted, limit]),
    ).toEqual([
      ["use of workers", 0.7, null],
      ["use of cores of PostgreSQL", 0.7, null],
      ["mean latency is the input's", 0.25, 0.3],
      ["requests in flight are rate · latency (Little)", 1080, 1296],
      ["requests turned away (M/M/1/K per worker)", expect.closeTo(0.00586, 5), null],
      ["requests that fail", 0.001, null],
      ["transactions that wait for a connection of their worker (Erlang-C)", expect.closeTo(0.01756, 5), 0.05],
      ["transactions that wait in PgBouncer (Erlang-C)", expect.any(Number), 0.05],
      ["connections of the pools at the worst instant, of replicas that end too", 346, null],
      ["connections to PostgreSQL at the worst instant", expect.any(Number), null],
      ["requests in flight at the worst instant", 2072, null],
      ["requests in flight − rate · time inside (Little's law)", 0, null],
    ]);
    const { figures, peaks } = only(prod(), "steady");
    expect(figures.gatewayUse?.mean).toBeCloseTo(4320 / (11 * 4 * 150), 2);
    expect(figures.latencyMean?.mean).toBeCloseTo(0.25, 2);
    expect(peaks.connections).toBe(88);
  });

  it("of an engine that queues turns nobody away", () => {
    const report = only(dev(), "steady");
    expect(report.requests.shed).toBe(0);
    expect(report.findings.every(({ verdict }) => verdict !== "not confirmed")).toBe(true);
    expect(report.replicas).toEqual([{ atS: 0, serving: 1, alive: 1 }]);
  });

  it("shows inputs that contradict themselves: a latency shorter than the work in it", () => {
    const { findings } = only(prod({ load: { meanLatencyMs: 5 } }), "steady");
    const latency = findings.find(({ statement }) => statement === "mean latency is the input's");
    expect(latency).toMatchObject({ verdict: "not confirmed", predicted: 0.005 });
    expect(latency?.simulated.mean).toBeGreaterThan(0.0067);
  });

  it("shows timeouts that are too short for the work", () => {
    const { input, plan } = prod();
    const hasty = { ...plan, timeouts: { ...plan.timeouts, handlerS: 1 } };
    const { findings, requests } = only({ input, plan: hasty }, "steady");
    expect(requests.failures.late).toBe(requests.failed);
    // p99 of the plan is a little more than a second.
    expect(requests.failed / requests.arrived).toBeCloseTo(0.013, 2);
    expect(findings.filter(({ verdict }) => verdict === "not confirmed").map(({ statement }) => statement)).toEqual([
      "requests that fail",
    ]);
  });

  it("shows pools that a pinned number makes too small", () => {
    const { input, plan } = prod({ load: { dbQueriesPerRequest: 2, dbTxMs: 15, dbCpuMs: 0.2 } });
    const narrow = { ...plan, database: { ...plan.database, poolPerWorker: 3 } };
    const confirmed = only({ input, plan }, "steady").figures.poolWaits?.mean ?? 1;
    expect(confirmed).toBeLessThan(0.05);
    expect(only({ input, plan: narrow }, "steady").figures.poolWaits?.mean).toBeGreaterThan(0.5);
  });

  it("shows workers that share too few cores", () => {
    const planned = prod();
    const shared = { ...planned, plan: { ...planned.plan, gateway: { ...planned.plan.gateway, cpu: 2 } } };
    const use = only(shared, "steady").findings[0];
    expect(use).toMatchObject({ statement: "use of workers", verdict: "not confirmed" });
  });

  it("depends on how times spread: constant ones wait less", () => {
    const wait = (spread: SimulationOptions["spread"]) => only(prod(), "steady", { spread }).figures;
    expect(wait("deterministic").poolWaits?.high).toBeLessThan(wait("exponential").poolWaits?.low ?? 0);
    expect(wait("deterministic").latencyP99?.mean).toBeLessThan(0.5);
    expect(wait("lognormal").latencyP99?.mean).toBeGreaterThan(0.9);
  });

  it("without a pooler is limited by the connections that PostgreSQL leaves", () => {
    const report = only(prod({ database: { mode: "direct" } }), "steady");
    expect(report.figures.poolerWaits).toBeNull();
    expect(report.peaks.serverConnections).toBe(report.peaks.connections);
    expect(report.findings.some(({ statement }) => statement.includes("PgBouncer"))).toBe(false);
  });
});

describe("beyond the plan", () => {
  it("twice the peak brings the most replicas, and sheds what they cannot do", () => {
    const report = only(prod(), "double");
    expect(report.replicas.at(-1)).toMatchObject({ serving: 14 });
    expect(report.figures.shed?.mean).toBeCloseTo(0.16, 1);
    expect(report.findings.every(({ verdict }) => verdict !== "not confirmed")).toBe(true);
    expect(report.peaks.inFlight).toBeLessThanOrEqual(14 * 4 * 37);
  });

  it("an engine that queues fails late beyond its capacity, of which no plan says anything", () => {
    const { input, plan } = dev({ load: { peakRps: 130 } });
    const fixed = { ...plan, autoscaling: { ...plan.autoscaling, enabled: false } };
    const report = only({ input, plan: { ...fixed, timeouts: { ...plan.timeouts, handlerS: 5 } } }, "double");
    expect(report.requests.shed).toBe(0);
    expect(report.requests.failures.late).toBe(report.requests.failed);
    expect(report.requests.failed / report.requests.arrived).toBeGreaterThan(0.5);
    expect(report.findings.map(({ statement }) => statement)).toEqual([
      "connections of the pools at the worst instant, of replicas that end too",
      "connections to PostgreSQL at the worst instant",
      "requests in flight − rate · time inside (Little's law)",
    ]);
  });

  it("twice the peak on the same replicas turns away more than the peak", () => {
    const { input, plan } = prod();
    const fixed = { input, plan: { ...plan, autoscaling: { ...plan.autoscaling, enabled: false } } };
    const [peak, double] = [only(fixed, "steady").figures.shed, only(fixed, "double").figures.shed];
    expect(double?.low).toBeGreaterThan(peak?.high ?? 1);
    // At least what exceeds all that the workers can do.
    expect(double?.mean).toBeGreaterThan(1 - (11 * 4 * 150) / 8640);
  });

  it("bursts turn away more than the same load come evenly", () => {
    const planned = prod({ load: { peakRps: 1000, zones: 1, burst: 2 }, gateway: { haFloor: 1 } });
    const bursts = only(planned, "burst");
    const { input, plan } = planned;
    const even = { ...plan, load: { ...plan.load, gatewayRps: plan.load.averageRps } };
    expect(bursts.figures.shed?.low).toBeGreaterThan(only({ input, plan: even }, "steady").figures.shed?.high ?? 1);
    expect(bursts.findings.every(({ verdict }) => verdict !== "not confirmed")).toBe(true);
  });

  it("a lost zone loses the calls in it; the others carry the average load", () => {
    const report = only(prod(), "lost-zone");
    expect(report.runs).toBe(5);
    expect(report.requests.failed).toBe(report.requests.failures.lost);
    expect(report.requests.failures.lost / 5).toBeCloseTo((4 / 11) * 720, -2);
    expect(report.replicas.map(({ serving }) => serving)).toEqual([11, 7, 7, 11]);
    expect(report.findings.every(({ verdict }) => verdict !== "not confirmed")).toBe(true);
  });

  it("the only zone takes everything, which no plan for one zone denies", () => {
    const report = only(dev(), "lost-zone");
    expect(report.replicas[1]).toMatchObject({ serving: 0, alive: 0 });
    expect(report.figures).toMatchObject({ failed: { mean: 1 }, latencyMean: null, latencyP99: null });
    expect(report.requests.failures.unreachable).toBeGreaterThan(0);
  });

  it("a zone that holds the only replica refutes a plan for several zones", () => {
    const { input, plan } = dev({ load: { zones: 2 } });
    const replicas = { ...plan.gateway.replicas, min: 1 };
    const report = only({ input, plan: { ...plan, gateway: { ...plan.gateway, replicas } } }, "lost-zone");
    expect(
      report.findings.filter(({ verdict }) => verdict === "not confirmed").map(({ statement }) => statement),
    ).toEqual(["calls that found no replica"]);
  });

  it("a rollout loses nothing and has more replicas alive than replicas and surge: Kubernetes does not count those that end", () => {
    const planned = prod({ load: { peakRps: 600 } });
    const { plan } = planned;
    const report = only(planned, "rollout");
    const { max } = plan.gateway.replicas;
    expect(report.requests.failed).toBe(0);
    expect(report.peaks.replicasAlive).toBe(max + 2 * plan.autoscaling.surge);
    expect(report.peaks.connections).toBe(report.peaks.replicasAlive * 4 * plan.database.poolPerWorker);
    const alive = report.findings.find(({ statement }) => statement.startsWith("replicas alive"));
    expect([alive?.verdict, alive?.predicted]).toEqual([
      "confirmed",
      plan.gateway.replicas.peak + plan.autoscaling.surge,
    ]);
  });

  it("a ramp moves the autoscaler from its fewest to what the peak needs", () => {
    const planned = prod({ load: { peakRps: 1500, zones: 1 } });
    const report = only(planned, "scaling");
    const { min, max, needed } = planned.plan.gateway.replicas;
    const last = report.replicas.at(-1)?.serving ?? 0;
    expect(report.replicas[0]?.serving).toBe(min);
    expect(last).toBeGreaterThanOrEqual(Math.floor(needed / 1.1));
    expect(last).toBeLessThanOrEqual(max);
    expect(verdicts(report).filter(([verdict]) => verdict === "not confirmed")).toEqual([]);
    // A ready replica serves its cold start after it was asked for.
    const asked = report.replicas.findIndex(({ alive, serving }) => alive > serving);
    expect((report.replicas[asked + 1]?.atS ?? 0) - (report.replicas[asked]?.atS ?? 0)).toBeCloseTo(5, 9);
  });

  it("refuses a gateway that nothing reaches", () => {
    expect(() => simulated(dev({ load: { cacheableShare: 1, cacheHitRatio: 1 } }))).toThrow(
      /^nginx answers every request from its cache \(load\.cacheableShare, load\.cacheHitRatio\): nothing to simulate$/,
    );
  });

  it("refuses what would take hours, with the numbers", () => {
    expect(() => simulated(dev(), { scenarios: ["steady"], requests: 1e9 })).toThrow(
      /^scenario steady lasts 1\d{7} s and needs 1\.0e\+9 requests; at most 2e\+8 are simulated/,
    );
  });
});

describe("a verdict", () => {
  const interval = { mean: 1, low: 0.9, high: 1.1, samples: 20 };
  it.each([
    ["confirmed", { kind: "value", better: "less", predicted: 1.05 }],
    ["better than planned", { kind: "value", better: "less", predicted: 1.2 }],
    ["not confirmed", { kind: "value", better: "less", predicted: 0.8 }],
    ["confirmed", { kind: "value", better: "less", predicted: 0.8, limit: 1.1 }],
    ["not confirmed", { kind: "value", better: "less", predicted: 0.8, limit: 1 }],
    ["not confirmed", { kind: "value", better: "less", predicted: 1, limit: 0.8 }],
    ["better than planned", { kind: "value", better: "more", predicted: 0.8 }],
    ["not confirmed", { kind: "value", better: "more", predicted: 1.2 }],
    ["not confirmed", { kind: "value", better: "neither", predicted: 1.2 }],
    ["not confirmed", { kind: "value", better: "neither", predicted: 0.8 }],
    ["confirmed", { kind: "limit", better: "less", predicted: 1 }],
    ["confirmed", { kind: "limit", better: "less", predicted: 0.9 }],
    ["not confirmed", { kind: "limit", better: "less", predicted: 0.89 }],
  ] as const)("is %s of %o within 0.9 to 1.1", (verdict, prediction) => {
    expect(verdictOf(prediction, interval)).toBe(verdict);
  });
});

import { describe, expect, it } from "vitest";
import { reportText, type ScenarioReport, type SimulationReport } from "../../../infra/simulation/index.ts";

const interval = (mean: number, low = mean, high = mean) => ({ mean, low, high, samples: 20 });

const SCENARIO: ScenarioReport = {
  name: "rollout",
  about: "a rollout at the planned peak on 14 replicas, 4 at a time",
  runs: 5,
  seconds: 463.04,
  requests: {
    arrived: 2_081_468,
    cached: 83_698,
    served: 1_992_372,
    shed: 0,
    failed: 1,
    inFlight: 5397,
    failures: { unreachable: 0, lost: 0, killed: 1, late: 0, poolTimeouts: 0, poolerTimeouts: 0 },
  },
  figures: {
    latencyMean: interval(0.2432, 0.2429, 0.2436),
    latencyP50: interval(0.1732, 0.1729, 0.1735),
    latencyP90: interval(0.5421, 0.5411, 0.5432),
    latencyP99: interval(1.0681, 1.0632, 1.0729),
    shed: interval(0, 0, 1e-9),
    failed: interval(5e-7, 0, 1.6e-6),
    poolWaits: interval(0.00911, 0.00891, 0.0093),
    poolWaitMean: interval(0.0000244, 0.0000236, 0.0000253),
    poolerWaits: null,
    poolerWaitMean: null,
    gatewayUse: interval(0.461, 0.459, 0.463),
    databaseUse: interval(0.216, 0.215, 0.217),
    inFlight: interval(1050, 1046, 1055),
    throughput: interval(4319, 4305, 4333),
  },
  peaks: { inFlight: 1196, connections: 176, serverConnections: 18, replicasAlive: 22 },
  replicas: [
    { atS: 0, serving: 14, alive: 14 },
    { atS: 5, serving: 14, alive: 18 },
    { atS: 10, serving: 18, alive: 18 },
  ],
  findings: [
    {
      statement: "replicas alive at the worst instant",
      unit: "replicas",
      kind: "limit",
      predicted: 18,
      limit: null,
      simulated: interval(22),
      verdict: "not confirmed",
    },
    {
      statement: "transactions that wait",
      unit: "share",
      kind: "value",
      predicted: 0.0091,
      limit: 0.05,
      simulated: interval(0.00911, 0.0088, 0.0094),
      verdict: "confirmed",
    },
  ],
};

const REPORT: SimulationReport = {
  verdict: "not confirmed",
  seed: 1,
  spread: "exponential",
  requests: 2_081_468,
  scenarios: [SCENARIO],
};

describe("the report", () => {
  it("says first what does not hold, then everything", () => {
    expect(reportText(REPORT)).toBe(`Not confirmed: 1 of 2 predictions do not hold.
  rollout: replicas alive at the worst instant: planned ≤ 18, simulated 22

rollout: a rollout at the planned peak on 14 replicas, 4 at a time (463 s in 5 runs)
  latency      mean 243 ms (243 to 244), p50 173 ms (173 to 174)
               p90 542 ms (541 to 543), p99 1 068 ms (1 063 to 1 073)
  turned away  0 % (0 to 0); failed 0.00005 % (0 to 0.00016)
  answers      4 319 (4 305 to 4 333) per second; in flight 1 050 (1 046 to 1 055)
  pool         0.911 % (0.891 to 0.93) wait, 0.0244 ms (0.0236 to 0.0253) on average
  PgBouncer    nothing to measure
  use          workers 46.1 % (45.9 to 46.3), database cores 21.6 % (21.5 to 21.7)
  at most      1 196 in flight, 176 connections of pools, 18 to PostgreSQL, 22 replicas alive
  replicas     14, 14 of 18 at 5 s, 18 at 10 s
  requests     2 081 468 = 83 698 cached + 1 992 372 served + 0 turned away + 1 failed + 5 397 in flight
               in a replica at the end of its grace: 1

  verdict        prediction                           planned              simulated
  not confirmed  replicas alive at the worst instant  ≤ 18                 22
  confirmed      transactions that wait               0.91 %, at most 5 %  0.911 % (0.88 to 0.94)

2 081 468 requests, seed 1, exponential times. Figures hold with 95 % each, the intervals of the predictions with 95 % together.
`);
  });

  it("is short where nothing contradicts the plan, and shows the ends of a long history", () => {
    const replicas = Array.from({ length: 12 }, (_, step) => ({ atS: 15 * step, serving: step + 1, alive: step + 1 }));
    const findings = SCENARIO.findings.slice(1);
    const text = reportText({ ...REPORT, verdict: "confirmed", scenarios: [{ ...SCENARIO, findings, replicas }] });
    const lines = text.split("\n");
    expect(lines[0]).toBe("Confirmed: nothing contradicts the plan (1 prediction in 1 scenario).");
    expect(lines.find((line) => line.startsWith("  replicas"))).toBe(
      "  replicas     1, 2 at 15 s, 3 at 30 s, 4 at 45 s, …, 9 at 120 s, 10 at 135 s, 11 at 150 s, 12 at 165 s",
    );
  });
});

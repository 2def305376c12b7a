/** What a simulation costs: `node bench/simulate.ts`. Requests per second of one core, for a small and a large deployment at their planned peaks. */
import { simulate } from "../infra/simulation/index.ts";
import { plan, readInput } from "../infra/sizing/index.ts";

const REQUESTS = 1_000_000;
const ROUNDS = 3;

const DEPLOYMENTS: Readonly<Record<string, unknown>> = {
  "50 requests/s on one worker": {
    environment: "dev",
    load: { peakRps: 50, meanLatencyMs: 150 },
    gateway: { cpu: 1, memory: "512Mi", rpsPerWorker: 150 },
    database: { postgres: { cpu: 1, memory: "1Gi" } },
  },
  "3 000 requests/s on 44 workers": {
    environment: "prod",
    load: { peakRps: 3000, meanLatencyMs: 250, dbQueriesPerRequest: 0.4, zones: 3 },
    gateway: { engine: "bounded", cpu: 4, memory: "4Gi", rpsPerWorker: 150 },
    database: { pgbouncer: { instances: 2 }, postgres: { cpu: 8, memory: "32Gi" } },
  },
};

/** Simulated requests per CPU second of this process. */
function speedOf(raw: unknown): number {
  const reading = readInput(raw);
  if (!reading.ok) throw new RangeError(reading.problems.map(({ message }) => message).join("\n"));
  const { input } = reading;
  const planned = plan(input).plan;
  const before = process.cpuUsage();
  const { requests } = simulate(input, planned, {
    scenarios: ["steady"],
    seed: 1,
    requests: REQUESTS,
    spread: "exponential",
  });
  const { user, system } = process.cpuUsage(before);
  return (requests * 1e6) / (user + system);
}

for (const [name, raw] of Object.entries(DEPLOYMENTS)) {
  const speeds = Array.from({ length: ROUNDS }, () => speedOf(raw)).toSorted((a, b) => a - b);
  const [least = 0, median = 0, most = 0] = speeds.map((speed) => Math.round(speed / 1000));
  process.stdout.write(`${name}: ${median} thousand requests per CPU second (${least} to ${most})\n`);
}

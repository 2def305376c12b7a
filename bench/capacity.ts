/**
 * Does a gateway do what its plan says? One is loaded to calibrate, a small deployment is planned with that, and a freshly started one
 * is loaded as the plan expects: at the planned peak, and beyond the planned capacity with arrivals that nobody holds back.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { LoadReport, StepReport } from "../cli/load/report.ts";
import { type Calibration, calibrationSchema } from "../contract/calibration.ts";
import type { Plan } from "../contract/plan.ts";
import { plan, readInput } from "../infra/sizing/index.ts";
import { register } from "./gateway.ts";
import { firstJson, type Part, start } from "./machine.ts";
import { writeSections } from "./page.ts";
import { rows, spread } from "./tables.ts";

export type Capacity = {
  readonly calibration: Calibration;
  readonly planned: Plan;
  /** Requests per second, of all rounds. */
  readonly capacity: { readonly predicted: number; readonly measured: readonly number[] };
  /** Share of its core that the worker uses at the planned peak. */
  readonly use: { readonly predicted: number; readonly measured: readonly number[] };
  /** Failed or refused at the planned peak. */
  readonly failedAtPeak: readonly number[];
};

const ROOT = join(import.meta.dirname, "..");
const CLI = join(ROOT, "cli/mcp-stack.js");
/** How far the load goes beyond the prediction; what is served then is the capacity. */
const BEYOND = 1.25;

/** Some four minutes. Gateway on core 0, upstream and generator on core 1. */
export async function measureCapacity(rounds: number, log: (line: string) => void): Promise<Capacity> {
  const directory = await mkdtemp(join(tmpdir(), "mcp-stack-capacity-"));
  const upstream = start(1, process.execPath, [join(ROOT, "cli/load/upstream.ts")]);
  try {
    const { url = "" } = await firstJson(upstream);
    const file = join(directory, "calibration.json");
    // Arrivals as the plan assumes them, up to what the worker serves of clients that wait for each other's turn.
    await withGateway(directory, url, async (load) => {
      const { knee } = await load("--profile", "step");
      await load("--profile", "step", "--rps", (knee?.throughput ?? 0).toFixed(0), "--calibration", file);
    });
    const calibration = calibrationSchema.parse(JSON.parse(await readFile(file, "utf8")));
    log(`calibrated: ${calibration.rpsPerWorker.toFixed(0)} requests per CPU second`);
    const planned = planFor(calibration);
    const predicted = planned.gateway.replicas.needed * planned.gateway.workers * planned.gateway.rpsPerWorker;
    const measured: number[] = [];
    const uses: number[] = [];
    const failed: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await withGateway(directory, url, async (load) => {
        const peak = await load("--profile", "soak", "--duration", "15s", "--rps", planned.load.gatewayRps.toFixed(0));
        uses.push((peak.total.cpu?.seconds ?? Number.NaN) / peak.total.seconds);
        failed.push(peak.total.failedShare);
        const beyond = await load("--profile", "step", "--rps", (BEYOND * predicted).toFixed(0));
        measured.push(Math.max(...beyond.steps.map((step: StepReport) => step.throughput)));
      });
      log(
        `round ${round + 1}: capacity ${measured.at(-1)?.toFixed(0)} of ${predicted.toFixed(0)}, use ${uses.at(-1)?.toFixed(2)}`,
      );
    }
    return {
      calibration,
      planned,
      capacity: { predicted, measured },
      use: { predicted: planned.load.gatewayRps / predicted, measured: uses },
      failedAtPeak: failed,
    };
  } finally {
    await upstream.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** A deployment whose peak takes 70 % of one worker, the most that a plan allows. */
function planFor(calibration: Calibration): Plan {
  const peak = 0.7 * calibration.rpsPerWorker;
  const reading = readInput({
    environment: "dev",
    load: { peakRps: peak, burst: 1, cacheableShare: 0, meanLatencyMs: 5, dbQueriesPerRequest: 0, concurrentUsers: 64 },
    gateway: { engine: calibration.engine, cpu: 1, memory: "1Gi" },
    database: { postgres: { cpu: 1, memory: "1Gi" } },
    calibration,
  });
  if (!reading.ok) throw new Error(reading.problems.map(({ message }) => message).join("\n"));
  const document = plan(reading.input);
  if (!document.accepted) throw new Error(document.refusals.map(({ statement }) => statement).join("\n"));
  return document.plan;
}

type Load = (...options: readonly string[]) => Promise<LoadReport>;

async function withGateway<T>(directory: string, upstream: string, run: (load: Load) => Promise<T>): Promise<T> {
  const data = await mkdtemp(join(directory, "gateway-"));
  const gateway = start(0, process.execPath, [CLI, "serve", "--first-run", "--port", "0", "--json"], {
    env: { DATA_DIR: data, LOG_LEVEL: "error", MCP_EXAMPLE_SERVER: "false" },
  });
  try {
    const { url = "", mcpUrl = "", token = "" } = await firstJson(gateway);
    await register({ origin: url.replace(/\/$/, ""), adminToken: token }, { name: "bench", url: upstream });
    const tokenFile = join(data, "token");
    await writeFile(tokenFile, token, { mode: 0o600 });
    const own = ["--url", mcpUrl, "--token-file", tokenFile, "--pid", String(gateway.pid), "--json"];
    return await run((...options) =>
      runLoad([...own, "--tool", "bench__echo", "--arguments", '{"text":"hello"}', ...options]),
    );
  } finally {
    await gateway.stop();
  }
}

async function runLoad(options: readonly string[]): Promise<LoadReport> {
  const part: Part = start(1, process.execPath, [CLI, "load", ...options]);
  return JSON.parse(await text(part.child.stdout ?? process.stdin));
}

/** Markdown. */
export function capacitySection({ calibration, capacity, use, failedAtPeak }: Capacity): string {
  const { machine } = calibration;
  return `\`node bench/capacity.ts --write\`, ${machine.cores} cores (${machine.cpu}), Node ${machine.runtime}, one worker of the ${calibration.engine} engine on
core 0. A gateway is loaded with arrivals at growing rates, which calibrates the plan of a small deployment; then freshly started ones
get the planned peak, 70 % of what the worker is planned to serve, and a quarter more than all of it. Medians of
${capacity.measured.length} rounds with the least and the greatest.

${rows([
  ["", "predicted", "measured", "measured ÷ predicted"],
  [
    "capacity, requests/s",
    capacity.predicted.toFixed(0),
    spread(capacity.measured, 0),
    spread(
      capacity.measured.map((one) => one / capacity.predicted),
      2,
    ),
  ],
  [
    "use of its core at the planned peak",
    use.predicted.toFixed(2),
    spread(use.measured, 2),
    spread(
      use.measured.map((one) => one / use.predicted),
      2,
    ),
  ],
  ["failed at the planned peak, share", "0", spread(failedAtPeak, 4), ""],
])}

Clients that wait for an answer before they ask again get more from the same worker, since it then finds many requests at once; a
calibration with arrivals at a rate (\`--rps\`) is the one that holds for users who do not wait for each other.`;
}

if (import.meta.main) {
  const measured = await measureCapacity(3, (line) => process.stderr.write(`${line}\n`));
  const section = capacitySection(measured);
  process.stdout.write(`${section}\n${JSON.stringify(measured.calibration, null, 2)}\n`);
  if (process.argv.includes("--write")) await writeSections({ "Predicted and measured": section });
}

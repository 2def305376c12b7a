/** `mcp-stack simulate` as people call it: sources, scenarios, exit codes, forms. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { main } from "../../cli/main.ts";
import { reportText, type SimulationReport, scenarioNames, simulate } from "../../infra/simulation/index.ts";
import { planOf } from "../infra/simulation/plans.ts";

const SIZING = {
  environment: "dev",
  load: { peakRps: 50, meanLatencyMs: 150 },
  gateway: { cpu: 1, memory: "512Mi", rpsPerWorker: 150 },
  database: { postgres: { cpu: 1, memory: "1Gi" } },
};
/** Half the cores that its workers need. */
const CROWDED = { ...SIZING, gateway: { ...SIZING.gateway, cpu: 0.5, workers: 2, rpsPerWorker: 60 } };

const folder = mkdtempSync(join(tmpdir(), "simulate-"));
function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}
const sound = file("sound.json", SIZING);

async function run(...args: readonly string[]) {
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      written[name] += String(chunk);
      return true;
    }),
  );
  try {
    return { status: await main(["simulate", ...args]), ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
function expected(raw: unknown, options: Partial<Parameters<typeof simulate>[2]>): SimulationReport {
  const { input, plan } = planOf(raw);
  return simulate(input, plan, { scenarios: ["steady"], seed: 1, requests: 20_000, spread: "exponential", ...options });
}
const few = ["--requests", "20000"];

describe("mcp-stack simulate", () => {
  it("reports what holds: 0 when nothing contradicts the plan", async () => {
    expect(await run("--input", sound, "--scenario", "steady", ...few)).toEqual({
      status: 0,
      stdout: reportText(expected(SIZING, {})),
      stderr: "",
    });
  });

  it("answers 2 when something is not confirmed, first in the text", async () => {
    const answer = await run("--input", file("crowded.json", CROWDED), "--scenario", "steady", ...few);
    expect(answer.status).toBe(2);
    expect(answer.stdout).toBe(reportText(expected(CROWDED, {})));
    expect(answer.stdout).toMatch(/^Not confirmed: \d+ of \d+ predictions do not hold\.\n {2}steady: /);
  });

  it("prints exactly the report as JSON, the same for the same seed, another for another", async () => {
    const options = ["--input", sound, "--scenario", "double,steady", "--seed", "7", ...few, "--json"];
    const { status, stdout } = await run(...options);
    expect(status).toBe(0);
    const report = expected(SIZING, { scenarios: ["steady", "double"], seed: 7 });
    expect(stdout).toBe(`${JSON.stringify(report, null, 2)}\n`);
    expect((await run(...options)).stdout).toBe(stdout);
    expect((await run(...options.with(5, "8"))).stdout).not.toBe(stdout);
  });

  it("simulates every scenario when none is named, and the spread that is asked for", async () => {
    const { stdout } = await run("--input", sound, "--times", "deterministic", ...few, "--json");
    const report = expected(SIZING, { scenarios: scenarioNames, spread: "deterministic" });
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(report)));
    expect(report.scenarios.map(({ name }) => name)).toEqual(scenarioNames);
  });

  it("reads a stack of the repository", async () => {
    const answer = await run("-s", "dev", "--scenario", "steady", ...few);
    expect([answer.status, answer.stderr]).toEqual([0, ""]);
    expect(answer.stdout).toMatch(/^Confirmed: nothing contradicts the plan \(12 predictions in 1 scenario\)\.\n/);
  });

  it("simulates a refused plan as it stands, and says so", async () => {
    const refused = { ...SIZING, given: { "postgres.maxConnections": 5 } };
    const answer = await run("--input", file("refused.json", refused), "--scenario", "steady", ...few);
    expect(answer.stderr).toMatch(/^mcp-stack: the plan is refused \(.*I8.*\) and simulated as it stands/);
    expect(answer.stdout).toBe(reportText(expected(refused, {})));
  });

  it("names everything that is wrong with an input and answers 1", async () => {
    const wrong = file("wrong.json", { ...SIZING, load: { peakRps: -1, meanLatencyMs: 150, zone: 2 } });
    const { status, stdout, stderr } = await run("--input", wrong, "--json");
    expect(status).toBe(1);
    expect(
      JSON.parse(stdout)
        .problems.map(({ path }: { readonly path: string }) => path)
        .toSorted(),
    ).toEqual(["load.peakRps", "load.zone"]);
    expect(stderr).toContain("load.peakRps");
    expect((await run("--input", join(folder, "none.yaml"))).status).toBe(1);
  });

  it.each([
    [
      ["--scenario", "stedy"],
      'mcp-stack: --scenario "stedy" is not one of steady, double, burst, lost-zone, rollout, scaling; the nearest is steady\n',
    ],
    [["--seed", "-1"], 'mcp-stack: --seed "-1" is no whole number from 0 to 9007199254740991\n'],
    [["--seed", "1.5"], 'mcp-stack: --seed "1.5" is no whole number from 0 to 9007199254740991\n'],
    [["--requests", "10"], 'mcp-stack: --requests "10" is no whole number from 1000 to 100000000\n'],
    [
      ["--times", "normal"],
      'mcp-stack: --times "normal" is not one of exponential, deterministic, lognormal; the nearest is lognormal\n',
    ],
    [["--sed", "1"], "mcp-stack: unknown option --sed; the nearest is --seed\n"],
  ])("refuses %j with 1, since 2 is a verdict", async (args, message) => {
    const { status, stdout, stderr } = await run("--input", sound, ...args);
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(message);
  });

  it("refuses what would take hours", async () => {
    const huge = file("huge.json", { ...SIZING, load: { peakRps: 5_000_000, meanLatencyMs: 150 } });
    const { status, stderr } = await run("--input", huge, "--scenario", "scaling", ...few);
    expect(status).toBe(1);
    expect(stderr).toMatch(/scenario scaling lasts \d+ s and needs \d\.\de\+\d+ requests; at most 2e\+8 are simulated/);
  });
});

/** `mcp-stack plan` as people call it: exit codes, forms, what-if, comparison, the written plan. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { main } from "../../cli/main.ts";
import { applyWhatIf } from "../../cli/what-if.ts";
import { planDocumentSchema } from "../../contract/plan.ts";
import { textReport } from "../../infra/sizing/report/index.ts";
import { dev, prod, refused, subjectOf } from "../infra/sizing/report/stacks.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** A directory with Pulumi.<stack>.yaml for each of the stacks. */
function folder(stacks: Readonly<Record<string, unknown>> = {}): string {
  const cwd = mkdtempSync(join(tmpdir(), "plan-"));
  for (const [name, sizing] of Object.entries(stacks))
    writeFileSync(join(cwd, `Pulumi.${name}.yaml`), stringify({ config: { "mcp-stack:sizing": sizing } }));
  return cwd;
}

type Answer = { readonly status: number | null; readonly stdout: string; readonly stderr: string };

/** As a process of its own. */
function spawned(cwd: string, args: readonly string[], input: string): Answer {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "cli/mcp-stack.js"), "plan", ...args], {
    cwd,
    input,
    env: { PATH: process.env.PATH },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

/** The same within this process, which is a tenth of the time. */
async function run(cwd: string, args: readonly string[]): Promise<Answer> {
  const written = { stdout: "", stderr: "" };
  const home = process.cwd();
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      written[name] += String(chunk);
      return true;
    }),
  );
  process.chdir(cwd);
  try {
    return { status: await main(["plan", ...args]), ...written };
  } finally {
    process.chdir(home);
    for (const spy of spies) spy.mockRestore();
  }
}

describe("mcp-stack plan", () => {
  it("reports a stack of the working directory: 0 accepted, 2 refused", async () => {
    const cwd = folder({ dev, bad: refused });
    expect(await run(cwd, ["-s", "dev"])).toEqual({
      status: 0,
      stdout: textReport(subjectOf("stack dev", dev)),
      stderr: "",
    });
    expect(await run(cwd, ["--stack", "bad"])).toEqual({
      status: 2,
      stdout: textReport(subjectOf("stack bad", refused)),
      stderr: "",
    });
  });

  it("finds the stacks of the repository from anywhere", async () => {
    expect((await run(folder(), ["-s", "dev"])).stdout).toMatch(/^Accepted: stack dev carries /);
  });

  it("reads YAML, JSON and standard input, and prints exactly the document", async () => {
    const cwd = folder();
    writeFileSync(join(cwd, "dev.yaml"), stringify(dev));
    writeFileSync(join(cwd, "dev.json"), JSON.stringify(dev));
    const document = `${JSON.stringify(subjectOf("x", dev).document, null, 2)}\n`;
    expect(await run(cwd, ["--input", "dev.yaml", "--json"])).toEqual({ status: 0, stdout: document, stderr: "" });
    expect((await run(cwd, ["--input", "dev.json", "--json"])).stdout).toBe(document);
    expect(spawned(cwd, ["--input", "-", "--json"], stringify(dev))).toEqual({
      status: 0,
      stdout: document,
      stderr: "",
    });
    expect(spawned(cwd, ["--input", "-"], stringify(refused)).status).toBe(2);
    expect(spawned(cwd, ["--input"], "").status).toBe(1);
    expect(planDocumentSchema.parse(JSON.parse(document)).accepted).toBe(true);
  });

  it("takes the calibration from its file", async () => {
    const { calibration, ...unmeasured } = prod;
    const cwd = folder({ prod: unmeasured });
    writeFileSync(join(cwd, "calibration.json"), JSON.stringify(calibration));
    expect((await run(cwd, ["-s", "prod"])).status).toBe(2);
    expect((await run(cwd, ["-s", "prod", "--calibration", "calibration.json"])).status).toBe(0);
    writeFileSync(join(cwd, "calibration.json"), JSON.stringify({ ...Object(calibration), rpsPerWorker: "fast" }));
    const { status, stderr } = await run(cwd, ["-s", "prod", "--calibration", "calibration.json"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^Not understood: stack prod has 1 problem\.\n {2}calibration\.rpsPerWorker: /);
  });
});

describe("input that is not understood", () => {
  const raw = { environment: "prod", load: { peakRp: 5, meanLatencyMs: -1 }, gateway: { cpu: 1, memory: 512 } };

  it("exits 1 with every problem at once", async () => {
    const { status, stdout, stderr } = await run(folder({ x: raw }), ["-s", "x"]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr.split("\n").map((line) => line.replace(/: .*/, ""))).toEqual([
      "Not understood",
      "  load.peakRps is missing",
      "  load.meanLatencyMs",
      "  gateway.memory",
      "  database.postgres.cpu is missing",
      "  database.postgres.memory is missing",
      expect.stringContaining("  load.peakRp is not an input"),
      "",
    ]);
    expect(stderr).toContain(
      "512 has no unit: bytes or MiB?; allowed: a size from 128Mi to 1024Gi, written like 512Mi or 4Gi; nearest: 512Mi\n",
    );
  });

  it("gives machines the same as JSON", async () => {
    const { status, stdout } = await run(folder({ x: raw }), ["-s", "x", "--json"]);
    expect(status).toBe(1);
    expect(JSON.parse(stdout).problems).toContainEqual({
      path: "load.meanLatencyMs",
      value: -1,
      allowed: "a number from 0.1 to 600000 (ms)",
      nearest: "0.1",
      message: "load.meanLatencyMs: -1 is out of range; allowed: a number from 0.1 to 600000 (ms); nearest: 0.1",
    });
  });

  it.each([
    ["a: [", /^mcp-stack: x\.yaml is no YAML: /],
    ["a: 1\na: 2\n", /^mcp-stack: x\.yaml is no YAML: Map keys must be unique/],
    ["", /^Not understood: x\.yaml has 1 problem\.\n {2}the input is null; allowed: a group: environment, load/],
    ["[1, 2]", /^Not understood: x\.yaml has 1 problem\.\n {2}the input is a list; /],
    ["load: { peakRps: .inf }", /load\.peakRps: Infinity is not finite; allowed: .*; nearest: 10000000/],
    [
      `${"#".repeat(1024 * 1024)}\n`,
      /^mcp-stack: x\.yaml cannot be read: it has 1048577 bytes, at most 1048576 are read/,
    ],
  ])("says what is wrong with %j", async (content, message) => {
    const cwd = folder();
    writeFileSync(join(cwd, "x.yaml"), content);
    const { status, stdout, stderr } = await run(cwd, ["--input", "x.yaml"]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("    at ");
  });
});

describe("wrong usage exits 1, since 2 means refused", () => {
  const cwd = folder({ dev });
  it.each([
    [[], "--stack or --input is needed; stacks here: dev"],
    [["-s", "../dev"], '--stack "../dev" is no name of a stack'],
    [["-s", "dev", "--input", "x"], "--stack and --input exclude each other"],
    [["-s", "dev", "--json", "--svg"], "--json and --svg exclude each other"],
    [["-s", "dev", "--what-if", "a=1", "--diff", "x"], "--what-if and --diff exclude each other"],
    [
      ["-s", "dev", "--what-if", "load.peakRps"],
      '--what-if takes path=value such as load.peakRps=6000, not "load.peakRps"',
    ],
    [
      ["-s", "dev", "--what-if", "load.peakRp=1"],
      '--what-if "load.peakRp" is neither an input nor a number of the plan; the nearest is load.peakRps',
    ],
    [
      ["-s", "dev", "--explain", "gateway.worker"],
      '--explain "gateway.worker" is no number of the plan and no input; the nearest is gateway.workers',
    ],
    [["--input", "dev.yaml", "--jason"], "unknown option --jason; the nearest is --json"],
    [["-s", "dev", "extra"], 'unexpected argument "extra"'],
  ])("%j", async (args, sentence) => {
    const { status, stdout, stderr } = await run(cwd, args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe(`mcp-stack: ${sentence}\nmcp-stack --help shows the commands.\n`);
  });

  it("names the stacks that there are", async () => {
    const { status, stderr } = await run(cwd, ["-s", "prd"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^mcp-stack: there is no Pulumi\.prd\.yaml in .* or .*; stacks here: dev(?:, prod)?; the nearest is /,
    );
    writeFileSync(join(cwd, "Pulumi.empty.yaml"), "config: {}\n");
    expect((await run(cwd, ["-s", "empty"])).stderr).toMatch(
      /empty\.yaml has no sizing inputs: they stand under config, mcp-stack:sizing\n$/,
    );
  });
});

describe("forms", () => {
  const cwd = folder({ dev });

  it("explains a number", async () => {
    expect(await run(cwd, ["-s", "dev", "--explain", "gateway.memoryMiB"])).toEqual({
      status: 0,
      stdout: "gateway.memoryMiB = 512 MiB  is input gateway.memory = 512Mi  given\n",
      stderr: "",
    });
  });

  it("draws to stdout or beside the report", async () => {
    const { status, stdout } = await run(cwd, ["-s", "dev", "--svg"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect((await run(cwd, ["-s", "dev", "--svg", "dev.svg"])).stdout).toMatch(/^Accepted: /);
    expect(readFileSync(join(cwd, "dev.svg"), "utf8")).toBe(stdout);
    const failed = await run(cwd, ["-s", "dev", "--svg", "no/such/dev.svg"]);
    expect(failed.status).toBe(1);
    expect(failed.stderr).toMatch(/^mcp-stack: no\/such\/dev\.svg cannot be written: ENOENT/);
  });

  it("writes Markdown", async () => {
    expect((await run(cwd, ["-s", "dev", "--markdown"])).stdout).toMatch(
      /^## ✅ Accepted: stack dev carries 72 requests\/s/,
    );
  });
});

describe("--what-if", () => {
  const cwd = folder({ dev });

  it("takes several at once and several times, and answers with the verdict after", async () => {
    const { status, stdout } = await run(cwd, [
      "-s",
      "dev",
      "--what-if",
      "load.peakRps=100",
      "gateway.memory=1Gi",
      "--what-if",
      "pgbouncer.maxClientConn=5",
    ]);
    expect(status).toBe(2);
    expect(stdout).toMatch(
      /^Refused: 1 of \d+ budgets of stack dev with load\.peakRps=100, gateway\.memory=1Gi, pgbouncer\.maxClientConn=5 does not hold: I6\./,
    );
    expect(stdout).toMatch(/^ {2}verdict +accepted +→ +refused$/m);
    expect(stdout).toMatch(/^ {2}requests at the peak +72 requests\/s +→ +144 requests\/s$/m);
    expect((await run(cwd, ["-s", "dev", "--what-if", "load.peakRps=60", "--json"])).status).toBe(0);
  });

  it("says what is wrong with a value as for a file", async () => {
    const { status, stderr } = await run(cwd, ["-s", "dev", "--what-if", "gateway.memory=512"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^Not understood: stack dev with gateway\.memory=512 has 1 problem\.\n {2}gateway\.memory: 512 has no unit/,
    );
  });

  it.each([
    ["gateway.cpu=2", { gateway: { cpu: 1 } }, { gateway: { cpu: 2 } }],
    ["database.pgbouncer.version=1.20", {}, { database: { pgbouncer: { version: "1.20" } } }],
    ["gateway.hpa=false", {}, { gateway: { hpa: false } }],
    ["given.redis.policy=allkeys-lru", {}, { given: { "redis.policy": "allkeys-lru" } }],
    [
      "redis.maxclients=5",
      { given: { redis: { maxclients: 9, nofile: 7 } } },
      { given: { redis: { nofile: 7 }, "redis.maxclients": 5 } },
    ],
    [
      "gateway.cpu=2",
      { gateway: { cpu: 1 }, given: { "gateway.cpu": 1 } },
      { gateway: { cpu: 1 }, given: { "gateway.cpu": 2 } },
    ],
    [
      "input.gateway.cpu=2",
      { given: { gateway: { cpu: 1 } } },
      { gateway: { cpu: 2 }, given: { gateway: { cpu: 1 } } },
    ],
  ])("%s", (setting, raw, changed) => expect(applyWhatIf(raw, [setting])).toEqual(changed));

  it("proposes repairs that repair when they are given back", async () => {
    const bad = { ...dev, given: { "pgbouncer.maxClientConn": 4 } };
    const { stdout } = await run(folder({ bad }), ["-s", "bad"]);
    const proposals = [...stdout.matchAll(/--what-if (\S+)$/gm)].map(([, setting = ""]) => setting);
    expect(proposals.length).toBeGreaterThan(1);
    expect(proposals.map((setting) => subjectOf("x", Object(applyWhatIf(bad, [setting]))).document.accepted)).toEqual(
      proposals.map(() => true),
    );
  });
});

describe("the written plan", () => {
  it("is kept beside the stack, whole and always the same", async () => {
    const cwd = folder({ dev });
    const { status, stderr } = await run(cwd, ["-s", "dev", "--write"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: `${join(cwd, "plans/dev.json")} was written.\n` });
    const text = readFileSync(join(cwd, "plans/dev.json"), "utf8");
    expect(JSON.parse(text).input).toEqual(dev);
    expect((await run(cwd, ["-s", "dev", "--write"])).stdout).toMatch(
      /\nNo number changes from plans\/dev\.json to stack dev\.\n$/,
    );
    expect(readFileSync(join(cwd, "plans/dev.json"), "utf8")).toBe(text);
    expect(readdirSync(join(cwd, "plans"))).toEqual(["dev.json"]);
  });

  it("is not made of a refused plan", async () => {
    const cwd = folder({ bad: refused });
    const { status, stderr } = await run(cwd, ["-s", "bad", "--write"]);
    expect({ status, stderr }).toEqual({ status: 2, stderr: "mcp-stack: a refused plan is not written\n" });
    expect(existsSync(join(cwd, "plans"))).toBe(false);
    expect((await run(cwd, ["--input", "Pulumi.bad.yaml", "--write"])).stderr).toMatch(
      /^mcp-stack: --write needs --stack/,
    );
  });

  it("shows what changes since, and refuses what breaks while both generations run", async () => {
    const cwd = folder({ prod });
    await run(cwd, ["-s", "prod", "--write"]);
    const grown = { ...prod, load: { ...Object(prod.load), peakRps: 6000 } };
    writeFileSync(join(cwd, "Pulumi.prod.yaml"), stringify({ config: { "mcp-stack:sizing": grown } }));
    const { status, stdout } = await run(cwd, ["-s", "prod"]);
    expect(status).toBe(2);
    expect(stdout).toMatch(/^Refused: 2 of \d+ budgets of stack prod do not hold: I6, I8\.\n/);
    expect(stdout).toContain(
      "I6 does not hold: worker pools of both generations during the rollout ≤ PgBouncer clients",
    );
    expect(stdout).toMatch(
      /Take two\s+steps: first the plan before with room for\s+272\s+connections; this one when that is\s+rolled\s+out\./,
    );
    expect(stdout).toMatch(/^From plans\/prod\.json to stack prod$/m);
    const document = planDocumentSchema.parse(JSON.parse((await run(cwd, ["-s", "prod", "--json"])).stdout));
    const own = subjectOf("x", grown).document.budgets;
    expect([document.accepted, document.budgets.slice(0, own.length)]).toEqual([false, own]);
    expect(document.budgets.slice(own.length).map(({ id, holds }) => [id, holds])).toEqual([
      ["I6", false],
      ["I8", false],
      ["I10", true],
    ]);
    expect((await run(cwd, ["-s", "prod", "--write"])).status).toBe(2);
  });

  it("can be compared with by name, as can inputs", async () => {
    const cwd = folder({ dev, other: { ...dev, gateway: { cpu: 1, memory: "1Gi" } } });
    await run(cwd, ["-s", "other", "--write"]);
    for (const file of ["plans/other.json", "Pulumi.other.yaml"]) {
      const { status, stdout } = await run(cwd, ["-s", "dev", "--diff", file]);
      expect(status).toBe(0);
      expect(stdout).toContain(`From ${file} to stack dev\n`);
      expect(stdout).toMatch(/^ {2}memory of all tiers at the most +3\.5 GiB +→ +2\.5 GiB$/m);
      expect(stdout).toMatch(/^ {2}gateway\.memoryMiB \(MiB\) +1,024 +→ +512$/m);
    }
    writeFileSync(join(cwd, "old.json"), JSON.stringify({ plan: {}, budgets: [] }));
    expect((await run(cwd, ["-s", "dev", "--diff", "old.json"])).stderr).toMatch(
      /^mcp-stack: old\.json is no plan of this version: plan\.\w+: /,
    );
  });
});

/** `mcp-stack plan` as people call it: sources, exit codes, forms. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { planDocumentSchema } from "../../contract/plan.ts";
import { textReport } from "../../infra/sizing/report/index.ts";
import { dev, prod, refused, subjectOf } from "../infra/sizing/report/stacks.ts";
import { folder, run, spawned } from "./plan-runs.ts";

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
    [[], "--stack or --input is needed; stacks here: dev, local, prod"],
    [["-s", "../dev"], '--stack "../dev" is no name of a stack'],
    [["-s", "dev", "--input", "x"], "--stack and --input exclude each other"],
    [["-s", "dev", "--json", "--svg"], "--json and --svg exclude each other"],
    [["-s", "dev", "--what-if", "a=1", "--diff", "x"], "--what-if and --diff exclude each other"],
    [["-s", "dev", "--diff", "x", "--write"], "--diff and --write exclude each other"],
    [["--input", "x", "--write"], "--write needs --stack: the plan is kept beside the stack's file"],
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
      /^mcp-stack: there is no Pulumi\.prd\.yaml in .* or .*; stacks here: dev(?:, local, prod)?; the nearest is /,
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

/** `mcp-stack plan --from-env` as people call it: files in, names and plan out, exit codes. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { planDocumentSchema } from "../../contract/plan.ts";
import { formatConsequences, formatEnvReport, readDeployment } from "../../infra/from-env/index.ts";
import { plan, readInput } from "../../infra/sizing/index.ts";
import { textReport } from "../../infra/sizing/report/index.ts";
import { folder, run, spawned } from "./plan-runs.ts";

const FIXTURE = join(import.meta.dirname, "../infra/from-env/contextforge.env");
const plain = { colour: false };

/** What is expected of a text, from the parts that have tests of their own. */
function expected(text: string, title: string) {
  const { input, report } = readDeployment(text, title);
  const reading = readInput(input);
  if (!reading.ok) throw new Error(reading.problems.map(({ message }) => message).join("\n"));
  const document = plan(reading.input);
  const names = `${formatEnvReport(report, plain)}\n${formatConsequences(report, document, plain)}\n`;
  return { document, names, text: textReport({ title, input: reading.input, document }) };
}

describe("mcp-stack plan --from-env", () => {
  it("prints the names, what does not hold, and the plan: 0 accepted, 2 refused", async () => {
    const cwd = folder();
    for (const [text, status] of [
      ["DB_POOL_SIZE=2\n", 0],
      ["DB_POOL_RECYCLE=3600\nCLIENT_IDLE_TIMEOUT=120\n", 2],
    ] as const) {
      writeFileSync(join(cwd, "old.env"), text);
      const { names, text: report } = expected(text, "old.env");
      expect(await run(cwd, ["--from-env", "old.env"])).toEqual({ status, stdout: names + report, stderr: "" });
    }
  });

  it("leaves stdout to the document where one is asked for", async () => {
    const cwd = folder();
    copyFileSync(FIXTURE, join(cwd, "old.env"));
    const { status, stdout, stderr } = await run(cwd, ["--from-env", "old.env", "--json"]);
    const document = planDocumentSchema.parse(JSON.parse(stdout));
    expect([status, document.refusals.map(({ id }) => id)]).toEqual([2, ["I19", "I21"]]);
    expect(stderr).toMatch(/^old\.env: 38 names: 1 unknown, /);
    expect((await run(cwd, ["--from-env", "old.env", "--markdown"])).stdout).toMatch(/^#/);
    expect(stdout + stderr).not.toContain("s3cr3t");
  });

  it("compares with other inputs and pins, and explains one number", async () => {
    const cwd = folder();
    copyFileSync(FIXTURE, join(cwd, "old.env"));
    const change = ["--what-if", "given.database.recycleS=60", "--what-if", "load.toolTimeoutS=30"];
    expect((await run(cwd, ["--from-env", "old.env", ...change])).status).toBe(0);
    const { status, stdout } = await run(cwd, ["--from-env", "old.env", "--explain", "database.poolPerWorker"]);
    expect([status, stdout.startsWith("database.poolPerWorker")]).toEqual([0, true]);
  });

  it("says with line and name what it does not understand: 1", async () => {
    const cwd = folder();
    writeFileSync(join(cwd, "compose.yml"), "services:\n  gateway:\n    environment:\n      - DB_POOL_SIZE=s3cr3t\n");
    const { status, stdout, stderr } = await run(cwd, ["--from-env", "compose.yml", "--json"]);
    expect([status, JSON.parse(stdout)]).toEqual([
      1,
      {
        problems: [
          {
            path: "compose.yml:4",
            value: null,
            allowed: "DB_POOL_SIZE has to be a whole number",
            message: "compose.yml:4: DB_POOL_SIZE has to be a whole number",
          },
        ],
      },
    ]);
    expect(stderr).not.toContain("s3cr3t");
    writeFileSync(join(cwd, "old.env"), "GUNICORN_WORKERS=100\n");
    const range = await run(cwd, ["--from-env", "old.env"]);
    expect([range.status, range.stdout]).toEqual([1, ""]);
    expect(range.stderr).toContain("gateway.workers: 100 is out of range");
    expect(range.stderr).toContain("(GUNICORN_WORKERS, line 1)");
  });

  it("reads standard input, and no second source", async () => {
    const cwd = folder();
    expect(spawned(cwd, ["--from-env", "-"], "DB_POOL_SIZE=2\n").status).toBe(0);
    for (const other of [
      ["-s", "dev"],
      ["--input", "x.yaml"],
    ]) {
      const { status, stderr } = await run(cwd, ["--from-env", "-", ...other]);
      expect([status, stderr]).toEqual([
        1,
        "mcp-stack: --from-env excludes --stack and --input\nmcp-stack --help shows the commands.\n",
      ]);
    }
    expect((await run(cwd, ["--from-env", "nowhere.env"])).status).toBe(1);
  });
});

/** The report as a whole, as a reader gets it. */
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { budgetRules, readInput } from "../../../../infra/sizing/index.ts";
import { consequenceOf } from "../../../../infra/sizing/report/consequences.ts";
import {
  coloured,
  markdownReport,
  plain,
  problemsReport,
  textReport,
  verdictText,
} from "../../../../infra/sizing/report/index.ts";
import { leavesOf, unitOf } from "../../../../infra/sizing/report/subject.ts";
import { tightestOf } from "../../../../infra/sizing/report/tightest.ts";
import { dev, prod, refused, subjectOf } from "./stacks.ts";

const GOLDEN = resolve(import.meta.dirname, "../../../golden/plan");

describe("text report", () => {
  it.each([
    ["accepted-dev", subjectOf("stack dev", dev)],
    ["accepted-prod", subjectOf("stack prod", prod)],
    ["refused", subjectOf("refused.yaml", refused)],
  ])("%s", async (name, subject) => {
    await expect(textReport(subject)).toMatchFileSnapshot(join(GOLDEN, `${name}.txt`));
    await expect(markdownReport(subject)).toMatchFileSnapshot(join(GOLDEN, `${name}.md`));
  });

  it("is the same with colour but for the escapes", () => {
    const subject = subjectOf("refused.yaml", refused);
    const text = textReport(subject, coloured);
    expect(text.startsWith("\u001b[31m\u001b[1mRefused: ")).toBe(true);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what is taken out
    expect(text.replace(/\u001b\[\d+m/g, "")).toBe(textReport(subject));
  });
});

describe("refusals", () => {
  it("say for every budget why it matters", () => {
    expect(budgetRules.map(({ id }) => id).filter((id) => consequenceOf(id) === undefined)).toEqual([]);
  });

  it("tell the way out where no input is one", async () => {
    const { calibration: _, ...unmeasured } = prod;
    await expect(verdictText(subjectOf("stack prod", unmeasured))).toMatchFileSnapshot(join(GOLDEN, "unmeasured.txt"));
  });
});

describe("tightest budgets", () => {
  it("leave out what the plan met on purpose", () => {
    const tightest = tightestOf(subjectOf("stack prod", prod).document, 4);
    expect(tightest.map(({ id, left, right, unit }) => [id, left, right, unit])).toEqual([
      ["I8", 42, 47, "connections"],
      ["I6", 144, 173, "connections"],
      ["I53", 10_000, 12_188, "sessions"],
      ["I44", 18, 22, "GiB"],
    ]);
  });

  it("have every budget of a pinned number, exactly met or a timeout", () => {
    const given = { "pgbouncer.maxDbConnections": 4, "timeouts.lbIdleS": 84 };
    const { document } = subjectOf("pinned", { ...dev, given });
    expect(tightestOf(document, 3).map(({ id, headroom }) => [id, headroom])).toEqual([
      ["I7", 0],
      ["I7", 0],
      ["I23", 0.056],
    ]);
  });
});

describe("units", () => {
  it("stand beside every number of the sections and follow the names elsewhere", () => {
    const { document } = subjectOf("stack prod", prod);
    const units = Object.fromEntries([...leavesOf(document.plan).keys()].map((path) => [path, unitOf(path)]));
    expect(units).toMatchObject({
      "load.gatewayRps": "requests/s",
      "gateway.replicas.peak": "replicas",
      "gateway.maxOldSpaceMiB": "MiB",
      "pgbouncer.maxClientConn": "connections",
      "postgres.volumeGiB": "GiB",
      "timeouts.graceS": "s",
      "retries.tool.baseMs": "ms",
      "backup.periodH": "h",
      "gateway.nofile": "descriptors",
      "redis.policy": "",
    });
    expect(unitOf("input.load.dbTxMs")).toBe("ms");
  });
});

describe("problems", () => {
  it("stand one to a line and cannot steer a terminal", () => {
    const reading = readInput({ ...dev, "\u001b[2J\nload": 1, load: { peakRps: "5/s" } });
    const problems = reading.ok ? [] : reading.problems;
    expect(problemsReport("a\u0007.yaml", problems, plain)).toBe(`\
Not understood: a\\u0007.yaml has 3 problems.
  load.peakRps: "5/s" is text, not a number; allowed: a number from 0.001 to 10000000 (requests/s)
  load.meanLatencyMs is missing: Mean time a request spends in the gateway, upstream included; allowed: a number from 0.1 to 600000 (ms)
  \\u001b[2J\\u000aload is not an input; nearest: load; the input has: environment, load, gateway, database, redis, nginx, mcp, cluster, data, security, prices, given, calibration
`);
  });
});

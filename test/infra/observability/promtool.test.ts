/** Prometheus' own tool reads the rule files and tells which alerts fire. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { ruleFileOf } from "../../../infra/observability/index.ts";
import { poolPerReplica } from "../../../infra/observability/limits.ts";
import { temporaryDirectory } from "../../harness/index.ts";
import { plans } from "../topology/plans.ts";
import { type Case, clusterCases, dataCases, flat, gatewayCases, type Sample, STEPS, slowCases } from "./firing.ts";
import { alertOf, alertsOf, complete, seriesIn, variants } from "./watches.ts";

const version = spawnSync("promtool", ["--version"], { encoding: "utf8" });
const reason = version.status === 0 ? undefined : "not installed: promtool (package prometheus)";
const title = reason === undefined ? "promtool" : `promtool (skipped, ${reason})`;

const file = ruleFileOf(plans.prod, complete);
const quick = { ...gatewayCases(plans.prod), ...dataCases(plans.prod), ...clusterCases(plans.prod) };

type RuleTest = Readonly<Record<string, unknown>>;

/** In a directory that is gone with the test. */
async function promtool(kind: "check" | "test", files: Readonly<Record<string, unknown>>, asked: string) {
  const { path, remove } = await temporaryDirectory();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), stringify(content));
  const { status, stdout, stderr } = spawnSync("promtool", [kind, "rules", asked], { cwd: path, encoding: "utf8" });
  await remove();
  return { status, text: stdout + stderr };
}

/** Against these alerts and what they read: a run evaluates each rule at each step. */
function testing(names: readonly string[], tests: readonly RuleTest[], interval: string) {
  const read = new Set(names.flatMap((name) => seriesIn(alertOf(file, name).expr)));
  const rules = file.groups.map((one) => ({
    ...one,
    rules: one.rules.filter((rule) => ("record" in rule ? read.has(rule.record) : names.includes(rule.alert))),
  }));
  const content = { rule_files: ["rules.yaml"], evaluation_interval: interval, tests };
  return promtool("test", { "rules.yaml": { groups: rules }, "tests.yaml": content }, "tests.yaml");
}

function group(name: string, samples: readonly Sample[], unit: "m" | "h", count: number): RuleTest {
  return {
    name,
    interval: `1${unit}`,
    input_series: samples,
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${name}",alertstate="firing",stack="prod"})`,
        eval_time: `${STEPS}${unit}`,
        exp_samples: count === 0 ? [] : [{ labels: "{}", value: count }],
      },
    ],
  };
}

function groups(cases: Readonly<Record<string, Case>>, unit: "m" | "h"): readonly RuleTest[] {
  return Object.entries(cases).flatMap(([name, { fires, quiet, count }]) => [
    group(name, fires, unit, count ?? 1),
    group(name, quiet, unit, 0),
  ]);
}

it("every alert has series in which it fires", () => {
  const names = alertsOf(file).map(({ alert }) => alert);
  expect(Object.keys({ ...quick, ...slowCases() }).toSorted()).toEqual(names.toSorted());
});

describe.skipIf(reason !== undefined)(title, () => {
  it.each(variants)("accepts the rules: %s", async (_, plan, watch) => {
    const rules = ruleFileOf(plan, watch);
    const count = rules.groups.reduce((sum, { rules: some }) => sum + some.length, 0);
    const { status, text } = await promtool("check", { "rules.yaml": rules }, "rules.yaml");
    expect(text).toContain(`SUCCESS: ${count} rules found`);
    expect(status).toBe(0);
  });

  it.each(Object.keys(quick))("%s fires in its series, and not in the quiet ones", async (name) => {
    const found = quick[name];
    expect(await testing([name], groups(found === undefined ? {} : { [name]: found }, "m"), "1m")).toEqual({
      status: 0,
      text: expect.stringContaining("SUCCESS"),
    });
  });

  it("what takes days fires in its series, and not in the quiet ones", async () => {
    expect(await testing(Object.keys(slowCases()), groups(slowCases(), "h"), "1h")).toEqual({
      status: 0,
      text: expect.stringContaining("SUCCESS"),
    });
  });

  it("writes the pool's numbers into the texts of its alert", async () => {
    const pool = poolPerReplica(plans.prod);
    const series = (state: string, value: number) => flat("mcp_db_connections", "gateway", { pod: "a", state }, value);
    const alerts = [
      {
        exp_labels: { severity: "warning", stack: "prod", pod: "a" },
        exp_annotations: {
          summary: "prod: queries of a gateway wait for a database connection",
          description: `7 queries of a wait while all ${pool} connections are busy; they give up after ${plans.prod.timeouts.dbAcquireS} s.`,
          runbook_url: "https://example.com/docs/runbooks.md#gatewaydatabasepoolsaturated",
        },
      },
    ];
    const test = (waiting: number, expected: readonly unknown[]) => ({
      interval: "1m",
      input_series: [series("active", pool), series("waiting", waiting)],
      alert_rule_test: [{ alertname: "GatewayDatabasePoolSaturated", eval_time: "5m", exp_alerts: expected }],
    });
    expect((await testing(["GatewayDatabasePoolSaturated"], [test(7, alerts), test(0, [])], "1m")).status).toBe(0);
    expect((await testing(["GatewayDatabasePoolSaturated"], [test(0, alerts)], "1m")).status).toBe(1);
  });
});

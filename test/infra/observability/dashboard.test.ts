/** The dashboard: rows per tier, ids and places that do not move, the plan's numbers as lines. */
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { dashboardOf, type Panel } from "../../../infra/observability/index.ts";
import { plans } from "../topology/plans.ts";
import { bare, complete, direct, variants } from "./watches.ts";

const GOLDEN = resolve(import.meta.dirname, "../../golden/observability");
const rowsOf = ({ panels }: ReturnType<typeof dashboardOf>) =>
  panels.flatMap((panel) => (panel.type === "row" ? [panel.title] : []));
const panelsOf = ({ panels }: ReturnType<typeof dashboardOf>): readonly Panel[] =>
  panels.filter((panel) => panel.type === "timeseries");

describe("the dashboard", () => {
  it.each([
    [
      "everything",
      plans.prod,
      complete,
      ["Service", "Gateway", "Upstreams", "nginx", "PgBouncer", "PostgreSQL", "Redis", "Kubernetes"],
    ],
    ["no pooler", direct, complete, ["Service", "Gateway", "Upstreams", "nginx", "PostgreSQL", "Redis", "Kubernetes"]],
    ["one machine", plans.dev, bare, ["Service", "Gateway", "Upstreams"]],
  ] as const)("has a row per tier that tells something: %s", (_, plan, watch, rows) => {
    expect(rowsOf(dashboardOf(plan, watch))).toEqual(rows);
  });

  it.each(variants)("covers the grid without a panel over another, ids from 1: %s", (_, plan, watch) => {
    const { panels } = dashboardOf(plan, watch);
    expect(panels.map(({ id }) => id)).toEqual(panels.map((_, index) => index + 1));
    const taken = new Set<string>();
    for (const { gridPos } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`)).toBe(false);
          taken.add(`${x} ${y}`);
        }
    }
  });

  it("asks the source that its reader chose, in every panel and target", () => {
    const chosen = { type: "prometheus", uid: `\${datasource}` };
    const dashboard = dashboardOf(plans.prod, complete);
    expect(dashboard.templating.list).toEqual([
      { name: "datasource", label: "Data source", type: "datasource", query: "prometheus" },
    ]);
    for (const { datasource, targets } of panelsOf(dashboard))
      expect([datasource, ...targets.map((target) => target.datasource)]).toEqual(
        Array.from({ length: targets.length + 1 }, () => chosen),
      );
  });

  it("draws the plan's number as the last line of its panel", () => {
    const { gateway } = plans.prod;
    const inFlight = panelsOf(dashboardOf(plans.prod, complete)).find(({ title }) => title === "In flight");
    expect(inFlight?.targets.map(({ refId, expr, legendFormat }) => [refId, expr, legendFormat])).toEqual([
      ["A", 'mcp:requests_in_flight:by_replica{stack="prod"}', "{{pod}}"],
      ["B", `vector(${gateway.inFlightPerWorker * gateway.workers})`, "admitted at most"],
    ]);
  });

  it("has an id of at most 40 characters that two stacks never share", () => {
    const uidOf = (stack: string) => dashboardOf(plans.dev, { ...bare, stack }).uid;
    expect(uidOf("dev")).toBe("mcp-stack-dev");
    const [one, other] = [uidOf(`${"a".repeat(60)}1`), uidOf(`${"a".repeat(60)}2`)];
    expect([one.length, other.length]).toEqual([40, 40]);
    expect(one).not.toBe(other);
  });

  it.each(variants)("is the golden copy for: %s", async (name, plan, watch) => {
    const text = `${JSON.stringify(dashboardOf(plan, watch), null, 2)}\n`;
    await expect(text).toMatchFileSnapshot(`${GOLDEN}/dashboard-${name.replaceAll(/\W+/g, "-")}.json`);
  });
});

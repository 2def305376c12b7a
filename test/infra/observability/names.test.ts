/** Every series that is asked for exists: declared by the gateway, listed with its source, or recorded by the same file. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { metricNames, metricOf } from "../../../contract/metrics.ts";
import type { ForeignName, Watch } from "../../../infra/observability/index.ts";
import { dashboardOf, foreign, ruleFileOf, sources } from "../../../infra/observability/index.ts";
import { type Series, seriesOf } from "../../../infra/observability/series.ts";
import { plans } from "../topology/plans.ts";
import { alertsOf, complete, seriesIn, variants } from "./watches.ts";

const own = metricNames.flatMap((name) =>
  metricOf(name).type === "histogram" ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
);

function expressionsOf(plan: (typeof plans)["prod"], watch: Watch): readonly string[] {
  const rules = ruleFileOf(plan, watch).groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
  const panels = dashboardOf(plan, watch).panels.flatMap((panel) =>
    panel.type === "row" ? [] : panel.targets.map(({ expr }) => expr),
  );
  return [...rules, ...panels];
}

describe("names of series", () => {
  it("are found in an expression", () => {
    expect(
      seriesIn('sum by (pod) (rate(a_total{b="c d",e=~"f}"}[5m])) / 2 > 1e3 and on (x) max(g:h_1) or vector(0)'),
    ).toEqual(["a_total", "g:h_1"]);
  });

  it.each(variants)("all exist: %s", (_, plan, watch) => {
    const recorded = ruleFileOf(plan, watch).groups.flatMap(({ rules }) =>
      rules.flatMap((rule) => ("record" in rule ? [rule.record] : [])),
    );
    const known = new Set([...own, ...Object.keys(foreign), ...recorded]);
    const unknown = expressionsOf(plan, watch)
      .flatMap(seriesIn)
      .filter((name) => !known.has(name));
    expect(unknown).toEqual([]);
  });

  it("of the foreign list are all asked for, and each has a source", () => {
    const asked = new Set(expressionsOf(plans.prod, complete).flatMap(seriesIn));
    const names = Object.keys(foreign).filter((name): name is ForeignName => Object.hasOwn(foreign, name));
    expect(names.filter((name) => !asked.has(name))).toEqual([]);
    for (const name of names) expect(sources[foreign[name].source]).toMatch(/^https:\/\//);
  });

  it("and labels that do not exist are no program", () => {
    const { own: select, foreign: selectForeign, bucket }: Series = seriesOf(complete);
    // @ts-expect-error no metric of the gateway
    expect(select("mcp_request_total")).toBe('mcp_request_total{namespace="mcp",job="gateway"}');
    // @ts-expect-error no label of it
    select("mcp_streams_open", { route: "call" });
    // @ts-expect-error a histogram has no value of its own
    select("mcp_request_duration_seconds");
    // @ts-expect-error a counter has no buckets
    bucket("mcp_requests_total");
    // @ts-expect-error not in the list
    expect(() => selectForeign("redis_uptime")).toThrow();
  });
});

describe("runbooks", () => {
  it("have one section per alert, and no other", () => {
    const page = readFileSync(resolve(import.meta.dirname, "../../../docs/runbooks.md"), "utf8");
    const sections = [...page.matchAll(/^### (.+)$/gm)].map(([, title]) => title);
    const alerts = variants.flatMap(([, plan, watch]) => alertsOf(ruleFileOf(plan, watch)).map(({ alert }) => alert));
    expect(sections.toSorted()).toEqual([...new Set(alerts)].toSorted());
    const anchors = new Set(sections.map((title) => title?.toLowerCase()));
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
    expect(links.filter((anchor) => !anchors.has(anchor))).toEqual([]);
  });
});

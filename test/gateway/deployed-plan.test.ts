/** The plan a gateway was deployed with: read, shown, counted against; and never a reason not to start. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readDeployedPlan, showPlan } from "../../gateway/deployed-plan.ts";
import { createMetrics } from "../../gateway/telemetry/index.ts";
import { plans } from "../infra/topology/plans.ts";
import { recordingLog } from "./coordination/log.ts";

const directory = mkdtempSync(join(tmpdir(), "deployed-plan-"));
const document = { accepted: true, plan: plans.prod, budgets: [], provenance: {}, refusals: [], warnings: [] };

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** What was read of a file, and the fields of what was said. */
async function read(path: string | undefined) {
  const { log, lines } = recordingLog();
  const plan = await readDeployedPlan(path, log);
  expect(lines.filter(({ level }) => level !== "warn")).toEqual([]);
  return { plan, warnings: lines.map(({ fields }) => fields) };
}

describe("readDeployedPlan", () => {
  it("takes the document that mcp-stack plan prints, and the plan alone", async () => {
    expect(await read(undefined)).toEqual({ plan: undefined, warnings: [] });
    for (const value of [document, plans.prod])
      expect(await read(file("plan.json", JSON.stringify(value)))).toEqual({ plan: plans.prod, warnings: [] });
  });

  it("says that a plan does not hold, and takes it", async () => {
    const path = file("refused.json", JSON.stringify({ ...document, accepted: false }));
    expect(await read(path)).toEqual({ plan: plans.prod, warnings: [{ path, setting: "PLAN_FILE" }] });
  });

  it.each([
    ["no JSON", "{", /JSON/],
    ["another document", "[1]", /^the document: .* \(1 problem\(s\)\)$/],
    [
      "a plan with a wrong number",
      JSON.stringify({ ...document, plan: { ...plans.prod, mcp: { ...plans.prod.mcp, streamsPerWorker: -1 } } }),
      /^plan\.mcp\.streamsPerWorker: .* \(1 problem\(s\)\)$/,
    ],
  ])("warns of %s and goes on", async (name, content, reason) => {
    const path = file(`${name}.json`, content);
    const { plan, warnings } = await read(path);
    expect([plan, warnings]).toEqual([
      undefined,
      [{ path, setting: "PLAN_FILE", reason: expect.stringMatching(reason) }],
    ]);
  });

  it("warns of a file that is not there", async () => {
    const path = join(directory, "absent.json");
    const reason = `ENOENT: no such file or directory, open '${path}'`;
    expect(await read(path)).toEqual({ plan: undefined, warnings: [{ path, setting: "PLAN_FILE", reason }] });
  });
});

describe("showPlan", () => {
  it("stands beside the load, and counts what rises above it", () => {
    const metrics = createMetrics();
    const planned = showPlan(plans.prod, metrics);
    const lines = () =>
      metrics
        .render()
        .split("\n")
        .filter((line) => line.startsWith("mcp_plan_"));
    const { gateway, mcp, database } = plans.prod;
    const limits = [
      `mcp_plan_limit{limit="replicas_max"} ${gateway.replicas.max}`,
      `mcp_plan_limit{limit="pool_per_worker"} ${database.poolPerWorker}`,
      `mcp_plan_limit{limit="in_flight_per_worker"} ${gateway.inFlightPerWorker}`,
      `mcp_plan_limit{limit="streams_per_worker"} ${mcp.streamsPerWorker}`,
    ];
    const exceeded = (requests: number, streams: number) => [
      `mcp_plan_exceeded_total{limit="in_flight_per_worker"} ${requests}`,
      `mcp_plan_exceeded_total{limit="streams_per_worker"} ${streams}`,
    ];
    expect(lines()).toEqual([...limits, ...exceeded(0, 0)]);
    planned.inFlight.exceeded();
    planned.streams.exceeded();
    planned.streams.exceeded();
    expect(lines()).toEqual([...limits, ...exceeded(1, 2)]);
    expect([planned.inFlight.limit, planned.streams.limit]).toEqual([gateway.inFlightPerWorker, mcp.streamsPerWorker]);
  });
});

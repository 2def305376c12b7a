/** From one plan to the next while both are alive. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Plan } from "../../../../contract/plan.ts";
import { mib } from "../../../../contract/units.ts";
import { evaluate, readInput } from "../../../../infra/sizing/index.ts";
import { withRollout } from "../../../../infra/sizing/next-generation.ts";
import { isRolloutBudget, proveRollout } from "../../../../infra/sizing/rollout.ts";
import { dev, prod, subjectOf } from "./stacks.ts";

const planOf = (raw: Parameters<typeof subjectOf>[1]): Plan => {
  const reading = readInput(raw);
  if (!reading.ok) throw new Error("the inputs of a test cannot be read");
  return evaluate(reading.input).plan;
};
const withLoad = (peakRps: number) => ({ ...prod, load: { ...Object(prod.load), peakRps } });
const sides = (before: Plan, after: Plan) =>
  proveRollout(before, after)
    .filter(({ id }) => id !== "I44")
    .map(({ id, left, right, holds }) => [id, left, right, holds]);

describe("a rollout", () => {
  it("of the same plan is its own worst instant", () => {
    const plan = planOf(prod);
    expect(sides(plan, plan)).toEqual([
      ["I6", 144, 173, true],
      ["I8", 42, 47, true],
      ["I10", 154, 1000, true],
    ]);
  });

  it("that grows makes its room first", () => {
    // 27 new pods and their surge of 7 at 8 connections; PgBouncer accepts 327 by then.
    expect(sides(planOf(prod), planOf(withLoad(6000)))).toEqual([
      ["I6", 272, 327, true],
      ["I8", 56, 62, true],
      ["I10", 282, 1000, true],
    ]);
  });

  it("that shrinks meets its own limits with the pods of the plan before", () => {
    expect(sides(planOf(withLoad(6000)), planOf(prod)).map(([id, left, right]) => [id, left, right])).toEqual([
      ["I6", 272, 173],
      ["I8", 56, 47],
      ["I10", 282, 1000],
    ]);
  });

  it("counts the pods of each generation with their own pools", () => {
    const before = planOf({ ...dev, given: { "database.poolPerWorker": 10, "pgbouncer.maxClientConn": 100 } });
    const after = planOf({ ...dev, given: { "database.poolPerWorker": 2, "pgbouncer.maxClientConn": 100 } });
    // Two old pods and one new one: 2 · 10 + 1 · 2; the reverse is 1 · 10 + 2 · 2.
    expect(sides(before, after)[0]).toEqual(["I6", 22, 100, true]);
    expect(sides(after, before)[0]).toEqual(["I6", 22, 100, true]);
  });

  it("away from the pooler takes its server connections and those of the direct pods", () => {
    const direct = planOf({ ...dev, database: { mode: "direct", postgres: { cpu: 1, memory: "1Gi" } } });
    // max_connections is 25 with the pooler, 28 without; 4 of the pooler, 2 direct pods of 2, 18 reserved and direct users.
    expect(sides(planOf(dev), direct)).toEqual([
      ["I6", 4, 8, true],
      ["I8", 26, 28, true],
      ["I10", 16, 1000, true],
    ]);
    expect(sides(direct, direct).map(([id]) => id)).toEqual(["I8", "I10"]);
  });

  it("needs the quota for the gateway's pods of both and the greater of every other tier", () => {
    const after = planOf({ ...dev, gateway: { cpu: 1, memory: "1Gi" } });
    const budgets = proveRollout(planOf(dev), after, { memory: undefined, cpu: undefined, pods: 8 });
    expect(
      budgets.filter(({ id }) => id === "I36").map(({ left, right, unit, holds }) => [left, right, unit, holds]),
    ).toEqual([[7, 8, "pods", true]]);
    const memory = (plan: Plan) =>
      proveRollout(plan, plan, { cpu: undefined, memory: mib(1), pods: undefined }).at(-1)?.left;
    expect(memory(after)).toBe((memory(planOf(dev)) ?? 0) + 3 * 512);
  });

  it("is at no instant below either plan's surge, whatever the loads", () => {
    const load = fc.integer({ min: 1, max: 20_000 });
    fc.assert(
      fc.property(load, load, (a, b) => {
        const [before, after] = [planOf(withLoad(a)), planOf(withLoad(b))];
        const clients = proveRollout(before, after)[0];
        expect(clients?.left).toBeGreaterThanOrEqual(
          Math.min(before.database.appConnections, after.database.appConnections),
        );
        expect(clients?.right).toBe(after.pgbouncer?.maxClientConn);
        expect(a > b || clients?.holds).toBe(true);
        expect(proveRollout(after, before)[0]?.left).toBe(clients?.left);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a volume", () => {
  const withData = (dataGiB: number) => ({ ...dev, data: { dataGiB } });

  it("grows, and is refused to shrink with the pin that keeps it", () => {
    const volumes = (before: Plan, after: Plan) =>
      proveRollout(before, after).flatMap(({ id, left, right, holds }) => (id === "I44" ? [[left, right, holds]] : []));
    const [small, large] = [planOf(withData(1)), planOf(withData(500))];
    expect(volumes(small, large)).toEqual([
      [11, 610, true],
      [5, 2400, true],
    ]);
    expect(volumes(large, small)).toEqual([
      [610, 11, false],
      [2400, 5, false],
    ]);
    const { document, input } = subjectOf("stack dev", withData(1));
    expect(withRollout(document, input, large).refusals.map(({ id, repairs }) => [id, repairs])).toEqual([
      ["I44", [{ input: "postgres.volumeGiB", from: 11, to: 610 }]],
      ["I44", [{ input: "backup.volumeGiB", from: 5, to: 2400 }]],
    ]);
  });
});

describe("the next generation", () => {
  it("is refused with the pin that keeps room for the pods before, which repairs it", () => {
    const before = planOf(withLoad(6000));
    const { document, input } = subjectOf("stack prod", prod);
    const next = withRollout(document, input, before);
    expect(document.accepted).toBe(true);
    expect(next.accepted).toBe(false);
    expect(next.refusals.map(({ id, repairs }) => [id, repairs])).toEqual([
      ["I6", [{ input: "pgbouncer.maxClientConn", from: 173, to: 272 }]],
      ["I8", [{ input: "postgres.maxConnections", from: 47, to: 56 }]],
    ]);
    const given = { "pgbouncer.maxClientConn": 272, "postgres.maxConnections": 56 };
    const repaired = readInput({ ...prod, given });
    if (!repaired.ok) throw new Error("the repair cannot be written");
    expect(withRollout(subjectOf("x", { ...prod, given }).document, repaired.input, before).accepted).toBe(true);
  });

  it("that grows is accepted with the budgets of the way there", () => {
    const { document, input } = subjectOf("stack prod", withLoad(6000));
    const next = withRollout(document, input, planOf(prod));
    expect([next.accepted, next.refusals]).toEqual([true, []]);
    expect(next.budgets.filter(isRolloutBudget).map(({ id }) => id)).toEqual(["I6", "I8", "I10", "I44", "I44"]);
    expect(document.budgets.some(isRolloutBudget)).toBe(false);
  });
});

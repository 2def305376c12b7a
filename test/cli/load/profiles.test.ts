import { array, assert, double, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { kneeOf, OPEN_LOOP_CONNECTIONS, planSteps } from "../../../cli/load/profiles.ts";

const closed = (connections: number, seconds: number) => ({ kind: "closed", connections, seconds });
const open = (rps: number, seconds: number) => ({ kind: "open", rps, connections: OPEN_LOOP_CONNECTIONS, seconds });

describe("profiles", () => {
  it.each([
    ["smoke", { profile: "smoke", seconds: 10 }, [["2 connections", closed(2, 10)]]],
    ["smoke with one connection", { profile: "smoke", connections: 1, seconds: 10 }, [["1 connection", closed(1, 10)]]],
    ["smoke at a rate", { profile: "smoke", rps: 12.345, seconds: 10 }, [["12.35/s", open(12.345, 10)]]],
    ["soak", { profile: "soak", rps: 50, seconds: 300 }, [["50/s", open(50, 300)]]],
    [
      "spike",
      { profile: "spike", rps: 50, seconds: 30 },
      [
        ["base", open(50, 10)],
        ["spike", open(500, 10)],
        ["after", open(50, 10)],
      ],
    ],
    [
      "step",
      { profile: "step", seconds: 35 },
      [1, 2, 4, 8, 16, 32, 64].map((n) => [n === 1 ? "1 connection" : `${n} connections`, closed(n, 5)]),
    ],
    [
      "step to a number that is no power of 2",
      { profile: "step", connections: 5, seconds: 4 },
      [
        ["1 connection", closed(1, 1)],
        ["2 connections", closed(2, 1)],
        ["4 connections", closed(4, 1)],
        ["5 connections", closed(5, 1)],
      ],
    ],
    [
      "step to a rate",
      { profile: "step", rps: 640, seconds: 7 },
      [10, 20, 40, 80, 160, 320, 640].map((rps) => [`${rps}/s`, open(rps, 1)]),
    ],
  ] as const)("%s", (_, order, steps) => {
    expect(planSteps(order).map(({ name, load }) => [name, load])).toEqual(steps);
  });

  it.each([
    [[100, 200, 390, 400, 405], 2],
    [[100, 200, 150, 209, 211], 4],
    [[100, 104, 109], 2],
    [[100, 50], 0],
    [[0, 0], 0],
    [[], 0],
  ])("of %j the knee is step %i", (throughputs, knee) => {
    expect(kneeOf(throughputs)).toBe(knee);
  });

  it("no step brings over 5 % more than the knee, and none before it as much", () => {
    assert(
      property(array(double({ min: 1, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 12 }), (list) => {
        const knee = kneeOf(list);
        const throughput = list[knee] ?? 0;
        expect(Math.max(...list)).toBeLessThanOrEqual(throughput * 1.05);
        for (const earlier of list.slice(0, knee)) expect(earlier).toBeLessThan(throughput);
      }),
    );
  });
});

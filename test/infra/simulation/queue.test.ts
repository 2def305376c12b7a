import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Queue, simulateQueue } from "../../../infra/simulation/queue.ts";
import type { Interval } from "../../../infra/simulation/statistics.ts";
import { boundedQueue, erlangC, meanWait, singleServerWait } from "../../../infra/sizing/queueing.ts";

const ARRIVALS = 150_000;
const queue = (servers: number, use: number, capacity = Number.POSITIVE_INFINITY): Queue => ({
  servers,
  capacity,
  rate: servers * use * 100,
  serviceSeconds: 0.01,
  spread: "exponential",
});
const holds = (interval: Interval, value: number) => interval.low <= value && value <= interval.high;

const misses = (pairs: readonly (readonly [Interval, number])[]) =>
  pairs.filter(([interval, value]) => !holds(interval, value)).length;

/** Where waiting is too rare to count in so many arrivals there is nothing to compare. */
const openGrid = [1, 2, 4, 15, 60].flatMap((servers) =>
  [0.3, 0.5, 0.7, 0.85].filter((use) => erlangC(servers, servers * use) > 1e-3).map((use) => [servers, use] as const),
);
const boundedGrid = [1, 4, 16].flatMap((servers) =>
  [0.6, 0.9, 1, 1.3, 2].flatMap((use) => [0, 4, 30].map((room) => [servers, servers + room, use] as const)),
);

describe("the machinery against the theory", () => {
  // 95 % intervals miss one time in twenty: over a grid, as many as chance allows with 99 %, and none by more than its width.
  it("waits as Erlang-C says over a grid of loads and servers", () => {
    const rows = openGrid.map(([servers, use], at) => {
      const figures = simulateQueue(queue(servers, use), 100 + at, ARRIVALS);
      const share = erlangC(servers, servers * use);
      const seconds = meanWait(servers, servers * use * 100, 0.01);
      return { figures, share, seconds, inSystem: servers * use * (1 + seconds / 0.01) };
    });
    expect(misses(rows.map(({ figures, share }) => [figures.waitShare, share]))).toBeLessThanOrEqual(3);
    expect(misses(rows.map(({ figures, seconds }) => [figures.waitSeconds, seconds]))).toBeLessThanOrEqual(3);
    expect(misses(rows.map(({ figures, inSystem }) => [figures.inSystem, inSystem]))).toBeLessThanOrEqual(3);
    for (const { figures, share, seconds, inSystem } of rows) {
      expect(near(figures.waitShare, share)).toBe(true);
      expect(near(figures.waitSeconds, seconds)).toBe(true);
      expect(near(figures.inSystem, inSystem)).toBe(true);
    }
  });

  it("refuses as the bounded queue says over a grid of loads, servers and room", () => {
    const rows = boundedGrid.map(([servers, capacity, use], at) => ({
      figures: simulateQueue(queue(servers, use, capacity), 500 + at, ARRIVALS),
      theory: boundedQueue(servers, capacity, servers * use * 100, 0.01),
    }));
    expect(misses(rows.map(({ figures, theory }) => [figures.refusedShare, theory.refused]))).toBeLessThanOrEqual(6);
    expect(misses(rows.map(({ figures, theory }) => [figures.inSystem, theory.inSystem]))).toBeLessThanOrEqual(6);
    for (const { figures, theory } of rows) {
      expect(near(figures.refusedShare, theory.refused)).toBe(true);
      expect(near(figures.inSystem, theory.inSystem)).toBe(true);
    }
  });

  it("constant service halves the wait of one server, lognormal service of the same spread keeps it", () => {
    const spread = (kind: Queue["spread"]) =>
      simulateQueue({ ...queue(1, 0.7), spread: kind }, 3, ARRIVALS).waitSeconds;
    expect(holds(spread("deterministic"), singleServerWait(70, 0.01, 0))).toBe(true);
    expect(holds(spread("lognormal"), singleServerWait(70, 0.01, 1))).toBe(true);
  });

  it("keeps Little's law, loses nobody, and repeats itself", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 30 }),
        fc.double({ min: 0.1, max: 3, noNaN: true }),
        fc.integer({ min: 0, max: 1_000_000 }),
        (servers, room, use, seed) => {
          const figures = simulateQueue(queue(servers, use, servers + room), seed, 4000);
          expect(figures.arrived).toBe(figures.refused + figures.served + figures.inside);
          expect(Math.abs(figures.littleGap.mean)).toBeLessThan(0.02 * (servers + room) + 0.05);
          expect(simulateQueue(queue(servers, use, servers + room), seed, 4000)).toEqual(figures);
        },
      ),
      { numRuns: 150, seed: 1 },
    );
  });

  it("loses no smaller share when more come, on the same draws", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 0, max: 10 }),
        fc.double({ min: 0.2, max: 2, noNaN: true }),
        fc.double({ min: 1.05, max: 2, noNaN: true }),
        (servers, room, use, more) => {
          const shed = (load: number) => simulateQueue(queue(servers, load, servers + room), 11, 20_000).refusedShare;
          expect(shed(use * more).high).toBeGreaterThanOrEqual(shed(use).low);
          expect(shed(use * more).mean).toBeGreaterThanOrEqual(shed(use).mean - 0.01);
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });
});

/** Within the interval's whole width of its middle, twice as far as the interval reaches. */
function near({ mean, low, high }: Interval, value: number): boolean {
  return Math.abs(value - mean) <= high - low;
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  boundedQueue,
  boundedWorker,
  erlangB,
  erlangC,
  inFlight,
  meanWait,
  serversFor,
  singleServerWait,
  waitQuantile,
} from "../../../infra/sizing/queueing.ts";

const RUNS = { numRuns: 2000 };
const servers = fc.integer({ min: 1, max: 60 });
/** Loads below the servers, up to 99 % of them. */
const stable = fc.record({ servers, use: fc.double({ min: 0.001, max: 0.99, noNaN: true }) });
const bounded = fc.record({
  servers,
  room: fc.integer({ min: 0, max: 200 }),
  use: fc.double({ min: 0.001, max: 5, noNaN: true }),
});

describe("Erlang's formulas", () => {
  it.each([
    // Lines, offered erlangs, blocking: the published tables at 1 % and 2 %.
    [1, 0.0101, 0.01],
    [2, 0.153, 0.01],
    [5, 1.361, 0.01],
    [10, 4.461, 0.01],
    [20, 12.03, 0.01],
    [50, 37.9, 0.01],
    [100, 84.06, 0.01],
    [10, 5.084, 0.02],
    [30, 21.93, 0.02],
  ])("Erlang-B of the tables: %d lines carry %d erlangs with %d blocked", (lines, load, blocked) => {
    expect(erlangB(lines, load)).toBeCloseTo(blocked, 4);
  });

  it.each([
    // M/M/1 waits with ρ; M/M/2 with 2ρ²÷(1+ρ); textbook cases of call centres beyond.
    [1, 0.7, 0.7],
    [2, 1, 1 / 3],
    [2, 1.6, (2 * 0.8 ** 2) / 1.8],
    [3, 2, 4 / 9],
    [5, 4, 0.5541],
    [11, 10, 0.6821],
  ])("Erlang-C of %d servers at %d erlangs is %d", (count, load, waits) => {
    expect(erlangC(count, load)).toBeCloseTo(waits, 3);
  });

  it("wait and its quantile of M/M/1 are the closed forms", () => {
    expect(meanWait(1, 0.5, 1)).toBeCloseTo(1, 12);
    expect(meanWait(2, 1.6, 1)).toBeCloseTo((2 * 0.64) / 1.8 / 0.4, 12);
    expect(waitQuantile(1, 0.5, 1, 0.99)).toBeCloseTo(Math.log(0.5 / 0.01) / 0.5, 12);
    expect(waitQuantile(10, 1, 1, 0.99)).toBe(0);
    expect([meanWait(2, 2, 1), waitQuantile(2, 3, 1, 0.5)]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ]);
    expect([erlangC(2, 2), erlangC(2, 5), erlangC(3, 0), erlangB(3, 0)]).toEqual([1, 1, 0, 0]);
  });

  it("one server: exponential service waits twice as long as constant service", () => {
    expect(singleServerWait(0.5, 1, 1)).toBeCloseTo(meanWait(1, 0.5, 1), 12);
    expect(singleServerWait(0.5, 1, 0)).toBeCloseTo(0.5, 12);
    expect(singleServerWait(1, 1, 1)).toBe(Number.POSITIVE_INFINITY);
  });

  it("the fewest servers are enough, one fewer is not", () => {
    expect(serversFor(8.64, 0.05, 1)).toBe(15);
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 500, noNaN: true }),
        fc.double({ min: 0.001, max: 0.9, noNaN: true }),
        (load, share) => {
          const count = serversFor(load, share, 1);
          expect(erlangC(count, load)).toBeLessThanOrEqual(share + 1e-12);
          if (count > 1) expect(erlangC(count - 1, load)).toBeGreaterThan(share - 1e-12);
        },
      ),
      RUNS,
    );
  });

  it("waiting grows with load and falls with servers", () => {
    fc.assert(
      fc.property(stable, fc.double({ min: 1, max: 1.009, noNaN: true }), ({ servers: count, use }, more) => {
        const load = count * use;
        expect(erlangC(count, load * more)).toBeGreaterThanOrEqual(erlangC(count, load) - 1e-12);
        expect(erlangC(count + 1, load)).toBeLessThanOrEqual(erlangC(count, load));
        expect(erlangB(count + 1, load)).toBeLessThanOrEqual(erlangB(count, load));
        expect(erlangB(count, load)).toBeLessThanOrEqual(erlangC(count, load) + 1e-12);
      }),
      RUNS,
    );
  });
});

describe("queues that refuse", () => {
  it("M/M/1/K and M/M/c/c are the closed forms", () => {
    // ρ = ½, K = 3: weights 1, ½, ¼, ⅛.
    const queue = boundedQueue(1, 3, 0.5, 1);
    expect(queue.refused).toBeCloseTo(1 / 15, 12);
    expect(queue.inSystem).toBeCloseTo(11 / 15, 12);
    expect(queue.throughput).toBeCloseTo(7 / 15, 12);
    expect(boundedQueue(5, 5, 1.361, 1).refused).toBeCloseTo(0.01, 4);
    expect(boundedQueue(2, 10, 0, 1)).toEqual({ refused: 0, inSystem: 0, meanWait: 0, throughput: 0 });
  });

  it("a load far beyond loses what exceeds the servers", () => {
    expect(boundedQueue(10, 5000, 100, 1).refused).toBeCloseTo(0.9, 9);
    expect(boundedQueue(10, 5000, 100, 1).inSystem).toBeCloseTo(5000, 0);
  });

  it("with endless room it is M/M/c", () => {
    fc.assert(
      fc.property(servers, fc.double({ min: 0.001, max: 0.95, noNaN: true }), (count, use) => {
        const queue = boundedQueue(count, count + 2000, count * use, 1);
        expect(queue.refused).toBeLessThan(1e-20);
        expect(queue.meanWait).toBeCloseTo(meanWait(count, count * use, 1), 6);
        expect(queue.inSystem).toBeCloseTo(count * use + count * use * meanWait(count, count * use, 1), 6);
      }),
      RUNS,
    );
  });

  it("Little's law holds, shares are shares, more load loses more and more room less", () => {
    fc.assert(
      fc.property(bounded, ({ servers: count, room, use }) => {
        const rate = count * use;
        const queue = boundedQueue(count, count + room, rate, 1);
        expect(queue.refused).toBeGreaterThanOrEqual(0);
        expect(queue.refused).toBeLessThan(1);
        expect(queue.inSystem).toBeLessThanOrEqual(count + room + 1e-9);
        expect(inFlight(queue.throughput, queue.meanWait + 1)).toBeCloseTo(queue.inSystem, 6);
        expect(queue.throughput).toBeLessThanOrEqual(count + 1e-9);
        expect(boundedQueue(count, count + room, rate * 1.01, 1).refused).toBeGreaterThanOrEqual(queue.refused - 1e-12);
        expect(boundedQueue(count, count + room + 1, rate, 1).refused).toBeLessThanOrEqual(queue.refused + 1e-12);
      }),
      RUNS,
    );
  });
});

describe("a bounded worker", () => {
  const worker = fc.record({
    capacity: fc.integer({ min: 1, max: 300 }),
    rate: fc.double({ min: 0.01, max: 50, noNaN: true }),
    cpu: fc.double({ min: 0.001, max: 1, noNaN: true }),
    delay: fc.double({ min: 0, max: 20, noNaN: true }),
  });

  it("is M/M/1/K without a delay and Erlang-B without the core", () => {
    fc.assert(
      fc.property(worker, ({ capacity, rate, cpu, delay }) => {
        const onlyCore = boundedWorker(capacity, rate, cpu, 0);
        const queue = boundedQueue(1, capacity, rate, cpu);
        expect(onlyCore.refused).toBeCloseTo(queue.refused, 9);
        expect(onlyCore.inSystem).toBeCloseTo(queue.inSystem, 6);
        expect(boundedWorker(capacity, rate, 0, delay).refused).toBeCloseTo(erlangB(capacity, rate * delay), 9);
      }),
      RUNS,
    );
  });

  it("agrees with the sum over all states, written out", () => {
    const [capacity, rate, cpu, delay] = [12, 30, 0.02, 0.25];
    let weights = 0;
    let full = 0;
    for (let n = 0; n <= capacity; n += 1)
      for (let atCore = 0; atCore <= n; atCore += 1) {
        let weight = (rate * cpu) ** atCore;
        for (let k = 1; k <= n - atCore; k += 1) weight *= (rate * delay) / k;
        weights += weight;
        if (n === capacity) full += weight;
      }
    expect(boundedWorker(capacity, rate, cpu, delay).refused).toBeCloseTo(full / weights, 12);
  });

  it("waits as M/M/1 where nothing is refused, and never serves more than its core can", () => {
    expect(boundedWorker(500, 70, 0.01, 0.2).meanWait).toBeCloseTo(singleServerWait(70, 0.01, 1), 9);
    expect(boundedWorker(1024, 1e6, 1, 600)).toMatchObject({ refused: expect.closeTo(1 - 1e-6, 5) });
    fc.assert(
      fc.property(worker, ({ capacity, rate, cpu, delay }) => {
        const { refused, throughput, inSystem } = boundedWorker(capacity, rate, cpu, delay);
        expect(refused).toBeGreaterThanOrEqual(0);
        expect(refused).toBeLessThanOrEqual(1);
        expect(throughput).toBeLessThanOrEqual(Math.min(rate, 1 / cpu) * (1 + 1e-9));
        expect(inSystem).toBeLessThanOrEqual(capacity + 1e-6);
        expect(boundedWorker(capacity + 1, rate, cpu, delay).refused).toBeLessThanOrEqual(refused + 1e-12);
        expect(boundedWorker(capacity, rate * 1.01, cpu, delay).refused).toBeGreaterThanOrEqual(refused - 1e-12);
      }),
      RUNS,
    );
  });
});

/** The parts of the machinery, each alone. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Agenda } from "../../../infra/simulation/agenda.ts";
import { type ArrivalPattern, Arrivals, meanRate } from "../../../infra/simulation/arrivals.ts";
import { Fleet, PHASE } from "../../../infra/simulation/fleet.ts";
import { Links, NOBODY } from "../../../infra/simulation/links.ts";
import { randomOf } from "../../../infra/simulation/random.ts";
import { Stations } from "../../../infra/simulation/stations.ts";

describe("agenda", () => {
  it("gives everything back in order of time, beyond its first room", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { maxLength: 300 }), (times) => {
        const agenda = new Agenda(4);
        for (const [at, time] of times.entries()) agenda.add(time, at, at + 1);
        const taken: (readonly [number, number])[] = [];
        while (agenda.earliest < Number.POSITIVE_INFINITY && agenda.next()) {
          expect(agenda.stamp).toBe(agenda.event + 1);
          taken.push([agenda.time, agenda.event]);
        }
        expect(taken.map(([time]) => time)).toEqual(times.toSorted((a, b) => a - b));
        expect(taken.map(([, at]) => at).toSorted((a, b) => a - b)).toEqual(times.map((_, at) => at));
        expect(agenda.next()).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("stations", () => {
  it("keep a line in order, from which anyone may step out", () => {
    const stations = new Stations(new Links(), 2, 1);
    expect([10, 11, 12, 13].map((request) => stations.enter(0, request, 0))).toEqual([true, false, false, false]);
    expect([stations.busy, stations.waiting, stations.firstAt(0), stations.firstAt(1)]).toEqual([1, 3, 11, NOBODY]);
    stations.abandon(0, 12);
    expect([stations.leave(0, 1), stations.leave(0, 2), stations.leave(0, 3)]).toEqual([11, 13, NOBODY]);
    expect([stations.busy, stations.waiting, stations.busySeconds(10)]).toEqual([0, 0, 3]);
  });

  it("agree with a plain list whatever happens", () => {
    const step = fc.oneof(
      fc.constant("enter" as const),
      fc.constant("leave" as const),
      fc.nat(20),
      fc.constant("add" as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const stations = new Stations(new Links(), 1, 2);
        const line: number[] = [];
        let [servers, busy, entered] = [2, 0, 0];
        for (const one of steps) {
          if (one === "enter") {
            const isServed = busy < servers;
            expect(stations.enter(0, entered, 0)).toBe(isServed);
            if (isServed) busy += 1;
            else line.push(entered);
            entered += 1;
          } else if (one === "leave" && busy > 0) {
            const next = line.shift() ?? NOBODY;
            if (next === NOBODY) busy -= 1;
            expect(stations.leave(0, 0)).toBe(next);
          } else if (one === "add") {
            const next = line.shift() ?? NOBODY;
            servers += 1;
            if (next !== NOBODY) busy += 1;
            expect(stations.addServer(0, 0)).toBe(next);
          } else if (typeof one === "number" && line.length > 0) {
            const [gone = NOBODY] = line.splice(one % line.length, 1);
            stations.abandon(0, gone);
          }
          expect([stations.busy, stations.waiting, stations.firstAt(0)]).toEqual([
            busy,
            line.length,
            line[0] ?? NOBODY,
          ]);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("arrivals", () => {
  const countIn = (pattern: ArrivalPattern, from: number, to: number) => {
    const random = randomOf(3);
    const arrivals = new Arrivals(pattern, random.split(), random.split());
    let count = 0;
    for (let time = arrivals.after(0); time < to; time = arrivals.after(time)) if (time >= from) count += 1;
    return count;
  };

  it("come at the rate of each step, and no more after a step without any", () => {
    const steps = [
      { untilS: 100, rate: 1000 },
      { untilS: 200, rate: 0 },
      { untilS: 300, rate: 3000 },
      { untilS: Number.POSITIVE_INFINITY, rate: 0 },
    ];
    const pattern = { kind: "steps", steps } as const;
    expect(countIn(pattern, 0, 100) / 100_000).toBeCloseTo(1, 2);
    expect(countIn(pattern, 100, 200)).toBe(0);
    expect(countIn(pattern, 200, 1000) / 300_000).toBeCloseTo(1, 2);
    expect(meanRate(pattern)).toBe(0);
  });

  it("in bursts have the mean of calm and burst and come in heaps", () => {
    const pattern = { kind: "bursts", calmRate: 50, burstRate: 350, calmS: 3, burstS: 1 } as const;
    expect(meanRate(pattern)).toBe(125);
    expect(countIn(pattern, 0, 40_000) / 5_000_000).toBeCloseTo(1, 1);
    const perSecond = Array.from({ length: 400 }, (_, second) => countIn(pattern, second, second + 1));
    const mean = perSecond.reduce((sum, count) => sum + count, 0) / perSecond.length;
    const variance = perSecond.reduce((sum, count) => sum + (count - mean) ** 2, 0) / perSecond.length;
    // Poisson arrivals would have the variance of their mean.
    expect(variance / mean).toBeGreaterThan(20);
  });
});

describe("fleet", () => {
  it("spreads replicas over zones and requests by least connections, ties in turn", () => {
    const fleet = new Fleet(6, 2, 3);
    const replicas = [0, 1, 2, 3].map(() => fleet.add(0));
    expect(replicas.map((replica) => fleet.zoneOf(replica))).toEqual([0, 1, 2, 0]);
    expect(fleet.leastConnections(0)).toBe(-1);
    for (const replica of replicas) fleet.setPhase(replica, PHASE.serving);
    const choose = (nginx: number) => {
      const replica = fleet.leastConnections(nginx);
      fleet.count(nginx, replica, 1);
      return replica;
    };
    expect([0, 0, 0, 0].map(choose).toSorted()).toEqual([0, 1, 2, 3]);
    fleet.count(0, 2, -1);
    expect(choose(0)).toBe(2);
    // Another nginx knows nothing of these.
    expect([1, 1, 1, 1].map(choose).toSorted()).toEqual([0, 1, 2, 3]);
    expect([...fleet.inFlight]).toEqual([2, 2, 2, 2, 0, 0]);
    fleet.setPhase(1, PHASE.draining);
    expect([fleet.servingCount, fleet.alive, fleet.inPhase(PHASE.serving)]).toEqual([3, 4, [0, 2, 3]]);
    fleet.setPhase(1, PHASE.gone);
    expect([fleet.add(1), fleet.zoneOf(1), fleet.alive]).toEqual([1, 1, 4]);
  });

  it("says how many places it has when there are too few", () => {
    const fleet = new Fleet(1, 1, 1);
    fleet.add(0);
    expect(() => fleet.add(0)).toThrow(new RangeError("more than 1 replicas alive at once"));
  });
});

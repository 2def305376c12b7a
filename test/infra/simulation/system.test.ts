/** The simulated system by itself, with models made by hand: what the theory knows exactly, and what a fault takes with it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ArrivalPattern } from "../../../infra/simulation/arrivals.ts";
import { PHASE } from "../../../infra/simulation/fleet.ts";
import { Measured } from "../../../infra/simulation/measured.ts";
import type { Model } from "../../../infra/simulation/model.ts";
import { Operations } from "../../../infra/simulation/operations.ts";
import { type Course, runCourse } from "../../../infra/simulation/run.ts";
import { System } from "../../../infra/simulation/system.ts";
import { failures } from "../../../infra/simulation/tally.ts";
import { boundedWorker, erlangC } from "../../../infra/sizing/queueing.ts";

const MODEL: Model = {
  workers: 1,
  admission: 20,
  cpuS: 0.01,
  coresPerWorker: 1,
  cpuRequest: 1,
  spread: "exponential",
  hitShare: 0,
  nginxes: 1,
  upstreamS: 0.1,
  transactions: 0,
  txS: 0.005,
  txCpuShare: 0,
  pool: 2,
  acquireS: 2,
  handlerS: 70,
  pooler: null,
  databaseServers: 1,
  databaseSpeed: 1,
  coldStartS: 5,
  preStopS: 10,
  graceS: 85,
  minReadyS: 10,
  surge: 1,
  zones: 1,
};

const constant = (rate: number): ArrivalPattern => ({
  kind: "steps",
  steps: [{ untilS: Number.POSITIVE_INFINITY, rate }],
});
const course = (replicas: number, rate: number, seconds: number): Course => ({
  replicas,
  places: replicas,
  pattern: constant(rate),
  orders: [],
  autoscaling: undefined,
  phases: [
    { name: "warm-up", seconds: 5, windows: 1 },
    { name: "main", seconds, windows: 20 },
  ],
});
/** Figures of one run with about so many requests. */
function measure(model: Model, replicas: number, rate: number, requests: number, seed: number): Measured {
  const run = runCourse(course(replicas, rate, requests / rate), model, seed);
  return new Measured([run], "main", model.workers, model.databaseServers);
}
const within = ({ low, high }: { readonly low: number; readonly high: number }, value: number) =>
  low <= value && value <= high;

describe("a worker of the simulated system", () => {
  it("turns away as the formula of the bounded worker says", () => {
    const grid = [40, 70, 95, 120, 200].flatMap((rate) => [8, 20].map((admission) => [rate, admission] as const));
    const misses = grid.filter(([rate, admission], at) => {
      const measured = measure({ ...MODEL, admission }, 1, rate, 100_000, at);
      return !within(measured.shed(), boundedWorker(admission, rate, 0.01, 0.1).refused);
    });
    expect(misses.length).toBeLessThanOrEqual(2);
  });

  it("spread over the workers by the kernel, each is one of its own", () => {
    const measured = measure({ ...MODEL, workers: 4 }, 1, 4 * 110, 300_000, 1);
    expect(within(measured.shed(0.999), boundedWorker(20, 110, 0.01, 0.1).refused)).toBe(true);
    // Spread over replicas by least connections, fewer are turned away.
    const spread = measure(MODEL, 4, 4 * 110, 300_000, 1);
    expect(spread.shed().high).toBeLessThan(boundedWorker(20, 110, 0.01, 0.1).refused);
  });

  it("waits for its pool as Erlang-C says over a grid of pools and loads", () => {
    const grid = [1, 2, 5].flatMap((pool) => [0.2, 0.5, 0.8].map((use) => [pool, use] as const));
    const misses = grid.filter(([pool, use], at) => {
      const model = { ...MODEL, admission: Number.POSITIVE_INFINITY, cpuS: 1e-6, transactions: 1, txS: 0.1, pool };
      const measured = measure({ ...model, acquireS: 1e6 }, 1, pool * use * 10, 100_000, 40 + at);
      return !within(measured.poolWaits(), erlangC(pool, pool * use));
    });
    expect(misses.length).toBeLessThanOrEqual(2);
  });

  it("keeps Little's law, and loses no request on its way", () => {
    const model = fc.record({
      workers: fc.integer({ min: 1, max: 4 }),
      admission: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 40 })),
      transactions: fc.double({ min: 0, max: 4, noNaN: true }),
      txCpuShare: fc.double({ min: 0, max: 1.5, noNaN: true }),
      pool: fc.integer({ min: 1, max: 4 }),
      acquireS: fc.double({ min: 0.001, max: 1, noNaN: true }),
      handlerS: fc.double({ min: 0.05, max: 5, noNaN: true }),
      hitShare: fc.double({ min: 0, max: 1, noNaN: true }),
      spread: fc.constantFrom("exponential" as const, "deterministic" as const, "lognormal" as const),
      pooler: fc.option(
        fc.record({
          instances: fc.integer({ min: 1, max: 3 }),
          size: fc.constant(2),
          sizeWithReserve: fc.integer({ min: 2, max: 4 }),
          minSize: fc.integer({ min: 0, max: 2 }),
          reserveS: fc.double({ min: 0.001, max: 0.1, noNaN: true }),
          queryWaitS: fc.double({ min: 0.001, max: 0.1, noNaN: true }),
        }),
      ),
    });
    fc.assert(
      fc.property(model, fc.double({ min: 10, max: 600, noNaN: true }), fc.nat(1_000_000), (changes, rate, seed) => {
        const run = runCourse(course(2, rate, 10), { ...MODEL, ...changes }, seed);
        const { arrived, cached, served, shed, insideLeft, insideSeconds } = run.total;
        expect(arrived).toBe(cached + served + shed + failures(run.total) + run.inside);
        // What is still inside has been counted in the integral only.
        expect(insideSeconds).toBeGreaterThanOrEqual(insideLeft - 1e-6);
        if (run.inside === 0) expect(insideSeconds).toBeCloseTo(insideLeft, 6);
        expect(run.peaks.inFlight).toBeLessThanOrEqual(2 * changes.workers * changes.admission);
        expect(run.peaks.connections).toBeLessThanOrEqual(2 * changes.workers * changes.pool);
        const { pooler } = changes;
        if (pooler !== null)
          expect(run.peaks.serverConnections).toBeLessThanOrEqual(pooler.instances * pooler.sizeWithReserve);
        expect(runCourse(course(2, rate, 10), { ...MODEL, ...changes }, seed)).toEqual(run);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it("turns away no smaller share when more comes, on the same draws", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 50, max: 250, noNaN: true }),
        fc.double({ min: 1.05, max: 2, noNaN: true }),
        fc.integer({ min: 1, max: 3 }),
        (rate, more, replicas) => {
          const shed = (load: number) => measure(MODEL, replicas, replicas * load, 20_000, 5).shed();
          expect(shed(rate * more).high).toBeGreaterThanOrEqual(shed(rate).low);
          expect(shed(rate * more).mean).toBeGreaterThanOrEqual(shed(rate).mean - 0.01);
        },
      ),
      { numRuns: 30, seed: 1 },
    );
  });

  it("answers 504 to what takes longer than a handler may", () => {
    const slow = { ...MODEL, admission: Number.POSITIVE_INFINITY, cpuS: 1e-6, upstreamS: 1, handlerS: 2 };
    const measured = measure(slow, 1, 200, 100_000, 1);
    // e^−2 of an exponential upstream's times are beyond twice their mean.
    expect(within(measured.failed(0.999), Math.exp(-2))).toBe(true);
    expect(measured.quantileSeconds("p99").high).toBeLessThanOrEqual(2.02);
  });

  it("an engine that queues works for nobody when twice comes what its core can do, one that bounds does its best", () => {
    const queueing = measure({ ...MODEL, admission: Number.POSITIVE_INFINITY, handlerS: 2 }, 1, 200, 40_000, 1);
    // What is taken up has waited for as long as it may, and is late before the upstream answers.
    expect(queueing.throughput().mean).toBeLessThan(30);
    expect(queueing.shed().mean).toBe(0);
    expect(queueing.failed().mean).toBeGreaterThan(0.85);
    const bounded = measure({ ...MODEL, handlerS: 2 }, 1, 200, 40_000, 1);
    expect(bounded.throughput().mean).toBeCloseTo(100, -1);
    expect(bounded.failed().mean).toBe(0);
  });

  it("fails what gets no connection in time, at its pool and at PgBouncer", () => {
    const slow = { ...MODEL, admission: 100, transactions: 1, txS: 0.1, pool: 5, acquireS: 0.5 };
    const atPool = measure({ ...slow, pool: 1 }, 1, 30, 5000, 1).runs[0]?.total;
    expect(atPool?.poolTimeouts).toBeGreaterThan(1000);
    expect(atPool?.poolerTimeouts).toBe(0);
    const pooler = { instances: 1, size: 1, sizeWithReserve: 1, minSize: 0, reserveS: 1, queryWaitS: 0.2 };
    const atPooler = measure({ ...slow, pooler }, 1, 30, 5000, 1).runs[0]?.total;
    expect(atPooler?.poolerTimeouts).toBeGreaterThan(500);
    // With a reserve for those that waited, none does.
    const reserve = { ...pooler, sizeWithReserve: 10, reserveS: 0.05 };
    const relieved = measure({ ...slow, pooler: reserve }, 1, 30, 5000, 1).runs[0];
    expect(relieved?.total.poolerTimeouts).toBe(0);
    expect(relieved?.peaks.serverConnections).toBe(5);
  });

  it("works on as many cores of the database as it has", () => {
    const model = {
      ...MODEL,
      admission: 1000,
      transactions: 1,
      txS: 0.05,
      txCpuShare: 1,
      pool: 50,
      databaseServers: 4,
    };
    expect(measure(model, 1, 40, 40_000, 1).databaseUse().mean).toBeCloseTo(0.5, 1);
    expect(measure({ ...model, databaseSpeed: 0.75 }, 1, 40, 40_000, 1).databaseUse().mean).toBeCloseTo(0.667, 1);
  });
});

describe("faults", () => {
  const fleetModel: Model = { ...MODEL, workers: 2, admission: 1000, zones: 3, nginxes: 2, surge: 2, transactions: 1 };
  const start = (replicas: number, model = fleetModel) => {
    const system = new System(model, 3 * (replicas + model.surge), constant(300), 7);
    const operations = new Operations(system, replicas, [{ atS: 20, what: "rollout" }], undefined);
    return { system, operations };
  };

  it("a lost zone takes exactly the calls that are in its replicas", () => {
    const { system, operations } = start(7);
    system.runUntil(15);
    const inZone = system.fleet.inPhase(PHASE.serving).filter((replica) => system.fleet.zoneOf(replica) === 0);
    const calls = inZone.reduce((sum, replica) => sum + (system.fleet.inFlight[replica] ?? 0), 0);
    const before = system.counts();
    const inside = system.inside;
    expect(inZone.length).toBe(3);
    expect(calls).toBeGreaterThan(0);
    for (const replica of inZone) system.loseReplica(replica, "lost");
    expect([system.counts().lost, system.inside, system.fleet.servingCount]).toEqual([calls, inside - calls, 4]);
    expect(failures(system.counts()) - failures(before)).toBe(calls);
    system.runUntil(19);
    // The others answer all that they have, and nothing more is lost.
    expect(failures(system.counts())).toBe(calls);
    expect(operations.history).toEqual([
      { atS: 0, serving: 7, alive: 7 },
      { atS: 15, serving: 4, alive: 4 },
    ]);
  });

  it("a zone that goes and comes back by order brings its replicas after their cold start", () => {
    const orders = [
      { atS: 10, what: "loseZone" },
      { atS: 20, what: "returnZone" },
    ] as const;
    const run = runCourse({ ...course(7, 300, 30), places: 20, orders }, fleetModel, 1);
    expect(run.replicas).toEqual([
      { atS: 0, serving: 7, alive: 7 },
      { atS: 10, serving: 4, alive: 4 },
      { atS: 20, serving: 4, alive: 7 },
      { atS: 25, serving: 7, alive: 7 },
    ]);
    const { lost, unreachable, arrived, served } = run.total;
    expect(unreachable).toBe(0);
    expect(arrived).toBe(served + lost + run.inside);
    const alone = runCourse({ ...course(7, 300, 30), places: 20, orders }, { ...fleetModel, zones: 1 }, 1);
    expect(alone.replicas[1]).toEqual({ atS: 10, serving: 0, alive: 0 });
    // Fifteen seconds without anyone.
    expect(alone.total.unreachable / 300).toBeCloseTo(15, 0);
  });

  it("a rollout replaces every replica, keeps as many serving and loses nothing", () => {
    const { system, operations } = start(5);
    system.runUntil(20);
    system.runUntil(120);
    expect(system.fleet.inPhase(PHASE.serving).map((replica) => system.fleet.generation[replica])).toEqual([
      1, 1, 1, 1, 1,
    ]);
    expect(failures(system.counts())).toBe(0);
    expect(Math.min(...operations.history.map(({ serving }) => serving))).toBe(5);
    // Two more serve, and two that end are not counted by Kubernetes: 5 + 2 + 2.
    expect(Math.max(...operations.history.map(({ alive }) => alive))).toBe(9);
    expect(system.peaks.replicasAlive).toBe(9);
    expect(operations.history.at(-1)).toMatchObject({ serving: 5, alive: 5 });
  });

  it("a rollout kills the calls that are longer than the grace, and only those", () => {
    const calls: Model = { ...fleetModel, admission: Number.POSITIVE_INFINITY, upstreamS: 60, spread: "deterministic" };
    const patient = start(3, { ...calls, graceS: 71 });
    patient.system.runUntil(400);
    expect(failures(patient.system.counts())).toBe(0);
    const hasty = start(3, { ...calls, graceS: 50 });
    hasty.system.runUntil(400);
    const { killed } = hasty.system.counts();
    expect(killed).toBeGreaterThan(0);
    expect(failures(hasty.system.counts())).toBe(killed);
  });
});

/** Golden vectors: the guides' own examples, and what the programs report at boot. */
import { describe, expect, it } from "vitest";
import * as documents from "./documents.ts";
import { erlangC, serversFor } from "./naive-queueing.ts";
import { nodeDefaultHeapMiB, pgbouncerExpectedDescriptors, redisEffectiveClients } from "./oracles.ts";

describe("the guides' formulas give the guides' examples", () => {
  it.each([
    [1, 3],
    [2, 5],
    [4, 9],
    [8, 17],
  ])("S1: %d cores make %d workers", (cores, workers) => {
    expect(documents.gunicornWorkers(cores)).toBe(workers);
  });

  it("S2: auto stops at 16 on 8 cores", () => {
    expect([1, 2, 4, 8, 64].map(documents.gunicornWorkersAuto)).toEqual([3, 5, 9, 16, 16]);
  });

  it("S4: 16 workers ask for 8 cores", () => {
    expect(documents.coresForWorkers(16)).toBe(8);
  });

  it("S5: memory of 8 and 16 workers", () => {
    expect([8, 16].map(documents.memoryForWorkers)).toEqual([1856, 3456]);
  });

  it("S7: one worker per core up to 16, threads beyond 8", () => {
    expect([0.5, 1, 8, 16, 32].map(documents.granianWorkersAuto)).toEqual([1, 1, 8, 16, 16]);
    expect([8, 9].map(documents.granianRuntimeMode)).toEqual(["st", "mt"]);
  });

  it.each([
    [64, 1024],
    [512, 8192],
    [1024, 16_384],
    [2048, 32_768],
  ])("S8: 16 workers with a backpressure of %d admit %d", (backpressure, admitted) => {
    expect(documents.admissionCapacity(16, backpressure)).toBe(admitted);
  });

  it("S9: 10 pods × 8 workers × 100", () => {
    expect(documents.fleetRps(10, 8, 100)).toBe(8000);
  });

  it("S10, S12, S13, S14: three answers to one question", () => {
    expect(documents.maxConnectionsByPod(20, 50)).toBe(1220);
    expect(documents.maxConnectionsByWorker(10, 8, 50)).toBe(5000);
    expect(documents.maxConnectionsByWorker(10, 8, 50, 0)).toBe(4800);
    expect(documents.maxConnectionsByWorker(50, 16, 50)).toBe(48_200);
  });

  it("S15: with the overflow that the guides leave out it is three times as many", () => {
    expect(documents.appConnections(2, 16, 50)).toBe(1600);
    expect(documents.appConnections(2, 16, 15)).toBe(480);
    expect(documents.appConnections(2, 16, 15, 30)).toBe(1440);
  });

  it("S16: 4000 backends take 40 GB, 500 take 5 GB", () => {
    expect([4000, 500].map(documents.backendMemory)).toEqual([40_000, 5000]);
  });

  it("S17: 2 GB and 64 GB", () => {
    expect(documents.postgresCaches(2048)).toEqual({ sharedBuffers: 512, effectiveCacheSize: 1536 });
    expect(documents.postgresCaches(64)).toEqual({ sharedBuffers: 16, effectiveCacheSize: 48 });
  });

  it("S18: 2 × 16 × 15 × 2", () => {
    expect(documents.maxClientConnections(2, 16, 15)).toBe(960);
  });

  it("S20: 3000 users on 72 workers", () => {
    expect(documents.poolByUsers(3000, 72)).toBeCloseTo(20.83, 2);
    expect(documents.poolByUsers(6500, 32)).toBeCloseTo(101.56, 2);
  });

  it("S21: half of 120 s", () => {
    expect(documents.poolRecycle(120)).toBe(60);
  });

  it("S22: 500 requests on 10 workers", () => {
    expect(documents.redisPool(500, 10)).toBe(75);
  });

  it("S23: 32 workers fit, 20 pods of 16 do not", () => {
    expect(documents.redisConnections(32, 150, 10_000)).toEqual({ connections: 4800, fits: true });
    expect(documents.redisConnections(20 * 16, 150, 10_000)).toEqual({ connections: 48_000, fits: false });
  });

  it("S24, S25, S26: sessions, messages and half as much again, MB", () => {
    expect(documents.sessionMemory(10_000)).toBe(500);
    expect(documents.messageMemory(1000, 600)).toBe(1000);
    expect(documents.redisMemory(10_000, 1000, 600)).toBe(2250);
  });

  it("S28: 60 × 5 s", () => {
    expect(documents.startupBudget(60, 5)).toBe(300);
  });

  it("S32: ten users may open 384 000 sessions", () => {
    expect(documents.openSessions(10, 3, 2, 32, 200)).toBe(384_000);
  });

  it("keeps a list of what does not follow", () => {
    expect(documents.errata.map(({ formula, printed, computed }) => [formula, printed, computed])).toEqual([
      ["S2", 17, 16],
      ["S5", 3584, 3456],
      ["S14", 50_000, 48_200],
      ["S22", 50, 75],
      ["S26", 2500, 2250],
      ["S29", 160_000, 80_000],
    ]);
  });
});

describe("what the programs report at boot", () => {
  it.each([
    [10_000, 1024, 992],
    [10_000, 10_032, 10_000],
    [1000, 1_048_576, 1000],
    [1000, 16, 0],
  ])("redis-server: %d clients with %d descriptors are %d", (maxclients, nofile, clients) => {
    expect(redisEffectiveClients(maxclients, nofile)).toBe(clients);
  });

  it.each([
    [5000, 600, 1, false, 6212],
    [5000, 600, 3, false, 7412],
    [5000, 600, 1, true, 5612],
    [1000, 20, 1, false, 1052],
    [1000, 20, 4, false, 1112],
  ])("PgBouncer 1.18: (%d, %d, %d users, forced %s) expects %d", (client, pool, users, forcedUser, expected) => {
    const settings = { maxClientConn: client, defaultPoolSize: pool, databases: 1, users, forcedUser };
    expect(pgbouncerExpectedDescriptors(settings)).toBe(expected);
  });

  it.each([
    [256, 22, 259],
    [512, 22, 259],
    [1024, 22, 524],
    [2048, 22, 1048],
    [4096, 22, 2096],
    [8192, 22, 2096],
    [1024, 24, 560],
    [4096, 24, 2240],
    [8192, 24, 2240],
  ])("Node in %d MiB, version %d: %d MiB of heap for every worker", (memory, major, heap) => {
    expect(nodeDefaultHeapMiB(memory, major)).toBe(heap);
  });
});

describe("Erlang's formula as the judge computes it", () => {
  // Published tables of Erlang-C: one server waits with probability ρ; two at one erlang with ⅓; ten at eight with 0.4092.
  it.each([
    [1, 0.5, 0.5],
    [2, 1, 1 / 3],
    [10, 8, 0.409_18],
    [5, 5, 1],
    [5, 0, 0],
  ])("C(%d, %d) = %d", (servers, load, waiting) => {
    expect(erlangC(servers, load)).toBeCloseTo(waiting, 5);
  });

  it("needs 15 servers for 8.64 erlangs when one in twenty may wait", () => {
    expect(serversFor(8.64, 0.05, 1)).toBe(15);
    expect(erlangC(14, 8.64)).toBeGreaterThan(0.05);
  });
});

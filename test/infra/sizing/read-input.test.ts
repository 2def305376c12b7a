/** What is said about inputs that cannot be read: everything at once, each with its path, what is allowed and what was meant. */
import { describe, expect, it } from "vitest";
import { readInput } from "../../../infra/sizing/index.ts";
import { dev, prod, withChanges } from "./cases.ts";

type Raw = { readonly [name: string]: unknown };

function problemsOf(raw: unknown) {
  const reading = readInput(raw);
  if (reading.ok) throw new Error("it was accepted");
  return reading.problems;
}

function messages(changes: Raw): string[] {
  return problemsOf(withChanges(dev, changes)).map(({ message }) => message);
}

describe("readInput", () => {
  it("completes what was left out, by environment, and remembers what was said", () => {
    const reading = readInput(dev);
    if (!reading.ok) throw new Error("refused");
    const { input } = reading;
    expect([input.gateway.memory, input.gateway.haFloor, input.redis.role, input.redis.persistence]).toEqual([
      512,
      1,
      "both",
      false,
    ]);
    expect([...input.stated]).toEqual([
      "environment",
      "load.peakRps",
      "load.meanLatencyMs",
      "load.dbQueriesPerRequest",
      "load.dbTxMs",
      "load.concurrentUsers",
      "load.sseStreams",
      "load.statefulSessions",
      "gateway.engine",
      "gateway.cpu",
      "gateway.memory",
      "gateway.rpsPerWorker",
      "database.postgres.cpu",
      "database.postgres.memory",
      "nginx.replicas",
    ]);
    const other = readInput(prod);
    expect(other.ok && [other.input.gateway.haFloor, other.input.redis.role, other.input.redis.persistence]).toEqual([
      3,
      "state",
      true,
    ]);
  });

  it("finds every problem at once, in the order of the file", () => {
    expect(
      problemsOf({
        environment: "prd",
        load: { peakRps: -1, meanLatencyMs: "2s", zonse: 3 },
        gateway: { cpu: "2Gi", memory: 512 },
        given: { "pgbouncer.maxClientCon": 3 },
        extra: 1,
      }).map(({ path, nearest }) => [path, nearest]),
    ).toEqual([
      ["environment", "prod"],
      ["load.peakRps", "0.001"],
      ["load.meanLatencyMs", "2000"],
      ["gateway.cpu", undefined],
      ["gateway.memory", "512Mi"],
      ["database.postgres.cpu", undefined],
      ["database.postgres.memory", undefined],
      ["load.zonse", "load.zones"],
      ["extra", "data"],
      ["given.pgbouncer.maxClientCon", "pgbouncer.maxClientConn"],
    ]);
  });

  it.each<[string, Raw, string]>([
    [
      "a size without its unit",
      { gateway: { memory: 512 } },
      "gateway.memory: 512 has no unit: bytes or MiB?; allowed: a size from 128Mi to 1024Gi, written like 512Mi or 4Gi; nearest: 512Mi",
    ],
    [
      "a size that is too small",
      { gateway: { memory: "64Mi" } },
      "gateway.memory: 64Mi is out of range; allowed: a size from 128Mi to 1024Gi, written like 512Mi or 4Gi; nearest: 128Mi",
    ],
    [
      "zero",
      { load: { peakRps: 0 } },
      "load.peakRps: 0 is out of range; allowed: a number from 0.001 to 10000000 (requests/s); nearest: 0.001",
    ],
    [
      "infinity",
      { load: { peakRps: Number.POSITIVE_INFINITY } },
      "load.peakRps: Infinity is not finite; allowed: a number from 0.001 to 10000000 (requests/s); nearest: 10000000",
    ],
    [
      "NaN",
      { load: { meanLatencyMs: Number.NaN } },
      "load.meanLatencyMs: NaN is not a number; allowed: a number from 0.1 to 600000 (ms)",
    ],
    [
      "negative cores",
      { gateway: { cpu: -2 } },
      "gateway.cpu: -2 is out of range; allowed: cores from 0.1 to 256, written like 2, 0.5 or 500m; nearest: 0.1",
    ],
    [
      "a part of a replica",
      { gateway: { haFloor: 2.5 } },
      "gateway.haFloor: 2.5 is not whole; allowed: a whole number from 1 to 1000 (replicas); nearest: 3",
    ],
    [
      "a number in quotes",
      { load: { peakRps: "50" } },
      'load.peakRps: "50" is text; allowed: a number from 0.001 to 10000000 (requests/s); nearest: 50',
    ],
    [
      "another unit of time",
      { load: { toolTimeoutS: "2m" } },
      'load.toolTimeoutS: "2m" carries a unit, the input is in s; allowed: a number from 1 to 86400 (s); nearest: 120',
    ],
    [
      "a word for a switch",
      { gateway: { hpa: "yes" } },
      'gateway.hpa: "yes" is not true or false; allowed: true or false; nearest: true',
    ],
    [
      "an unknown word",
      { redis: { role: "cashe" } },
      'redis.role: "cashe" is none of them; allowed: cache, state, both; nearest: cache',
    ],
    [
      "a version that YAML made a number",
      { database: { pgbouncer: { version: 1.2 } } },
      'database.pgbouncer.version: "1.2" is none of them; allowed: "1.18", "1.19", "1.20", "1.21", "1.22", "1.23", "1.24", "1.25"; nearest: "1.20"',
    ],
    [
      "a group that is none",
      { load: 3 },
      "load is 3; allowed: a group: peakRps, burst, cacheableShare, cacheHitRatio, meanLatencyMs, dbQueriesPerRequest, dbTxMs, dbCpuMs, concurrentUsers, sseStreams, statefulSessions, toolTimeoutS, zones",
    ],
    [
      "a key in the wrong group",
      { gateway: { zones: 3 } },
      "gateway.zones is not an input; nearest: load.zones; gateway has: engine, cpu, cpuRequest, memory, workers, workerRule, rpsPerWorker, bytesPerRequest, workerBaseMiB, coldStartS, maxSurge, haFloor, hpa, drainS",
    ],
    [
      "a pin of something that is not in the plan",
      { given: { postgres: { maxConnection: 100 } } },
      "given.postgres.maxConnection is no number of the plan; nearest: given.postgres.maxConnections",
    ],
    [
      "a pin of the wrong kind",
      { given: { "postgres.maxConnections": "100" } },
      'given.postgres.maxConnections: "100" cannot be pinned; allowed: a whole number of at least 1',
    ],
    [
      "a pin out of its words",
      { given: { "redis.policy": "lru" } },
      'given.redis.policy: "lru" cannot be pinned; allowed: noeviction, allkeys-lru, allkeys-lfu, volatile-lru, volatile-lfu, volatile-ttl',
    ],
    [
      "a pin of a pooler that is not there",
      { database: { mode: "direct" }, given: { "pgbouncer.maxClientConn": 10 } },
      "given.pgbouncer.maxClientConn is pinned, but database.mode is direct; allowed: only where database.mode is pgbouncer",
    ],
    [
      "a pin of a pooler that is pinned away",
      { given: { "database.mode": "direct", "pgbouncer.maxClientConn": 10 } },
      "given.pgbouncer.maxClientConn is pinned, but database.mode is direct; allowed: only where database.mode is pgbouncer",
    ],
    [
      "a pin of a cost without prices",
      { given: { "cost.monthlyAtMin": 10 } },
      "given.cost.monthlyAtMin is pinned, but there are no prices; allowed: only where there are prices",
    ],
    [
      "a version that is not known",
      { given: { "pgbouncer.version": "2.0" } },
      'given.pgbouncer.version: "2.0" cannot be pinned; allowed: 1.18, 1.19, 1.20, 1.21, 1.22, 1.23, 1.24, 1.25',
    ],
    [
      "two forms of a disruption budget at once",
      { given: { "disruption.minAvailable": 1, "disruption.maxUnavailable": 1 } },
      "given.disruption.minAvailable and given.disruption.maxUnavailable exclude each other; allowed: one of disruption.minAvailable and disruption.maxUnavailable",
    ],
    [
      "half a calibration",
      { calibration: { rpsPerWorker: 10 } },
      "calibration.measuredAt: Invalid input: expected string, received undefined; a calibration is what mcp-stack load --calibration writes",
    ],
  ])("%s", (_, changes, message) => {
    expect(messages(changes)[0]).toBe(message);
  });

  it.each([undefined, null, 3, "text", [], [[]], () => 1])("refuses %s as a whole", (raw) => {
    expect(problemsOf(raw)[0]?.path).toBe("");
  });

  it("reads pins dotted and nested alike", () => {
    const dotted = readInput(withChanges(dev, { given: { "postgres.maxConnections": 100 } }));
    const nested = readInput(withChanges(dev, { given: { postgres: { maxConnections: 100 } } }));
    expect(dotted.ok && dotted.input.given).toEqual({ "postgres.maxConnections": 100 });
    expect(nested).toEqual(dotted);
  });

  it("reads a pinned version that YAML made a number", () => {
    const reading = readInput(withChanges(dev, { given: { "pgbouncer.version": 1.21 } }));
    expect(reading.ok && reading.input.given).toEqual({ "pgbouncer.version": "1.21" });
  });

  it("takes names of the prototype for what they are: unknown", () => {
    const raw = JSON.parse('{"__proto__": {"environment": "dev"}, "constructor": 1, "given": {"__proto__": {"x": 1}}}');
    expect(problemsOf(raw).map(({ path }) => path)).toContain("__proto__");
  });
});

/** The worked examples of the sizing rules, number by number, and the chain of timeouts as they print it. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../../../infra/sizing/index.ts";
import { leavesOf, type Raw } from "./arbitraries.ts";
import { changed, large, measured, small } from "./fixtures-base.ts";
import { inputOf } from "./reading.ts";

/** The numbers of a plan at some paths, rounded to what the rules print. */
function numbersOf(raw: Raw, expected: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const numbers = leavesOf(evaluate(inputOf(raw)).plan);
  return Object.fromEntries(
    Object.keys(expected).map((path) => {
      const value = numbers.get(path);
      return [path, typeof value === "number" ? Number(value.toFixed(3)) : value];
    }),
  );
}

/** Left side of a budget, as printed. */
function leftOf(raw: Raw, id: string): number | undefined {
  const line = evaluate(inputOf(raw)).budgets.find(({ rule }) => rule.id === id);
  return line === undefined ? undefined : Number(line.left.toFixed(2));
}

describe("the worked examples", () => {
  it("dev, number by number", () => {
    const expected = {
      "load.gatewayRps": 72,
      "load.inFlight": 10.8,
      "gateway.workers": 1,
      "gateway.replicas.min": 1,
      "gateway.replicas.max": 2,
      "gateway.replicas.peak": 3,
      "gateway.inFlightPerWorker": 17,
      "gateway.maxOldSpaceMiB": 251,
      "gateway.backlog": 128,
      "database.poolPerWorker": 2,
      "database.appConnections": 6,
      "pgbouncer.defaultPoolSize": 3,
      "pgbouncer.reservePoolSize": 1,
      "pgbouncer.maxClientConn": 8,
      "postgres.maxConnections": 25,
      "redis.connections": 16,
      "redis.maxmemoryMiB": 98,
      "nginx.workerConnections": 1024,
      "timeouts.graceS": 85,
    };
    expect(numbersOf(small, expected)).toEqual(expected);
    const direct = { "postgres.maxConnections": 28 };
    expect(numbersOf(changed(small, { "database.mode": "direct" }), direct)).toEqual(direct);
    // 722 of 921 MiB.
    const memory = evaluate(inputOf(small)).budgets.find(({ rule }) => rule.id === "I41");
    expect([memory?.left, Math.floor(memory?.right ?? 0)]).toEqual([722, 921]);
  });

  it("prod, number by number", () => {
    const expected = {
      "engine.kind": "bounded",
      "load.gatewayRps": 4320,
      "load.inFlight": 1080,
      "load.dbConnectionsBusy": 8.64,
      "load.dbCores": 1.728,
      "gateway.workers": 4,
      "gateway.replicas.needed": 11,
      "gateway.replicas.min": 11,
      "gateway.replicas.max": 14,
      "gateway.replicas.peak": 18,
      "gateway.inFlightPerWorker": 37,
      "gateway.maxOldSpaceMiB": 756,
      "gateway.backlog": 128,
      "gateway.listeners": 4,
      "gateway.threadPool": 4,
      "database.poolPerWorker": 2,
      "database.overflow": 0,
      "database.appConnections": 144,
      "database.recycleS": 60,
      "pgbouncer.instances": 2,
      "pgbouncer.maxClientConn": 173,
      "pgbouncer.defaultPoolSize": 9,
      "pgbouncer.reservePoolSize": 3,
      "pgbouncer.minPoolSize": 3,
      "pgbouncer.maxDbConnections": 12,
      "pgbouncer.maxUserConnections": 12,
      "pgbouncer.clientIdleTimeoutS": 120,
      "pgbouncer.serverLifetimeS": 3600,
      "pgbouncer.serverIdleTimeoutS": 600,
      "pgbouncer.nofile": 237,
      "postgres.version": 18,
      "postgres.maxConnections": 47,
      "postgres.sharedBuffersMiB": 8192,
      "postgres.effectiveCacheSizeMiB": 24_576,
      "postgres.workMemMiB": 148,
      "postgres.maintenanceWorkMemMiB": 2048,
      "postgres.memoryMiB": 32_768,
      "postgres.cpu": 8,
      "postgres.shmMiB": 256,
      "redis.connectionsPerWorker": 2,
      "redis.connections": 154,
      "redis.maxclients": 1000,
      "redis.maxmemoryMiB": 399,
      "redis.policy": "noeviction",
      "redis.memoryMiB": 862,
      "redis.nofile": 1032,
      "nginx.replicas": 3,
      "nginx.workerProcesses": 2,
      "nginx.workerConnections": 5525,
    };
    expect(numbersOf(large, expected)).toEqual(expected);
    const direct = { "postgres.maxConnections": 193 };
    expect(numbersOf(changed(large, { "database.mode": "direct" }), direct)).toEqual(direct);
    // 1.73 of 5.6 cores; 11 × 4 × 37 = 1 628 in flight at the minimum.
    expect([leftOf(large, "I51"), 0.7 * 8]).toEqual([1.73, 5.6]);
    expect(evaluate(inputOf(large)).budgets.find(({ rule }) => rule.id === "I1")?.right).toBe(1628);
  });

  it("prod on a measured rate of 4000", () => {
    const expected = {
      "gateway.replicas.min": 3,
      "gateway.replicas.max": 4,
      "gateway.replicas.peak": 5,
      "gateway.inFlightPerWorker": 135,
      "database.poolPerWorker": 3,
      "database.appConnections": 60,
    };
    expect(numbersOf(changed(large, { calibration: measured(4000) }), expected)).toEqual(expected);
  });
});

/** The chain of timeouts as the rules print it, and what grows with the longest tool. */
describe("the timeouts", () => {
  const printed = {
    "timeouts.redisCommandS": 1,
    "timeouts.dbAcquireS": 2,
    "pgbouncer.queryWaitTimeoutS": 5,
    "timeouts.dbStatementS": 10,
    "timeouts.dbQueryS": 11,
    "timeouts.idleTransactionS": 30,
    "timeouts.idleInTransactionS": 60,
    "database.recycleS": 60,
    "pgbouncer.clientIdleTimeoutS": 120,
    "timeouts.sseKeepaliveS": 30,
    "timeouts.sessionCreateS": 10,
    "timeouts.sessionAcquireS": 30,
    "timeouts.sessionHealthS": 5,
    "timeouts.healthIntervalS": 60,
    "timeouts.sessionTtlS": 300,
    "timeouts.sessionIdleEvictionS": 600,
    "timeouts.leaderHeartbeatS": 5,
    "timeouts.leaderTtlS": 15,
    "timeouts.probeCheckS": 2,
    "timeouts.readinessS": 3,
    "timeouts.preStopS": 10,
    "timeouts.streamReadS": 3600,
  };
  const chain = (toolS: number) => ({
    "timeouts.toolS": toolS,
    "timeouts.sessionTransportS": toolS,
    "timeouts.upstreamBodyS": toolS + 5,
    "timeouts.handlerS": toolS + 10,
    "timeouts.proxyReadS": toolS + 15,
    "timeouts.lbIdleS": toolS + 20,
    "timeouts.nginxKeepaliveS": toolS + 25,
    "timeouts.graceS": toolS + 25,
  });

  it("are those of the rules", () => {
    const expected = {
      ...printed,
      ...chain(60),
      "timeouts.nginxUpstreamKeepaliveS": 60,
      "timeouts.gatewayKeepaliveS": 72,
    };
    expect(numbersOf(large, expected)).toEqual(expected);
  });

  it("grow with the longest tool", () => {
    const expected = { ...printed, ...chain(600) };
    expect(numbersOf(changed(large, { "load.toolTimeoutS": 600 }), expected)).toEqual(expected);
  });
});

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { RedisCircuit } from "../../../gateway/coordination/redis-circuit.ts";
import { silentLog } from "./log.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function setUp(options: { circuitFailures?: number; circuitOpenMs?: number } = {}) {
  const changes: boolean[] = [];
  const redis = { answers: false, probes: 0 };
  const circuit = new RedisCircuit(
    { ...options, circuitChanged: (isOpen) => changes.push(isOpen) },
    async () => {
      redis.probes++;
      if (!redis.answers) throw new Error("silent");
    },
    silentLog,
  );
  return { circuit, changes, redis };
}

it("opens after failures in a row and not after as many with an answer between", () => {
  const { circuit, changes } = setUp();
  for (const what of ["failed", "failed", "answered", "failed", "failed"] as const) circuit[what]();
  expect(circuit.isOpen).toBe(false);
  circuit.failed();
  circuit.failed();
  expect(circuit.isOpen).toBe(true);
  expect(changes).toEqual([true]);
  circuit.close();
});

it("looks again after pauses that double up to the longest, and closes with the first answer", async () => {
  const { circuit, changes, redis } = setUp({ circuitFailures: 1, circuitOpenMs: 1000 });
  circuit.failed();
  const seen: number[] = [];
  for (const ms of [249, 1, 499, 1, 999, 1, 999, 1]) {
    await vi.advanceTimersByTimeAsync(ms);
    seen.push(redis.probes);
  }
  expect(seen).toEqual([0, 1, 1, 2, 2, 3, 3, 4]);
  redis.answers = true;
  await vi.advanceTimersByTimeAsync(1000);
  expect(circuit.isOpen).toBe(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([redis.probes, changes]).toEqual([5, [true, false]]);
});

it("closes at once with a new connection and looks no more", async () => {
  const { circuit, changes, redis } = setUp({ circuitFailures: 2 });
  circuit.failed();
  circuit.failed();
  circuit.answered();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([redis.probes, changes]).toEqual([0, [true, false]]);
  circuit.failed();
  expect(circuit.isOpen).toBe(false);
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Chore, holdChores, memoryState, type SharedState } from "../../../gateway/coordination/index.ts";
import { closing } from "../../harness/closing.ts";
import { waitFor } from "../../harness/index.ts";
import { recordingLog, silentLog } from "./log.ts";

const ELECTION = { ttlMs: 10_000, heartbeatMs: 5 };
const closers = closing();

function worker(state: SharedState, workerId: string, chores: readonly Chore[], log = silentLog) {
  const lease = holdChores(state, { name: "chores", workerId, log, ...ELECTION }, chores);
  closers.push(() => lease.close());
  return lease;
}

/** Done every 5 ms; says of whom and of which it was done. */
function counting(done: string[], name: string, firstMs = 0): Chore {
  return {
    firstMs,
    run: () => {
      done.push(name);
      return 5;
    },
  };
}

describe("holdChores", () => {
  it("does each in its own time, in one process and then in the next", async () => {
    const state = memoryState();
    const done: string[] = [];
    const first = worker(state, "one", [counting(done, "one a"), counting(done, "one b", 5)]);
    expect(first.fence).toBeUndefined();
    await waitFor(async () => done.filter((name) => name === "one b").length > 1);
    expect(first.fence).toBeGreaterThan(0);
    expect(done.slice(0, 2)).toEqual(["one a", expect.any(String)]);
    worker(state, "two", [counting(done, "two a")]);
    await first.close();
    const before = done.length;
    await waitFor(async () => done.length > before + 2);
    expect(new Set(done.slice(0, before))).toEqual(new Set(["one a", "one b"]));
    expect(new Set(done.slice(before))).toEqual(new Set(["two a"]));
  });

  it("waits for what takes longer than its pause, and at the end for what has begun", async () => {
    const slow = Promise.withResolvers<number>();
    const run = vi.fn((_: AbortSignal) => slow.promise);
    const others: string[] = [];
    const lease = worker(memoryState(), "one", [{ firstMs: 0, run }, counting(others, "other")]);
    await waitFor(async () => others.length > 3);
    expect(run).toHaveBeenCalledTimes(1);
    expect(run.mock.calls[0]?.[0].aborted).toBe(false);
    let isClosed = false;
    const closing = lease.close().then(() => {
      isClosed = true;
    });
    await waitFor(async () => run.mock.calls[0]?.[0].aborted === true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    slow.resolve(0);
    await closing;
    expect(run).toHaveBeenCalledTimes(1);
  });

  it("says so when one breaks its promise and rejects, and goes on with the others", async () => {
    const { log, lines } = recordingLog();
    const others: string[] = [];
    const broken: Chore = { firstMs: 0, run: () => Promise.reject(new Error("broken")) };
    const lease = worker(memoryState(), "one", [broken, counting(others, "other")], log);
    await waitFor(async () => others.length > 3);
    expect(lines.filter(({ level }) => level === "error")).toEqual([
      { level: "error", event: "lease.work_failed", fields: { lease: "chores", reason: "broken" } },
    ]);
    await lease.close();
  });
});

describe("holdChores, when the lease is lost and had again", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("ends the former turn before it begins anew", async () => {
    const ends: (() => void)[] = [];
    let atOnce = 0;
    let most = 0;
    const run = async (): Promise<number> => {
      most = Math.max(most, ++atOnce);
      await new Promise<void>((resolve) => ends.push(resolve));
      atOnce--;
      return 1;
    };
    const state = memoryState();
    const lease = worker(state, "one", [{ firstMs: 0, run }]);
    await vi.advanceTimersByTimeAsync(1);
    const fence = lease.fence;
    await state.release("lease:chores", "one");
    await state.acquire("lease:chores", "other", 10);
    await vi.advanceTimersByTimeAsync(100);
    expect([lease.fence === fence, lease.fence === undefined]).toEqual([false, false]);
    expect([ends.length, most]).toEqual([1, 1]);
    ends[0]?.();
    await vi.advanceTimersByTimeAsync(1);
    expect([ends.length, most]).toEqual([2, 1]);
    const closing = lease.close();
    ends[1]?.();
    await closing;
  });
});

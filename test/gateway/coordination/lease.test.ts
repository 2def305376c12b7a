import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fault } from "../../../contract/errors.ts";
import { holdLease, memoryState, type SharedState } from "../../../gateway/coordination/index.ts";
import { wrapState } from "../sessions/wrapped-state.ts";
import { silentLog } from "./log.ts";

const TIMES = { ttlMs: 15_000, heartbeatMs: 5000 };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A process that tries for the lease; `events` say what it was told and when. */
function contender(state: SharedState, workerId: string, began = performance.now()) {
  const events: string[] = [];
  const fences: number[] = [];
  const at = () => `${Math.round(performance.now() - began)}`;
  let signal: AbortSignal | undefined;
  const lease = holdLease(
    state,
    { name: "task", workerId, log: silentLog, ...TIMES },
    {
      acquired(fence, given) {
        fences.push(fence);
        signal = given;
        events.push(`acquired ${at()}`);
      },
      lost() {
        events.push(`lost ${at()} aborted=${signal?.aborted}`);
      },
    },
  );
  return { lease, events, fences };
}

/** A view of the store that can be cut off. */
function cutable(state: SharedState) {
  const cut = { isAway: false };
  const view = wrapState(state, async (_, run) => {
    if (cut.isAway) throw fault("MCPS_STATE", { reason: "away" });
    return run();
  });
  return Object.assign(cut, { view });
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("holdLease", () => {
  it("lets one process work and the next one at once when it is given up", async () => {
    const state = memoryState();
    const one = contender(state, "one");
    const two = contender(state, "two");
    await pass(60_000);
    expect([one.events, two.events]).toEqual([["acquired 0"], []]);
    expect([one.lease.fence, two.lease.fence]).toEqual([one.fences[0], undefined]);
    await one.lease.close();
    await one.lease.close();
    await pass(5000);
    expect(one.events).toEqual(["acquired 0", "lost 60000 aborted=true"]);
    expect(two.events).toEqual(["acquired 65000"]);
    expect(two.fences[0]).toBeGreaterThan(one.fences[0] ?? Number.POSITIVE_INFINITY);
    await two.lease.close();
    await pass(60_000);
    expect(two.events).toHaveLength(2);
  });

  it("stops the holder that cannot renew before another one can have it, which gets it as soon as it ends", async () => {
    const state = memoryState();
    const link = cutable(state);
    const began = performance.now();
    const one = contender(link.view, "one");
    await pass(2000);
    const two = contender(state, "two", began);
    await pass(5000);
    link.isAway = true;
    await pass(13_010);
    // Last renewed at 5000: it stops a twentieth before 20 000.
    expect(one.events).toEqual(["acquired 0", "lost 19250 aborted=true"]);
    expect(two.events).toEqual(["acquired 20010"]);
    link.isAway = false;
    await pass(60_000);
    expect(one.events).toHaveLength(2);
    await two.lease.close();
    await pass(5000);
    expect(one.events).toEqual(["acquired 0", "lost 19250 aborted=true", "acquired 85000"]);
    expect(one.fences[1]).toBeGreaterThan(two.fences[0] ?? Number.POSITIVE_INFINITY);
    await one.lease.close();
  });

  it("begins anew with another fence when the store came back empty", async () => {
    let state = memoryState();
    const moving = wrapState(memoryState(), (_, run) => run());
    moving.acquire = (...given) => state.acquire(...given);
    const one = contender(moving, "one");
    await pass(1000);
    state = memoryState();
    await state.acquire("lease:other", "x", 1000);
    await pass(4000);
    expect(one.events).toEqual(["acquired 0", "lost 5000 aborted=true", "acquired 5000"]);
    expect(one.fences[1]).toBeGreaterThan(one.fences[0] ?? Number.POSITIVE_INFINITY);
    await one.lease.close();
  });

  it("does not work on an answer that came later than the lease stands", async () => {
    const state = memoryState();
    const slow = wrapState(state, async (operation, run) => {
      const answer = await run();
      if (operation === "acquire") await new Promise((resolve) => setTimeout(resolve, 14_300));
      return answer;
    });
    const one = contender(slow, "one");
    await pass(14_300);
    expect(one.events).toEqual([]);
    void one.lease.close();
    await pass(15_000);
    expect(one.events).toEqual([]);
  });

  it("goes on renewing when the work fails", async () => {
    const state = memoryState();
    const lease = holdLease(
      state,
      { name: "task", workerId: "one", log: silentLog, ...TIMES },
      { acquired: () => Promise.reject(new Error("work")), lost: () => undefined },
    );
    await pass(60_000);
    expect(lease.fence).toBeGreaterThan(0);
    await lease.close();
    expect(lease.fence).toBeUndefined();
  });

  it("refuses a heartbeat that could not renew in time", () => {
    const open = () =>
      holdLease(
        memoryState(),
        { name: "task", workerId: "one", log: silentLog, ttlMs: 1000, heartbeatMs: 950 },
        { acquired: () => undefined, lost: () => undefined },
      );
    expect(open).toThrow(
      "the heartbeat of the lease task is 950 ms, it has to be above 0 and below 950 (its time to live is 1000)",
    );
  });
});

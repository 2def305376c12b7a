import { describe, expect, it } from "vitest";
import { memoryState } from "../../../gateway/coordination/index.ts";
import { createTombstones } from "../../../gateway/sessions/index.ts";
import { until } from "../coordination/conformance.ts";
import { wrapState } from "./wrapped-state.ts";

/** One memory state that several workers share as if it were a server, with the reads counted and an outage at will. */
function server(now: () => number) {
  const counts = { gets: 0 };
  const condition = { down: false };
  const shared = wrapState(memoryState({ now }), (operation, run) => {
    if (operation === "get") counts.gets++;
    return condition.down ? Promise.reject(new Error("down")) : run();
  });
  return { shared, counts, condition };
}

describe("tombstones", () => {
  it("asks no store in one process", async () => {
    let now = 0;
    const ended: string[] = [];
    const tombstones = createTombstones(memoryState({ now: () => now }), {
      now: () => now,
      onEnded: (id) => ended.push(id),
    });
    await tombstones.start();
    expect(tombstones.ended("s")).toBe(false);
    await tombstones.end("s", 1000);
    expect(tombstones.ended("s")).toBe(true);
    expect(tombstones.ended("other")).toBe(false);
    now = 1000;
    expect(tombstones.ended("s")).toBe(false);
    expect(ended).toEqual(["s"]);
    await tombstones.close();
  });

  it("asks the store once per recheck time and learns by message at once", async () => {
    let now = 0;
    const { shared, counts } = server(() => now);
    const ended: string[] = [];
    const one = createTombstones(shared, { now: () => now, recheckMs: 100, onEnded: (id) => ended.push(id) });
    const two = createTombstones(shared, { now: () => now, recheckMs: 100 });
    await one.start();
    await one.start();
    await two.start();
    expect(await one.ended("s")).toBe(false);
    expect(one.ended("s")).toBe(false);
    now = 99;
    expect(one.ended("s")).toBe(false);
    expect(counts.gets).toBe(1);
    now = 100;
    expect(await one.ended("s")).toBe(false);
    expect(counts.gets).toBe(2);
    await two.end("s", 5000);
    await until(() => one.ended("s") === true, "the message");
    expect(ended).toEqual(["s"]);
    expect(counts.gets).toBe(2);
    await one.close();
    await two.close();
  });

  it("finds what ended before this worker came, or while it could not listen", async () => {
    let now = 0;
    const { shared, condition } = server(() => now);
    const two = createTombstones(shared, { now: () => now });
    await two.end("s", 5000);
    condition.down = true;
    const one = createTombstones(shared, { now: () => now, recheckMs: 100, retryMs: 1 });
    await one.start();
    expect(await one.ended("s")).toBe(false);
    condition.down = false;
    now = 100;
    expect(await one.ended("s")).toBe(true);
    expect(one.ended("s")).toBe(true);
    await until(async () => {
      await two.end("t", 5000);
      return one.ended("t") === true;
    }, "listening after the outage");
    await one.close();
  });

  it("says when only this worker knows, and keeps the session ended here", async () => {
    const { shared, condition } = server(() => 0);
    condition.down = true;
    const one = createTombstones(shared, { now: () => 0 });
    await expect(one.end("s", 1000)).rejects.toThrow("down");
    expect(one.ended("s")).toBe(true);
  });
});

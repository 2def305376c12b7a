/** The end: what writes without being waited for is waited for then, in the order that its database needs. */
import { describe, expect, it } from "vitest";
import { LooseEnds } from "../../gateway/loose-ends.ts";
import { startResealing } from "../../gateway/open-upstream-oauth.ts";
import { startPins } from "../../gateway/pins.ts";
import type { PinChange, Sighting } from "../../gateway/store/index.ts";
import { Teardown } from "../../gateway/teardown.ts";
import { recordingLog, silentLog } from "./coordination/log.ts";

describe("LooseEnds", () => {
  it("waits for what runs, for what that begins, and for what fails", async () => {
    const ends = new LooseEnds();
    const [first, second, failing] = [0, 1, 2].map(() => Promise.withResolvers<void>());
    const done: string[] = [];
    void ends.follow(
      first?.promise.then(() => {
        done.push("first");
        void ends.follow(second?.promise.then(() => void done.push("second")) ?? Promise.resolve());
        second?.resolve();
      }) ?? Promise.resolve(),
    );
    ends.follow(failing?.promise ?? Promise.resolve()).catch(() => done.push("failed"));
    const tied = ends.tie(60_000);
    expect(ends.closed).toBe(true);
    failing?.reject(new Error("away"));
    first?.resolve();
    expect(await tied).toBe(0);
    expect(done.sort()).toEqual(["failed", "first", "second"]);
  });

  it("waits for no longer than it may, and says what is left", async () => {
    const ends = new LooseEnds();
    void ends.follow(new Promise(() => undefined));
    expect(await ends.tie(10)).toBe(1);
  });
});

const RULES = { TOOL_PIN_POLICY: "flag", TOOL_PIN_NEW: "allow", TOOL_PIN_FLAGS: [] } as const;
const raw = (name: string) => Buffer.from(JSON.stringify({ name, inputSchema: { type: "object" } }));

describe("tools that are seen", () => {
  it("are written before the store is closed, and never after", async () => {
    const { log, lines } = recordingLog();
    const teardown = new Teardown(log);
    const order: string[] = [];
    const write = Promise.withResolvers<void>();
    teardown.add("store", () => void order.push("store closed"));
    const observeTools = async (_: string, sightings: readonly Sighting[]): Promise<readonly PinChange[]> => {
      const names = sightings.map(({ name }) => name).join();
      order.push(`writes ${names}`);
      await write.promise;
      order.push(`wrote ${names}`);
      return [];
    };
    const { pinning } = startPins(RULES, { observeTools }, () => undefined, log, teardown);
    pinning.replace({ pins: [], pinPolicies: {}, gateways: [] });
    pinning.mayShow("g1", "early", raw("early"));
    const ended = teardown.run();
    pinning.mayShow("g1", "late", raw("late"));
    write.resolve();
    await ended;
    expect(order).toEqual(["writes early", "wrote early", "store closed"]);
    expect(lines).toEqual([]);
  });
});

describe("sealing anew", () => {
  it("ends with the batch that is being written", async () => {
    const { log, lines } = recordingLog();
    const teardown = new Teardown(log);
    const batch = Promise.withResolvers<number>();
    let batches = 0;
    const resealCredentials = () => {
      batches++;
      return batch.promise;
    };
    startResealing({ resealCredentials }, log, teardown);
    const ended = teardown.run();
    batch.resolve(500);
    await ended;
    const event = "stored credentials were sealed anew with the first key of the ring";
    expect([batches, lines]).toEqual([1, [{ level: "info", event, fields: { rows: 500 } }]]);
  });

  it("goes on until nothing is left, whatever that is at the end", async () => {
    const { log, lines } = recordingLog();
    const teardown = new Teardown(log);
    const left = [500, 20, 0];
    startResealing({ resealCredentials: async () => left.shift() ?? 0 }, log, teardown);
    while (left.length > 0) await new Promise(setImmediate);
    await teardown.run();
    expect(lines.map(({ fields }) => fields)).toEqual([{ rows: 520 }]);
  });
});

describe("Teardown", () => {
  it("goes backwards, one after the other, whatever one of them does", async () => {
    const order: string[] = [];
    const teardown = new Teardown(silentLog);
    teardown.add("first", () => void order.push("first"));
    teardown.add("second", async () => {
      await Promise.resolve();
      order.push("second");
      throw new Error("cannot");
    });
    teardown.add("third", async () => void order.push("third"));
    await teardown.run();
    expect(order).toEqual(["third", "second", "first"]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memoryState, type SharedState, workerPresence } from "../../../gateway/coordination/index.ts";
import { createReplays, type ReplayOptions, type ResumedStream } from "../../../gateway/sessions/index.ts";
import { until } from "../coordination/conformance.ts";
import { recordingLog } from "../coordination/log.ts";
import { wrapState } from "./wrapped-state.ts";

const replays = (state: SharedState, workerId: string, options: Partial<ReplayOptions> = {}) =>
  createReplays({ state, workerId, recheckMs: 2, retryMs: 1, ...options });

type Seen = { messages: string[]; ids: string[]; how: string | undefined; stop: () => void };

function follow(stream: ResumedStream): Seen {
  const seen: Seen = {
    messages: stream.entries.map((entry) => entry.message),
    ids: stream.entries.map((entry) => entry.id),
    how: undefined,
    stop: () => undefined,
  };
  if (stream.finished) {
    seen.how = "finished";
    return seen;
  }
  seen.stop = stream.follow({
    event: (id, message) => {
      seen.ids.push(id);
      seen.messages.push(message);
    },
    end: (how) => {
      seen.how = how;
    },
  });
  return seen;
}

async function resume(from: ReturnType<typeof createReplays>, session: string, id: string): Promise<ResumedStream> {
  const stream = await from.resume(session, id);
  if (stream === undefined) throw new Error(`${id} cannot be resumed`);
  return stream;
}

describe("replay", () => {
  it("gives the events after an id, that stream's only, and its request id raw", async () => {
    const state = memoryState();
    const owner = replays(state, "w1");
    const other = replays(state, "w2");
    const one = owner.open({ sessionId: "s", requestId: '"01"' });
    const two = owner.open({ sessionId: "s" });
    const start = one.announce();
    const ids = ["a", "b", "c"].map((message) => one.append(message));
    two.append("x");
    await one.finish();
    await two.finish();
    expect([start, ...ids]).toEqual([0, 1, 2, 3].map((sequence) => `${one.streamId}_${sequence}`));
    expect(start).toMatch(/^[\x21-\x7e]+$/);

    const all = await resume(other, "s", start);
    expect(all).toMatchObject({
      streamId: one.streamId,
      entries: [
        { id: ids[0], message: "a" },
        { id: ids[1], message: "b" },
        { id: ids[2], message: "c" },
      ],
      trimmed: false,
      finished: true,
      ownerWorker: "w1",
      requestId: '"01"',
    });
    expect((await resume(other, "s", ids[1] ?? "")).entries).toEqual([{ id: ids[2], message: "c" }]);
    expect((await resume(other, "s", ids[2] ?? "")).entries).toEqual([]);
    expect((await resume(other, "s", `${two.streamId}_0`)).requestId).toBeUndefined();
  });

  it("knows nothing of other sessions' events, unknown streams and what is no event id", async () => {
    const state = memoryState();
    const owner = replays(state, "w1");
    const stream = owner.open({ sessionId: "s" });
    const id = stream.append("a");
    await stream.finish();
    const odd = [
      "",
      "_",
      "x",
      "_1",
      `${id}x`,
      `${id}_1`,
      `${stream.streamId}_01`,
      `${stream.streamId}_-1`,
      `${stream.streamId}_1e3`,
      "ab_1",
      `${stream.streamId}_${"9".repeat(16)}`,
      `s:${id}`,
    ];
    for (const text of odd) expect(await owner.resume("s", text)).toBeUndefined();
    expect(await owner.resume("t", id)).toBeUndefined();
    expect((await owner.resume("s", id))?.finished).toBe(true);
  });

  it("says when events after the id are gone", async () => {
    const state = memoryState();
    const owner = replays(state, "w1", { cap: 3 });
    const stream = owner.open({ sessionId: "s" });
    stream.append("1");
    await until(async () => (await owner.resume("s", `${stream.streamId}_0`))?.entries.length === 1, "the first write");
    for (let index = 2; index <= 5; index++) stream.append(String(index));
    await stream.finish();
    const from = async (sequence: number) => {
      const resumed = await resume(owner, "s", `${stream.streamId}_${sequence}`);
      return { trimmed: resumed.trimmed, messages: resumed.entries.map((entry) => entry.message) };
    };
    expect(await from(0)).toEqual({ trimmed: true, messages: ["3", "4", "5"] });
    expect(await from(1)).toEqual({ trimmed: true, messages: ["3", "4", "5"] });
    expect(await from(2)).toEqual({ trimmed: false, messages: ["3", "4", "5"] });
    expect(await from(5)).toEqual({ trimmed: false, messages: [] });
    await state.delete(`events:s:${stream.streamId}`);
    expect(await from(4)).toEqual({ trimmed: true, messages: [] });
  });

  it("writes nothing for a stream that nothing was sent on", async () => {
    let operations = 0;
    const state = wrapState(memoryState(), (_, run) => {
      operations++;
      return run();
    });
    const stream = replays(state, "w1").open({ sessionId: "s", requestId: "1" });
    await stream.finish();
    expect(operations).toBe(0);
  });

  it("answers event ids at once while the store hangs, and writes in order when it goes on", async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const inner = memoryState();
    const state = wrapState(inner, (_, run) => gate.then(run));
    const stream = replays(state, "w1").open({ sessionId: "s" });
    const ids = ["a", "b"].map((message) => stream.append(message));
    const finished = stream.finish();
    expect(ids).toEqual([`${stream.streamId}_1`, `${stream.streamId}_2`]);
    expect(() => stream.append("late")).toThrow("an event after the end of its stream");
    release();
    await finished;
    expect((await resume(replays(inner, "w2"), "s", `${stream.streamId}_0`)).entries).toEqual([
      { id: ids[0], message: "a" },
      { id: ids[1], message: "b" },
    ]);
  });

  it("gives up the writes of a finished stream when the store stays away, and says so", async () => {
    const { log, lines } = recordingLog();
    const state = wrapState(memoryState(), () => Promise.reject(new Error("down")));
    const stream = replays(state, "w1", { log, giveUpMs: 5 }).open({ sessionId: "s" });
    stream.append("a");
    await stream.finish();
    expect(lines).toEqual([
      { level: "warn", event: "replay.given_up", fields: { streamId: stream.streamId, events: 1, reason: "down" } },
    ]);
  });

  it("bounds what waits for the store to the newest events", async () => {
    let down = true;
    const inner = memoryState();
    const state = wrapState(inner, (_, run) => (down ? Promise.reject(new Error("down")) : run()));
    const stream = replays(state, "w1", { cap: 5 }).open({ sessionId: "s" });
    for (let index = 1; index <= 100; index++) stream.append(String(index));
    down = false;
    await stream.finish();
    const resumed = await resume(replays(inner, "w2"), "s", `${stream.streamId}_0`);
    expect(resumed.trimmed).toBe(true);
    expect(resumed.entries.map((entry) => entry.message)).toEqual(["96", "97", "98", "99", "100"]);
  });

  it("keeps an open but silent stream alive", async () => {
    const state = memoryState();
    const owner = replays(state, "w1", { ttlMs: 60 });
    const stream = owner.open({ sessionId: "s" });
    const quiet = replays(state, "w1", { ttlMs: 60 });
    const lost = quiet.open({ sessionId: "s" });
    quiet.close();
    const id = stream.append("a");
    lost.append("a");
    await until(async () => (await owner.resume("s", `${lost.streamId}_0`)) === undefined, "the other stream's end");
    expect((await resume(owner, "s", `${stream.streamId}_0`)).entries).toEqual([{ id, message: "a" }]);
    owner.close();
  });

  it("follows a stream of another worker to its end, and stops when told to", async () => {
    const state = memoryState();
    const stream = replays(state, "w1").open({ sessionId: "s" });
    stream.append("a");
    const reader = replays(state, "w2", { recheckMs: 3_600_000 });
    await until(
      async () => (await reader.resume("s", `${stream.streamId}_0`))?.entries.length === 1,
      "the first event",
    );
    const resumed = await resume(reader, "s", `${stream.streamId}_0`);
    const seen = follow(resumed);
    const stopped = follow(await resume(reader, "s", `${stream.streamId}_0`));
    stopped.stop();
    for (const message of ["b", "c"]) stream.append(message);
    await stream.finish();
    await until(() => seen.how !== undefined, "the end");
    expect(seen).toMatchObject({ messages: ["a", "b", "c"], how: "finished" });
    expect(seen.ids).toEqual([1, 2, 3].map((sequence) => `${stream.streamId}_${sequence}`));
    expect(stopped).toMatchObject({ messages: ["a"], how: undefined });
  });

  it("lets exactly one of all who resume take over from a dead owner; the others receive what it writes", async () => {
    const state = memoryState();
    const dying = workerPresence(state, "w1");
    await dying.start();
    const stream = replays(state, "w1").open({ sessionId: "s", requestId: "7" });
    stream.append("a");
    const readers = ["w2", "w3", "w2"].map((id) => replays(state, id, { presence: workerPresence(state, id) }));
    for (const id of ["w2", "w3"]) await workerPresence(state, id).start();
    const [first] = readers;
    if (first === undefined) return expect.fail("no reader");
    await until(async () => (await first.resume("s", `${stream.streamId}_0`))?.entries.length === 1, "the first event");
    const resumed = await Promise.all(readers.map((reader) => resume(reader, "s", `${stream.streamId}_0`)));
    const seen = resumed.map(follow);
    await dying.close();
    await until(() => seen.every((one) => one.how === "ownerLost"), "the owner's death");
    const claims = await Promise.all(resumed.map((one) => one.claim()));
    const winners = claims.filter((claim) => claim !== undefined);
    expect(winners).toHaveLength(1);
    const after = resumed.map(follow);
    expect(await winners[0]?.append("error")).toEqual({ id: `${stream.streamId}_2`, message: "error" });
    await winners[0]?.finish();
    await until(() => after.every((one) => one.how === "finished"), "the end");
    expect(after.map((one) => one.messages.at(-1))).toEqual(["error", "error", "error"]);
    expect(after.map((one) => one.messages.filter((message) => message === "error").length)).toEqual([1, 1, 1]);
    expect(await resumed[0]?.claim()).toBeUndefined();
    expect(await resume(first, "s", `${stream.streamId}_1`)).toMatchObject({
      finished: true,
      entries: [{ message: "error" }],
      requestId: "7",
    });
  });

  it("can be taken over again when the one who took over dies too", async () => {
    const state = memoryState();
    const stream = replays(state, "w1").open({ sessionId: "s" });
    stream.announce();
    const presence = { isAlive: async (id: string) => id === "w3" };
    const [second, third] = [replays(state, "w2", { presence }), replays(state, "w3", { presence })];
    await until(async () => (await second.resume("s", `${stream.streamId}_0`)) !== undefined, "the announcement");
    const claimed = await (await resume(second, "s", `${stream.streamId}_0`)).claim();
    expect(claimed).toBeDefined();
    const again = await resume(third, "s", `${stream.streamId}_0`);
    expect(again.ownerWorker).toBe("w2");
    const seen = follow(again);
    await until(() => seen.how === "ownerLost", "the second owner's death");
    const last = await again.claim();
    await last?.append("end");
    await last?.finish();
    expect((await resume(third, "s", `${stream.streamId}_0`)).entries.map((entry) => entry.message)).toEqual(["end"]);
  });

  it("refuses a cap below 1", () => {
    expect(() => replays(memoryState(), "w", { cap: 0 })).toThrow("cap is 0, least is 1");
  });

  // Operations take random numbers of turns of the event loop; some fail before or after they were done; some messages are lost.
  it("gives each event exactly once and in order, whatever the interleaving and whatever fails", async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ kind: "append" as const }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("resume" as const), after: fc.nat(30) }) },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 6 }) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.infiniteStream(fc.nat(99)), async (steps, dice) => {
        const roll = () => Number(dice.next().value);
        const inner = memoryState();
        const state = wrapState(inner, async (operation, run) => {
          const luck = roll();
          // A published wake-up may vanish; everything else may fail without or with its effect.
          if (luck < 10) throw new Error("failed before");
          await turns(roll() % 4);
          const answer = await run();
          if (luck < 20 && operation !== "subscribe") throw new Error("failed after");
          await turns(roll() % 3);
          return answer;
        });
        const owner = replays(state, "w1");
        const reader = replays(state, "w2", { recheckMs: 1 });
        const stream = owner.open({ sessionId: "s" });
        let sent = 0;
        const pending: Promise<{ after: number; seen: Seen }>[] = [];
        for (const one of steps) {
          if (one.kind === "append") stream.append(String(++sent));
          else if (one.kind === "turns") await turns(one.count);
          else pending.push(untilResumed(reader, `${stream.streamId}_`, Math.min(one.after, sent)));
        }
        stream.append(String(++sent));
        await stream.finish();
        for (const { after, seen } of await Promise.all(pending)) {
          await until(() => seen.how !== undefined, "the end of a follower");
          const expected = Array.from({ length: sent - after }, (_, index) => after + 1 + index);
          expect(seen).toMatchObject({ messages: expected.map(String), how: "finished" });
          expect(seen.ids).toEqual(expected.map((sequence) => `${stream.streamId}_${sequence}`));
        }
        owner.close();
        reader.close();
      }),
      { numRuns: 150 },
    );
  });
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A client tries again while the store fails or does not know the stream yet. */
async function untilResumed(reader: ReturnType<typeof createReplays>, prefix: string, after: number) {
  for (;;) {
    const stream = await reader.resume("s", `${prefix}${after}`).catch(() => undefined);
    if (stream !== undefined) return { after, seen: follow(stream) };
    await turns(1);
  }
}

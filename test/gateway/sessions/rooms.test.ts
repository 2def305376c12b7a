import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { memoryState, type SharedState } from "../../../gateway/coordination/index.ts";
import {
  createReplayRoom,
  createReplays,
  createSealer,
  createSessionRoom,
  createSessionTokens,
  createTombstones,
  type ResumableStream,
} from "../../../gateway/sessions/index.ts";
import { until } from "../coordination/conformance.ts";

const LOST =
  '{"jsonrpc":"2.0","id":"01","error":{"code":-32011,"message":"The gateway worker that ran this call is gone; the call may or may not have been carried out","data":{"code":"MCPS_CALL_LOST"}}}';

function roomOf(state: SharedState, workerId: string, isAlive: (id: string) => Promise<boolean>, ttlMs = 60_000) {
  return createReplayRoom(createReplays({ state, workerId, presence: { isAlive }, recheckMs: 2, retryMs: 1, ttlMs }));
}

function deliver(stream: ResumableStream | undefined) {
  const seen: { messages: string[]; ids: string[]; finished: number; stop(): void } = {
    messages: [],
    ids: [],
    finished: 0,
    stop: () => undefined,
  };
  if (stream === undefined) throw new Error("not resumed");
  seen.stop = stream.deliver(
    (id, raw) => {
      seen.ids.push(id);
      seen.messages.push(raw.toString());
    },
    () => {
      seen.finished++;
    },
  );
  return seen;
}

async function started(state: SharedState, requestId: string | undefined) {
  const room = roomOf(state, "w1", async () => true);
  const log = room.open("s", requestId);
  const first = log.announce();
  log.append(Buffer.from("progress"));
  await until(async () => {
    const found = await room.resume("s", first);
    const seen = found && deliver(found);
    seen?.stop();
    return seen?.messages.length === 1;
  }, "the first event");
  return { log, first };
}

describe("replay room", () => {
  it("owes every client of a call whose worker died one error, with the id as it was sent, and one end", async () => {
    const state = memoryState();
    const { first } = await started(state, '"01"');
    const rooms = ["w2", "w3"].map((id) => roomOf(state, id, async (asked) => asked !== "w1"));
    const seen = await Promise.all(rooms.map(async (room) => deliver(await room.resume("s", first))));
    await until(() => seen.every((one) => one.finished > 0), "the end for both");
    for (const one of seen) {
      expect(one.messages).toEqual(["progress", LOST]);
      expect(one.ids).toEqual(["1", "2"].map((sequence) => first.replace(/_0\./, `_${sequence}.`)));
      expect(one.finished).toBe(1);
    }
  });

  it("owes the error also for a call of which its worker had stored nothing when it died", async () => {
    const room = roomOf(memoryState(), "w1", async () => true);
    const first = room.open("s", '"01"').announce();
    const elsewhere = roomOf(memoryState(), "w2", async () => false);
    const stream = await elsewhere.resume("s", first);
    const seen = deliver(stream);
    expect(seen).toMatchObject({ messages: [LOST], ids: [first], finished: 1 });
    for (const id of ["abc_0", "abc_0.", "abc_0.e30", "abc_0.IiIsIngiOjEi", "x.MQ.MQ"]) {
      expect(await elsewhere.resume("s", id), id).toBeUndefined();
    }
  });

  it("ends the stream of a session without an error when its worker died", async () => {
    const state = memoryState();
    const { first } = await started(state, undefined);
    const stream = await roomOf(state, "w2", async (asked) => asked !== "w1").resume("s", first);
    expect(stream?.kind).toBe("get");
    const seen = deliver(stream);
    await until(() => seen.finished > 0, "the end");
    expect(seen.messages).toEqual(["progress"]);
  });

  it("does not take a worker for dead that misses its lease once", async () => {
    const state = memoryState();
    const { log, first } = await started(state, "1");
    let looks = 0;
    const seen = deliver(await roomOf(state, "w2", async () => ++looks % 2 === 0).resume("s", first));
    await until(() => looks >= 6, "some looks");
    log.append(Buffer.from("result"));
    log.finish();
    await until(() => seen.finished > 0, "the end");
    expect(seen.messages).toEqual(["progress", "result"]);
  });

  it("ends when the store has forgotten the stream and its worker is dead, or when it stays forgotten", async () => {
    for (const alive of [false, true]) {
      const state = memoryState();
      const { first } = await started(state, "1");
      const stream = await roomOf(state, "w2", async () => alive, 20).resume("s", first);
      await state.delete(`stream:s:${first.replace(/_0\..*$/, "")}`);
      const seen = deliver(stream);
      await until(() => seen.finished > 0, "the end");
      expect(seen).toMatchObject({ messages: ["progress"], finished: 1 });
    }
  });
});

describe("session room", () => {
  it("opens a session for its own endpoint and principal, until its time is over, and tells when it was ended", async () => {
    let now = 1_790_000_000_000;
    const tokens = createSessionTokens(createSealer([{ id: "k", secret: randomBytes(32) }]));
    const room = createSessionRoom(tokens, createTombstones(memoryState()), 1000, () => now);
    const [capabilities, clientInfo] = [Buffer.from('{"roots":{}}'), Buffer.from('{"name":"c","version":"1"}')];
    const { token, facts } = room.mint("/mcp", "me", "2025-06-18", capabilities, clientInfo);
    expect(room.open(token, "/mcp", "me")).toMatchObject({ ...facts, capabilities, clientInfo });
    expect(room.open(token, "/mcp", "you")).toBeUndefined();
    expect(room.open(token, "/servers/1/mcp", "me")).toBeUndefined();
    expect(room.ended(facts.id)).toBe(false);
    await room.end(facts.id);
    expect(room.ended(facts.id)).toBe(true);
    now += 1000;
    expect(room.open(token, "/mcp", "me")).toBeUndefined();
  });
});

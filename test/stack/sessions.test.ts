/** What sessions do over a real Redis between two workers: streams resumed elsewhere, tombstones, parked calls, and the store going away. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisState, workerPresence } from "../../gateway/coordination/index.ts";
import { createMailbox, createReplays, createTombstones } from "../../gateway/sessions/index.ts";
import { until } from "../gateway/coordination/conformance.ts";
import { silentLog } from "../gateway/coordination/log.ts";
import { type Daemon, installed, missing, startRedis, titled } from "../harness/index.ts";

const absent = missing("redis-server", "redis-cli");
describe.skipIf(absent !== undefined)(titled("sessions over Redis", absent), () => {
  let server: Daemon;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server.stop();
  });
  const open = () =>
    redisState({ url: server.url, prefix: "s:", log: silentLog, commandTimeoutMs: 1000, maxRetryDelayMs: 100 });

  it("resumes a stream on another worker and goes on with it, and one worker ends it when the owner dies", async () => {
    const [first, second] = [open(), open()];
    const presence = workerPresence(first, "w1", { ttlMs: 300, renewMs: 50 });
    await presence.start();
    const stream = createReplays({ state: first, workerId: "w1" }).open({ sessionId: "s", requestId: "1" });
    const id = stream.append("one");
    const reader = createReplays({
      state: second,
      workerId: "w2",
      presence: workerPresence(second, "w2"),
      recheckMs: 100,
    });
    await until(
      async () => (await reader.resume("s", `${stream.streamId}_0`))?.entries.length === 1,
      "the first event",
    );
    const resumed = await reader.resume("s", id);
    const seen: string[] = [];
    resumed?.follow({ event: (_, message) => seen.push(message), end: (how) => seen.push(`end: ${how}`) });
    stream.append("two");
    stream.append("three");
    await until(() => seen.length === 2, "what came later");
    // The owner goes without a word.
    await first.close();
    await until(() => seen.length === 3, "the owner's death");
    expect(seen).toEqual(["two", "three", "end: ownerLost"]);
    const claim = await resumed?.claim();
    await claim?.append("error");
    await claim?.finish();
    expect((await reader.resume("s", id))?.entries.map((entry) => entry.message)).toEqual(["two", "three", "error"]);
    await presence.close();
    await second.close();
  });

  it("keeps no more of a stream than its cap, and nothing of it for ever", async () => {
    const state = open();
    const room = createReplays({ state, workerId: "w1", cap: 5, ttlMs: 60_000 });
    const streams = Array.from({ length: 20 }, (_, n) => room.open({ sessionId: `bounded-${n}` }));
    for (let n = 0; n < 200; n++) for (const stream of streams) stream.append(`event ${n}`);
    await Promise.all(streams.map((stream) => stream.finish()));
    const cli = async (...args: string[]) => {
      const { stdout } = await promisify(execFile)(installed("redis-cli"), ["-u", server.url, ...args]);
      return stdout.trim();
    };
    for (const [n, { streamId }] of streams.entries()) {
      const kept = await state.readAfter(`events:bounded-${n}:${streamId}`, 0);
      // The last of them says that the stream is finished.
      expect(kept.entries.length).toBe(5);
    }
    const keys = (await cli("--scan", "--pattern", "*bounded-*")).split("\n");
    expect(keys.length).toBeGreaterThanOrEqual(20);
    const left = await Promise.all(keys.map((key) => cli("pttl", key)));
    expect(left.filter((ms) => Number(ms) <= 0 || Number(ms) > 60_000)).toEqual([]);
    await room.close();
    await state.close();
  });

  it("ends a session at every worker, and carries on a parked call through a mailbox", async () => {
    const [first, second] = [open(), open()];
    const [one, two] = [createTombstones(first), createTombstones(second)];
    await one.start();
    await two.start();
    expect(await two.ended("gone")).toBe(false);
    await one.end("gone", 60_000);
    await until(() => two.ended("gone") === true, "the message");

    const [here, there] = [createMailbox(first, "w1"), createMailbox(second, "w2")];
    await here.start();
    await there.start();
    there.handle("answer", (payload) => `got ${payload}`);
    there.serve("continue", (payload, stream) => {
      for (const part of payload.split(",")) stream.write(part);
      stream.end();
    });
    expect(await here.ask("w2", "answer", '{"id":1}', 30_000)).toBe('got {"id":1}');
    const parts: string[] = [];
    for await (const part of here.open("w2", "continue", "a,b,c")) parts.push(part);
    expect(parts).toEqual(["a", "b", "c"]);
    await first.close();
    await second.close();
  });

  it("keeps a live stream going while Redis is away and stores what it still has when Redis is back", async () => {
    const state = open();
    const replays = createReplays({ state, workerId: "w1", retryMs: 20 });
    const stream = replays.open({ sessionId: "s" });
    stream.append("before");
    await until(
      async () => (await replays.resume("s", `${stream.streamId}_0`))?.entries.length === 1,
      "the first event",
    );
    await server.crash();
    const ids = ["during", "also"].map((message) => stream.append(message));
    const finished = stream.finish();
    await expect(replays.resume("s", ids[0] ?? "")).rejects.toMatchObject({ code: "MCPS_STATE" });
    await server.start();
    await finished;
    const resumed = await replays.resume("s", `${stream.streamId}_0`);
    // That Redis keeps nothing on disk: the first event is lost and said to be.
    expect(resumed).toMatchObject({ trimmed: true, finished: true, requestId: undefined });
    expect(resumed?.entries.map((entry) => entry.message)).toEqual(["during", "also"]);
    await state.close();
  });
});

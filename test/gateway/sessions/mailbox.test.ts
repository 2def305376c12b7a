import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fault } from "../../../contract/errors.ts";
import { memoryState, type SharedState } from "../../../gateway/coordination/index.ts";
import { createMailbox, type MailboxOptions, type OutgoingWriter } from "../../../gateway/sessions/index.ts";
import { until } from "../coordination/conformance.ts";
import { recordingLog } from "../coordination/log.ts";
import { wrapState } from "./wrapped-state.ts";

const LONG = 30_000;

async function pair(state: SharedState = wrapState(memoryState(), (_, run) => run()), options: MailboxOptions = {}) {
  const [one, two] = [createMailbox(state, "w1", options), createMailbox(state, "w2", options)];
  await one.start();
  await two.start();
  return { one, two };
}

async function collect(stream: AsyncIterable<string>): Promise<{ messages: string[]; code: string | undefined }> {
  const messages: string[] = [];
  try {
    for await (const message of stream) messages.push(message);
    return { messages, code: undefined };
  } catch (error) {
    return { messages, code: error instanceof Error && "code" in error ? String(error.code) : "?" };
  }
}

describe("mailbox", () => {
  it("sends and asks across workers and at home, without the store at home", async () => {
    let published = 0;
    const state = wrapState(memoryState(), (operation, run) => {
      if (operation === "publish") published++;
      return run();
    });
    const { one, two } = await pair(state);
    const got: string[] = [];
    for (const box of [one, two]) {
      box.handle("echo", async (payload, from) => `${box.address()} heard ${payload} from ${from}`);
      box.handle("note", (payload) => {
        got.push(`${box.address()}:${payload}`);
        return "";
      });
    }
    expect(await one.ask("w1", "echo", "ä", LONG)).toBe("w1 heard ä from w1");
    await one.send("w1", "note", "home");
    await until(() => got.length === 1, "the note at home");
    expect(published).toBe(0);
    expect(await one.ask("w2", "echo", '{"a":1}', LONG)).toBe('w2 heard {"a":1} from w1');
    await two.send("w1", "note", "away");
    await until(() => got.length === 2, "the note from away");
    expect(got).toEqual(["w1:home", "w1:away"]);
    expect(published).toBe(3);
  });

  it("keeps answers apart when many are asked at once", async () => {
    const { one, two } = await pair();
    two.handle("slow", async (payload) => {
      for (let turn = Number(payload) % 7; turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
      return payload;
    });
    const asked = Array.from({ length: 200 }, (_, index) => String(index));
    expect(await Promise.all(asked.map((payload) => one.ask("w2", "slow", payload, LONG)))).toEqual(asked);
  });

  it("brings a handler's fault over, hides other errors, and ends questions nobody answers", async () => {
    const { log, lines } = recordingLog();
    const { one, two } = await pair(undefined, { log });
    two.handle("fault", () => {
      throw fault("MCPS_TOOL_UNKNOWN", { name: "x" }, { hint: 1 });
    });
    two.handle("error", () => {
      throw new Error("secret");
    });
    two.handle("hang", () => new Promise(() => undefined));
    await expect(one.ask("w2", "fault", "", LONG)).rejects.toMatchObject({
      code: "MCPS_TOOL_UNKNOWN",
      message: "Unknown tool: x",
      data: { hint: 1 },
      status: 200,
    });
    await expect(one.ask("w2", "error", "", LONG)).rejects.toMatchObject({
      code: "MCPS_INTERNAL",
      message: expect.not.stringContaining("secret"),
    });
    expect(lines.map((line) => line.event)).toEqual(["mailbox.handler_failed"]);
    await expect(one.ask("w2", "nobody", "", LONG)).rejects.toMatchObject({ code: "MCPS_CALL_LOST" });
    await expect(one.ask("w2", "hang", "", 5)).rejects.toMatchObject({ code: "MCPS_CALL_LOST" });
    await expect(one.ask("w9", "any", "", 5)).rejects.toMatchObject({ code: "MCPS_CALL_LOST" });
  });

  it("bounds open questions and refuses a second handler of a kind", async () => {
    const { one, two } = await pair(undefined, { maxPending: 1 });
    two.handle("hang", () => new Promise(() => undefined));
    const first = one.ask("w2", "hang", "", LONG);
    await expect(one.ask("w2", "hang", "", LONG)).rejects.toMatchObject({
      code: "MCPS_OVERLOADED",
      message: "Too many questions to other workers at once, the limit is 1",
    });
    const lost = expect(first).rejects.toMatchObject({ code: "MCPS_CALL_LOST" });
    await one.close();
    await lost;
    await expect(one.ask("w2", "hang", "", LONG)).rejects.toMatchObject({ code: "MCPS_CALL_LOST" });
    expect(() => two.handle("hang", () => "")).toThrow("hang has a handler already");
  });

  it.each(["w1", "w2"])("streams messages in order from %s until the end", async (target) => {
    const { one, two } = await pair();
    for (const box of [one, two]) {
      box.serve("count", (payload, stream) => {
        for (let number = 1; number <= Number(payload); number++) stream.write(String(number));
        setImmediate(() => {
          stream.write("last");
          stream.end();
          stream.write("too late");
        });
      });
    }
    const { messages, code } = await collect(one.open(target, "count", "50"));
    expect(code).toBeUndefined();
    expect(messages).toEqual([...Array.from({ length: 50 }, (_, index) => String(index + 1)), "last"]);
    expect(await collect(one.open(target, "count", "0"))).toEqual({ messages: ["last"], code: undefined });
  });

  it("ends a stream with the fault it failed with, after its messages", async () => {
    const { one, two } = await pair();
    two.serve("fails", (_, stream) => {
      stream.write("1");
      stream.fail(fault("MCPS_UPSTREAM_TIMEOUT", { upstream: "u", method: "m", ms: 5 }));
    });
    two.serve("throws", () => {
      throw fault("MCPS_DRAINING");
    });
    expect(await collect(one.open("w2", "fails", ""))).toEqual({ messages: ["1"], code: "MCPS_UPSTREAM_TIMEOUT" });
    expect(await collect(one.open("w2", "throws", ""))).toEqual({ messages: [], code: "MCPS_DRAINING" });
    expect(await collect(one.open("w2", "nobody", ""))).toEqual({ messages: [], code: "MCPS_CALL_LOST" });
  });

  it("tells the writer when the reader leaves", async () => {
    const { one, two } = await pair();
    let writer: OutgoingWriter | undefined;
    let cancelled = 0;
    two.serve("endless", (_, stream) => {
      writer = stream;
      stream.onCancel(() => {
        cancelled++;
      });
      stream.write("1");
    });
    for await (const message of one.open("w2", "endless", "")) {
      expect(message).toBe("1");
      break;
    }
    await until(() => cancelled === 1, "the cancellation");
    expect(writer?.closed).toBe(true);
  });

  it("fails a stream whose reader is too slow, and stops its writer", async () => {
    const { one, two } = await pair(undefined, { maxQueued: 3 });
    let cancelled = false;
    two.serve("flood", (_, stream) => {
      stream.onCancel(() => {
        cancelled = true;
      });
      for (let number = 1; number <= 10; number++) stream.write(String(number));
    });
    const stream = one.open("w2", "flood", "");
    await until(() => cancelled, "the cancellation");
    expect(await collect(stream)).toEqual({ messages: ["1", "2", "3"], code: "MCPS_OVERLOADED" });
  });

  it("notices a worker that is silent, and a reader that is dead", async () => {
    const state = wrapState(memoryState(), (_, run) => run());
    const dead = new Set<string>();
    const presence = { isAlive: async (id: string) => !dead.has(id) };
    const { one, two } = await pair(state, { beatMs: 5, presence });
    let cancelled = false;
    two.serve("endless", (_, stream) => {
      stream.onCancel(() => {
        cancelled = true;
      });
      stream.write("1");
    });
    const silent = createMailbox(state, "w3");
    await silent.start();
    silent.serve("endless", (_, stream) => stream.write("1"));
    // w3 beats every 5 s, which is silence for a reader that expects 5 ms.
    expect(await collect(one.open("w3", "endless", ""))).toEqual({ messages: ["1"], code: "MCPS_CALL_LOST" });
    const open = one.open("w2", "endless", "");
    expect((await open.next()).value).toBe("1");
    dead.add("w1");
    await until(() => cancelled, "the cancellation for a dead reader");
    expect(await collect(open)).toEqual({ messages: [], code: "MCPS_CALL_LOST" });
  });

  it("starts while the store is away and hears once it is back", async () => {
    let down = true;
    const state = wrapState(memoryState(), (_, run) =>
      down ? Promise.reject(fault("MCPS_STATE", { reason: "down" })) : run(),
    );
    const { one, two } = await pair(state, { retryMs: 1 });
    two.handle("echo", (payload) => payload);
    await expect(one.ask("w2", "echo", "1", LONG)).rejects.toMatchObject({ code: "MCPS_STATE" });
    expect(await collect(one.open("w2", "echo", ""))).toEqual({ messages: [], code: "MCPS_STATE" });
    down = false;
    await until(
      () =>
        one.ask("w2", "echo", "1", 50).then(
          (answer) => answer === "1",
          () => false,
        ),
      "an answer",
    );
  });

  it("drops what is no envelope", async () => {
    const { one, two } = await pair();
    two.handle("echo", (payload) => payload);
    const state = memoryState();
    const box = createMailbox(state, "w");
    await box.start();
    for (const text of [
      "",
      "null",
      "[]",
      "{",
      '{"t":1}',
      '{"t":"answer","i":"x"}',
      '{"t":"item","i":"x","f":"y"}',
      '{"t":"?","i":"x","f":"y"}',
    ])
      await state.publish("mailbox:w", text);
    box.handle("echo", (payload) => payload);
    expect(await box.ask("w", "echo", "still here", LONG)).toBe("still here");
    expect(await one.ask("w2", "echo", "x", LONG)).toBe("x");
  });

  it("gives a prefix in order and then a fault when messages are lost, all of them when none is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(20), fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }), async (count, losses) => {
        let sending = 0;
        let lost = false;
        const state = wrapState(memoryState(), (operation, run) => {
          const lose =
            operation === "publish" && sending++ > 0 && losses[sending] === true && losses[sending + 1] === true;
          lost ||= lose;
          return lose ? Promise.resolve(undefined as never) : run();
        });
        const { one, two } = await pair(state, { beatMs: 10 });
        two.serve("count", (_, stream) => {
          for (let number = 1; number <= count; number++) stream.write(String(number));
          stream.end();
        });
        const { messages, code } = await collect(one.open("w2", "count", ""));
        expect(messages).toEqual(Array.from({ length: messages.length }, (_, index) => String(index + 1)));
        if (lost) expect([undefined, "MCPS_CALL_LOST"]).toContain(code);
        if (code === undefined) expect(messages).toHaveLength(count);
        if (!lost) expect(code).toBeUndefined();
        await one.close();
        await two.close();
      }),
      { numRuns: 100 },
    );
  });
});

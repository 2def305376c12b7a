import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fault } from "../../../contract/errors.ts";
import { openCaches } from "../../../gateway/cache/index.ts";
import { memoryState } from "../../../gateway/coordination/index.ts";
import { scanMessage } from "../../../gateway/mcp/index.ts";
import type { Holder, OutboundMessage, ReplySink, UpstreamTarget } from "../../../gateway/upstreams/index.ts";
import { decodeAnswer, encodeAnswer } from "../../../gateway/upstreams/kept-answer.ts";
import { KeptAnswers, type KeptAnswersOptions } from "../../../gateway/upstreams/kept-answers.ts";

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};
const target = (id = "up", changes: Partial<UpstreamTarget> = {}): UpstreamTarget => ({
  id,
  slug: id,
  revision: "r1",
  transport: "streamable-http",
  url: "http://up.example/mcp",
  headers: {},
  era: "modern",
  requestTimeoutMs: 1000,
  ...changes,
});
const holder = (key: string): Holder => ({
  key,
  clientCapabilities: Buffer.from("{}"),
  clientInfo: Buffer.from("{}"),
  protocolVersion: "2025-11-25",
  ttlMs: 1000,
});
let ids = 0;
function message(method: string, params: object = {}, changes: Partial<OutboundMessage> = {}): OutboundMessage {
  const era = changes.era ?? "modern";
  const full = era === "modern" ? { _meta: META, ...params } : params;
  return { body: Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: ++ids, method, params: full })), method, ...changes };
}

type Pending = { readonly sink: ReplySink; readonly id: unknown; isCancelled: boolean; answer(result: object): void };

function setUp(options: Partial<KeptAnswersOptions> = {}) {
  const clock = { now: 1_000_000 };
  const state = memoryState();
  const caches = openCaches({
    type: "memory",
    state,
    second: state,
    secondTimeoutMs: 100,
    now: () => clock.now,
  });
  const answers = new KeptAnswers({
    caches,
    listTtlMs: { "tools/list": 20_000, "prompts/list": 15_000, "resources/list": 0, "resources/templates/list": 0 },
    readTtlMs: 60_000,
    maxPages: 100,
    maxResources: 100,
    maxBytes: 100_000,
    now: () => clock.now,
    ...options,
  });
  const asked: Pending[] = [];
  /** Who asked, by the id of the question. */
  const makers = new Map<unknown, string>();
  /** Asks and resolves with the result; `exchange` is given to `began` at once. */
  function ask(
    key: string,
    sent: OutboundMessage,
    to = target(),
    began?: (exchange: { cancel(): void }) => void,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { id } = JSON.parse(sent.body.toString()) as { id: unknown };
      makers.set(id, key);
      const exchange = answers.request(
        to,
        holder(key),
        sent,
        {
          message(raw) {
            const answer = JSON.parse(raw.toString()) as { id: unknown; result: unknown };
            expect(answer.id).toBe(id);
            resolve(answer.result);
          },
          end: () => undefined,
          fail: reject,
        },
        (sink) => {
          const pending: Pending = {
            sink,
            id,
            isCancelled: false,
            answer(result) {
              const raw = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, result }));
              sink.message(raw, 200, scanMessage(raw));
              sink.end();
            },
          };
          asked.push(pending);
          return {
            cancel() {
              pending.isCancelled = true;
            },
          };
        },
      );
      began?.(exchange);
    });
  }
  const settle = () => new Promise(setImmediate);
  /** Asks, and lets the upstream answer this if it is asked. */
  async function roundTrip(key: string, sent: OutboundMessage, result: object, to = target()) {
    const before = asked.length;
    const answer = ask(key, sent, to);
    await settle();
    const wasAsked = asked.length > before;
    asked[before]?.answer(result);
    return { result: await answer, wasAsked };
  }
  const tell = (method: string, to = target()) => {
    const raw = Buffer.from(JSON.stringify({ jsonrpc: "2.0", method }));
    const heard: string[] = [];
    const sink: ReplySink = {
      message: (_, __, envelope) => void heard.push(envelope.method),
      end: () => undefined,
      fail: () => undefined,
    };
    answers.hearing(to, sink).message(raw, 200, scanMessage(raw));
    expect(heard).toEqual([method]);
  };
  return { clock, asked, makers, ask, settle, roundTrip, tell };
}

const tools = (ttlMs: number, cacheScope: string, name = "t") => ({
  resultType: "complete",
  tools: [{ name }],
  ttlMs,
  cacheScope,
});

describe("answers that are kept", () => {
  it("answers a list again with what is left of its time, no longer than the upstream and the gateway allow", async () => {
    const { clock, roundTrip } = setUp();
    expect(await roundTrip("p:ann:1", message("tools/list"), tools(30_000, "private"))).toEqual({
      result: tools(30_000, "private"),
      wasAsked: true,
    });
    clock.now += 17_900;
    expect(await roundTrip("p:ann:1", message("tools/list"), {})).toEqual({
      result: tools(12_100, "private"),
      wasAsked: false,
    });
    clock.now += 2_100;
    expect((await roundTrip("p:ann:1", message("tools/list"), tools(5000, "private", "new"))).wasAsked).toBe(true);
    clock.now += 5000;
    expect((await roundTrip("p:ann:1", message("tools/list"), tools(5000, "private"))).wasAsked).toBe(true);
  });

  it("keeps nothing without a time, nothing of errors, of what is incomplete and of requests that answer questions", async () => {
    const { roundTrip, ask, asked, settle } = setUp();
    const isKept = async (result: object, params: object = {}) => {
      await roundTrip("p:ann:1", message("tools/list", params), result);
      return !(await roundTrip("p:ann:1", message("tools/list", params), tools(0, "private"))).wasAsked;
    };
    expect(await isKept(tools(0, "public"))).toBe(false);
    expect(await isKept({ tools: [] })).toBe(false);
    expect(await isKept({ ...tools(1000, "public"), resultType: "input_required" })).toBe(false);
    expect(await isKept(tools(1000, "public"), { requestState: "s" })).toBe(false);
    expect(await isKept(tools(1000, "public"), { _meta: { ...META, "com.example/tenant": "1" } })).toBe(false);
    expect(await isKept(tools(1000, "private"), { cursor: "kept" })).toBe(true);
    const failing = ask("p:ann:1", message("tools/list", { cursor: "error" }));
    await settle();
    asked.at(-1)?.sink.fail(fault("MCPS_UPSTREAM_PROTOCOL", { upstream: "up", reason: "gone" }));
    await expect(failing).rejects.toMatchObject({ code: "MCPS_UPSTREAM_PROTOCOL" });
    const again = await roundTrip("p:ann:1", message("tools/list", { cursor: "error" }), tools(1000, "private"));
    expect(again.wasAsked).toBe(true);
  });

  it("answers all with what is public, and each with what is private to him, from the moment on at which that is known", async () => {
    const { roundTrip, clock } = setUp();
    const ask = async (who: string, result: object, to = target()) =>
      (await roundTrip(who, message("tools/list"), result, to)).wasAsked;
    expect(await ask("p:ann:1", tools(9000, "public"))).toBe(true);
    expect(await ask("p:bob:1", tools(9000, "public"))).toBe(true);
    expect(await ask("p:cleo:1", {})).toBe(false);
    // What was for all becomes private: whoever asked for it under the key of all has it alone.
    clock.now += 9000;
    expect(await ask("p:cleo:1", tools(9000, "private"))).toBe(true);
    expect(await ask("p:ann:1", tools(9000, "private"))).toBe(true);
    expect(await ask("p:ann:1", {})).toBe(false);
    expect(await ask("p:bob:1", tools(9000, "private"))).toBe(true);
    // Nothing is for all where the upstream is told who asks.
    const personal = target("own", { identity: { enabled: true } });
    for (const who of ["p:ann:1", "p:bob:1", "p:cleo:1"])
      expect(await ask(who, tools(9000, "public"), personal)).toBe(true);
  });

  it("tells pages, upstreams, revisions, capabilities and headers apart, and not who writes what first", async () => {
    const { roundTrip } = setUp();
    const isNew = async (sent: OutboundMessage, to = target()) =>
      (await roundTrip("p:ann:1", sent, tools(9000, "private"), to)).wasAsked;
    expect(await isNew(message("tools/list"))).toBe(true);
    expect(await isNew(message("prompts/list"))).toBe(true);
    expect(await isNew(message("tools/list", { cursor: "2" }))).toBe(true);
    expect(await isNew(message("tools/list", { cursor: "2", filter: 1 }))).toBe(true);
    expect(await isNew(message("tools/list", { filter: 1, cursor: "2" }))).toBe(false);
    expect(await isNew(message("tools/list"), target("other"))).toBe(true);
    expect(await isNew(message("tools/list"), target("up", { revision: "r2" }))).toBe(true);
    const sampling = { ...META, "io.modelcontextprotocol/clientCapabilities": { sampling: {} } };
    expect(await isNew(message("tools/list", { _meta: sampling }))).toBe(true);
    expect(await isNew(message("tools/list", {}, { headers: { "x-tenant": "a" } }))).toBe(true);
    expect(await isNew(message("tools/list", {}, { headers: { "x-tenant": "b" } }))).toBe(true);
    expect(await isNew(message("tools/list", {}, { headers: { traceparent: "00-1-2-01" } }))).toBe(false);
    expect(await isNew(message("tools/list", { _meta: { ...META, progressToken: 7 } }))).toBe(false);
  });

  it("asks once for lists of one time and holder, in either era, and for nobody whose holder is another", async () => {
    for (const era of ["modern", "legacy"] as const) {
      const { ask, asked, settle } = setUp();
      const lists = ["s:1", "s:1", "s:1", "s:2"].map((key) => ask(key, message("tools/list", {}, { era })));
      await settle();
      expect(asked).toHaveLength(2);
      for (const [index, pending] of asked.entries()) pending.answer(tools(0, "private", `for ${index}`));
      const names = (await Promise.all(lists)).map((list) => JSON.stringify(list).includes("for 1"));
      expect(names).toEqual([false, false, false, true]);
      // It was not kept.
      const later = ask("s:1", message("tools/list", {}, { era }));
      await settle();
      expect(asked).toHaveLength(3);
      asked[2]?.answer(tools(0, "private"));
      await later;
    }
  });

  it("lets another one ask when who asked goes away, and lets those who wait fail with him when the upstream fails", async () => {
    const { ask, asked, settle } = setUp();
    const exchanges: { cancel(): void }[] = [];
    const lists = [1, 2, 3].map(() =>
      ask("s:1", message("tools/list"), target(), (exchange) => exchanges.push(exchange)).catch((error) => error.code),
    );
    await settle();
    exchanges[0]?.cancel();
    expect(asked[0]?.isCancelled).toBe(true);
    await settle();
    expect(asked).toHaveLength(2);
    asked[1]?.sink.fail(fault("MCPS_UPSTREAM_PROTOCOL", { upstream: "up", reason: "gone" }));
    expect(await Promise.all(lists.slice(1))).toEqual(["MCPS_UPSTREAM_PROTOCOL", "MCPS_UPSTREAM_PROTOCOL"]);
  });

  it("forgets what the upstream says has changed, and nothing else", async () => {
    const { roundTrip, tell } = setUp();
    const read = (uri: string) => message("resources/read", { uri });
    const contents = { resultType: "complete", contents: [], ttlMs: 9000, cacheScope: "private" };
    const kept = async () => ({
      tools: !(await roundTrip("p:a:1", message("tools/list"), tools(9000, "private"))).wasAsked,
      prompts: !(await roundTrip("p:a:1", message("prompts/list"), tools(9000, "private"))).wasAsked,
      read: !(await roundTrip("p:a:1", read("a:1"), contents)).wasAsked,
      other: !(await roundTrip("p:a:1", message("tools/list"), tools(9000, "private"), target("other"))).wasAsked,
    });
    await kept();
    await kept();
    expect(await kept()).toEqual({ tools: true, prompts: true, read: true, other: true });
    tell("notifications/tools/list_changed");
    expect(await kept()).toEqual({ tools: false, prompts: true, read: true, other: true });
    tell("notifications/resources/updated");
    expect(await kept()).toEqual({ tools: true, prompts: true, read: false, other: true });
    tell("notifications/prompts/list_changed");
    tell("notifications/prompts/list_changed");
    expect(await kept()).toEqual({ tools: true, prompts: false, read: true, other: true });
    tell("notifications/message");
    expect(await kept()).toEqual({ tools: true, prompts: true, read: true, other: true });
  });

  it("waits for no other reader of an upstream whose resources cannot be kept", async () => {
    const { ask, asked, settle } = setUp();
    const read = () => message("resources/read", { uri: "a:1" });
    const reads = [ask("p:a:1", read()), ask("p:a:1", read())];
    await settle();
    expect(asked).toHaveLength(2);
    for (const pending of asked) pending.answer({ contents: [], ttlMs: 0, cacheScope: "private" });
    await Promise.all(reads);
  });

  it("never answers one principal with what is private to another, whoever asks when and whatever upstreams say", async () => {
    const principals = ["p:ann:1", "p:bob:1", "1", "p:ann:1\n*"];
    const step = fc.record({
      who: fc.constantFrom(...principals),
      what: fc.constantFrom("tools/list", "prompts/list", "resources/read"),
      page: fc.constantFrom("1", "2"),
      scope: fc.constantFrom("public", "private", "odd"),
      ttlMs: fc.constantFrom(0, 500, 9000),
      passMs: fc.integer({ min: 0, max: 3000 }),
      together: fc.integer({ min: 1, max: 3 }),
      change: fc.option(fc.constantFrom("notifications/tools/list_changed", "notifications/resources/updated")),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { ask, asked, makers, settle, clock, tell } = setUp();
        for (const { who, what, page, scope, ttlMs, passMs, together, change } of steps) {
          clock.now += passMs;
          if (change !== null) tell(change);
          const others = principals.slice(0, together);
          const sent = () => message(what, what === "resources/read" ? { uri: page } : { cursor: page });
          const answers = [who, ...others].map(async (one) => ({ one, result: await ask(one, sent()) }));
          // Each answer names the question for which the upstream made it.
          for (let round = 0; round < 4; round++) {
            await settle();
            for (const pending of asked.splice(0))
              pending.answer({ made: pending.id, scope, ttlMs, cacheScope: scope });
          }
          for (const { one, result } of await Promise.all(answers)) {
            const { made, cacheScope } = result as { made: number; cacheScope: string };
            if (cacheScope !== "public") expect(makers.get(made)).toBe(one);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});

it("an answer that is shared lives as long by the clock of who finds it, wherever that clock stands", () => {
  const result = Buffer.from('{"ttlMs":1000}');
  const answer = { result, ttlStart: 9, ttlEnd: 13, freshUntil: 5000, keepMs: 2000, isPrivate: false };
  const [slept, awake] = [3_600_000, 20];
  expect(decodeAnswer(encodeAnswer(answer, slept) ?? "", awake)).toEqual({
    ...answer,
    freshUntil: 5000 + slept - awake,
  });
});

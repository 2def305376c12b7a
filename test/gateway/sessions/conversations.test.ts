/** Conversations over made-up upstreams: nothing is left behind, nothing is answered twice, every era gets what it knows. */
import { afterEach, describe, expect, it } from "vitest";
import { fault } from "../../../contract/errors.ts";
import { memoryState } from "../../../gateway/coordination/index.ts";
import type { Caller, Scope } from "../../../gateway/federation/index.ts";
import { scanMessage } from "../../../gateway/mcp/index.ts";
import type { ClientReply } from "../../../gateway/sessions/index.ts";
import { waitFor } from "../../harness/index.ts";
import { gateway, type Rooms, type RoomsOptions, rooms, snapshot, type UpstreamScript } from "../transports/harness.ts";

const PRINCIPAL = { id: "ann@example.com", kind: "jwt", admin: true, teams: [] } as const;
const GATEWAY: Scope = { kind: "gateway", id: "id-one" };
const META = "io.modelcontextprotocol";
const started: Rooms[] = [];
afterEach(async () => {
  for (const one of started.splice(0)) await one.close();
});

async function start(options: Partial<RoomsOptions> & { scripts: RoomsOptions["scripts"] }): Promise<Rooms> {
  const gateways = Object.keys(options.scripts).map((slug) => gateway(slug));
  const one = await rooms({ catalogue: snapshot({ gateways }), ...options });
  started.push(one);
  return one;
}

type Heard = {
  readonly messages: Record<string, unknown>[];
  finals: { json: Record<string, unknown>; status: number }[];
  abandoned: number;
};

function replyTo(heard: Heard): ClientReply {
  return {
    canAsk: true,
    streaming: () => undefined,
    message: (raw) => void heard.messages.push(JSON.parse(raw.toString()) as Record<string, unknown>),
    finish: (raw, status) =>
      void heard.finals.push({ json: JSON.parse(raw.toString()) as Record<string, unknown>, status }),
    abandon: () => {
      heard.abandoned++;
    },
  };
}

function nobody(): Heard {
  return { messages: [], finals: [], abandoned: 0 };
}

function caller(
  era: "legacy" | "modern",
  capabilities: object = {},
  principal: Caller["principal"] = PRINCIPAL,
): Caller {
  const bytes = Buffer.from(JSON.stringify(capabilities));
  const info = Buffer.from('{"name":"c","version":"1"}');
  return {
    era,
    protocolVersion: era === "legacy" ? "2025-11-25" : "2026-07-28",
    principal,
    sessionId: era === "legacy" ? "session-1" : undefined,
    holder: {
      key: era === "legacy" ? "s:session-1" : `p:${principal.id}`,
      clientCapabilities: bytes,
      clientInfo: info,
      protocolVersion: "2025-11-25",
      ttlMs: 60_000,
    },
    identity: { protocolVersion: "2026-07-28", clientCapabilities: bytes, clientInfo: info },
    paramHeaders: undefined,
    headers: {},
    remote: "192.0.2.7",
    correlationId: "",
  };
}

function ask(one: Rooms, who: Caller, message: object, scope: Scope = GATEWAY) {
  const heard = nobody();
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
  const running = one.conversations.request(
    () => one.federation.view(scope, who.principal),
    who,
    body,
    scanMessage(body),
    replyTo(heard),
  );
  return { heard, running };
}

function listen(one: Rooms, filter: object, scope?: Scope) {
  return ask(
    one,
    caller("modern"),
    { id: "l", method: "subscriptions/listen", params: { notifications: filter } },
    scope,
  );
}

const silent = (era: "legacy" | "modern"): UpstreamScript => ({ era, answer: () => undefined });
const call = (id: number | string, more: object = {}) => ({ id, method: "tools/call", params: { name: "t", ...more } });

describe("listen streams", () => {
  it("are forgotten once nothing can be delivered on them", async () => {
    const one = await start({ scripts: { one: silent("modern") } });
    const { heard } = listen(one, {});
    await waitFor(() => heard.finals.length === 1);
    one.conversations.catalogueChanged([]);
    one.conversations.drain();
    expect(heard.finals).toHaveLength(1);
    expect(heard.messages.map(({ method }) => method)).toEqual(["notifications/subscriptions/acknowledged"]);
  });

  it("tell their transport that they were cancelled", async () => {
    const one = await start({ scripts: { one: silent("modern") } });
    const { heard, running } = listen(one, { toolsListChanged: true });
    running.cancel();
    expect(heard.abandoned).toBe(1);
  });

  it("come back after their upstream has ended them, and say what may have changed", async () => {
    const acknowledge: UpstreamScript = {
      era: "modern",
      answer: (exchange) => exchange.say({ method: "notifications/subscriptions/acknowledged", params: {} }),
    };
    const one = await start({ scripts: { one: acknowledge } });
    const { heard } = listen(one, { toolsListChanged: true });
    await waitFor(() => heard.messages.length === 1);
    one.upstreams
      .last("subscriptions/listen")
      .fail(fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: "one", reason: "x" }));
    await waitFor(() => heard.messages.length === 2);
    expect(heard.messages[1]?.method).toBe("notifications/tools/list_changed");
    expect(one.upstreams.requests).toHaveLength(2);
  });

  it("end when their view is gone, and the others hear of the change all the same", async () => {
    const one = await start({ scripts: { one: silent("modern"), two: silent("modern") } });
    const first = listen(one, { toolsListChanged: true });
    const second = listen(one, { toolsListChanged: true }, { kind: "all" });
    await waitFor(() => one.upstreams.requests.length === 3);
    const left = snapshot({ version: 2, gateways: [gateway("two")] });
    expect(() => one.conversations.catalogueChanged(one.federation.replace(left))).not.toThrow();
    expect(first.heard.finals).toHaveLength(1);
    second.running.cancel();
  });

  it("follow an upstream to its new connection", async () => {
    const one = await start({ scripts: { one: silent("modern") } });
    const { running } = listen(one, { toolsListChanged: true });
    await waitFor(() => one.upstreams.requests.length === 1);
    const moved = snapshot({
      version: 2,
      gateways: [gateway("one", { revision: "r2", url: "http://127.0.0.1:2/new" })],
    });
    one.conversations.catalogueChanged(one.federation.replace(moved));
    await waitFor(() => one.upstreams.requests.length === 2);
    expect(one.upstreams.requests.map(({ target, cancelled }) => [target.revision, cancelled])).toEqual([
      ["r1", true],
      ["r2", false],
    ]);
    running.cancel();
  });
});

describe("calls", () => {
  it("answer once when the deadline passes, and tell a legacy upstream", async () => {
    const one = await start({ scripts: { one: silent("legacy") } });
    const { heard } = ask(one, caller("legacy"), call(7));
    await waitFor(() => one.upstreams.requests.length === 1);
    one.clock.now += 5001;
    await waitFor(() => heard.finals.length === 1);
    expect(heard.finals[0]?.json).toMatchObject({
      id: 7,
      error: { code: -32013, data: { code: "MCPS_UPSTREAM_TIMEOUT" } },
    });
    one.upstreams.last("tools/call").result({ content: [] });
    expect(heard.finals).toHaveLength(1);
    expect(one.upstreams.notified.map(({ json }) => json.method)).toEqual(["notifications/cancelled"]);
    expect(one.conversations.inFlight).toBe(0);
  });

  it("survive an upstream whose result is no object", async () => {
    const one = await start({ scripts: { one: { era: "legacy", answer: (exchange) => exchange.result(5) } } });
    const { heard } = ask(one, caller("modern"), call(1));
    await waitFor(() => heard.finals.length === 1);
    expect(heard.finals[0]?.json).toMatchObject({ error: { data: { code: "MCPS_UPSTREAM_PROTOCOL" } } });
  });

  it("carry params whose _meta is no object as one that is", async () => {
    const one = await start({
      scripts: { one: { era: "modern", answer: (exchange) => exchange.result({ content: [] }) } },
    });
    const { heard } = ask(one, caller("legacy"), call(1, { _meta: 5 }));
    await waitFor(() => heard.finals.length === 1);
    expect(one.upstreams.last("tools/call").json.params?._meta).toMatchObject({
      [`${META}/protocolVersion`]: "2026-07-28",
    });
  });

  it("end at every worker that runs them when their session ends", async () => {
    const one = await start({ scripts: { one: silent("legacy") } });
    const { heard } = ask(one, caller("legacy"), call(1));
    one.conversations.cancelSession("session-1");
    expect([heard.abandoned, one.conversations.inFlight]).toEqual([1, 0]);
  });
});

/** Asks an elicitation in the middle of each call. */
function asking(params: object, era: "legacy" = "legacy"): UpstreamScript {
  return { era, answer: (exchange) => exchange.say({ id: 99, method: "elicitation/create", params }) };
}

type InputRequired = {
  resultType: string;
  inputRequests: Record<string, { method: string; params: object }>;
  requestState: string;
};

async function parkedCall(one: Rooms, who: Caller): Promise<InputRequired> {
  const { heard } = ask(one, who, call(1));
  await waitFor(() => heard.finals.length === 1);
  return heard.finals[0]?.json.result as InputRequired;
}

const ELICITS = { elicitation: { url: {} } };

describe("a legacy upstream's question to a modern client", () => {
  it("becomes an input request without what only the legacy era knows", async () => {
    const params = { mode: "url", url: "https://x", message: "m", elicitationId: "e1", _meta: { progressToken: 3 } };
    const one = await start({ scripts: { one: asking(params) } });
    const result = await parkedCall(one, caller("modern", ELICITS));
    expect(result.inputRequests).toEqual({
      q1: { method: "elicitation/create", params: { mode: "url", url: "https://x", message: "m" } },
    });
  });

  it("is refused during a method that cannot answer input_required", async () => {
    const one = await start({ scripts: { one: asking({ message: "m" }) } });
    ask(one, caller("modern", ELICITS), { id: 1, method: "tools/list" });
    await waitFor(() => one.upstreams.notified.length === 1);
    expect(one.upstreams.notified[0]?.json).toMatchObject({ id: 99, error: { code: -32601 } });
  });

  it("is answered once, by its principal, for the same request, in time", async () => {
    const one = await start({ scripts: { one: asking({ message: "m" }) } });
    const who = caller("modern", ELICITS);
    const { requestState } = await parkedCall(one, who);
    const inputResponses = { q1: { action: "accept", content: {} } };
    const retry = (by: Caller, more: object) => ask(one, by, call(2, { requestState, inputResponses, ...more })).heard;
    const refused = (heard: Heard) =>
      (heard.finals[0]?.json.error as { data: { code: string } } | undefined)?.data.code;
    expect(refused(retry(caller("modern", ELICITS, { ...PRINCIPAL, id: "eve@example.com" }), {}))).toBe(
      "MCPS_REQUEST_STATE",
    );
    expect(refused(retry(who, { arguments: { other: 1 } }))).toBe("MCPS_REQUEST_STATE");
    expect(refused(retry(who, { requestState: `${requestState.slice(0, -2)}AA` }))).toBe("MCPS_REQUEST_STATE");
    const good = retry(who, {});
    await waitFor(() => one.upstreams.notified.length === 1);
    expect(one.upstreams.notified[0]?.json).toEqual({ jsonrpc: "2.0", id: 99, result: inputResponses.q1 });
    expect(refused(retry(who, {}))).toBe("MCPS_REQUEST_STATE");
    one.upstreams.last("tools/call").result({ content: [] });
    expect(good.finals).toHaveLength(1);
    expect(good.finals[0]?.json).toMatchObject({ id: 2, result: { resultType: "complete" } });
    expect([one.parked(), one.conversations.inFlight]).toEqual([0, 0]);
  });

  it("takes no requestState but its own, also before the upstream's era is known", async () => {
    const one = await start({
      scripts: { one: { era: "legacy", answer: (exchange) => exchange.result({ content: [] }) } },
    });
    for (const id of [1, 2]) {
      const { heard } = ask(one, caller("modern"), call(id, { requestState: "somebody else's" }));
      await waitFor(() => heard.finals.length === 1);
      expect(heard.finals[0]).toMatchObject({
        status: 400,
        json: { id, error: { data: { code: "MCPS_REQUEST_STATE" } } },
      });
    }
    expect(one.conversations.inFlight).toBe(0);
  });

  it("expires", async () => {
    const one = await start({ scripts: { one: asking({ message: "m" }) } });
    const who = caller("modern", ELICITS);
    const { requestState } = await parkedCall(one, who);
    one.clock.now += 60_001;
    const { heard } = ask(one, who, call(2, { requestState }));
    expect(heard.finals[0]).toMatchObject({
      status: 400,
      json: { error: { message: expect.stringContaining("expired") } },
    });
  });

  it("reaches its client through another worker", async () => {
    const state = memoryState();
    const scripts = { one: asking({ message: "m" }) };
    const a = await start({ scripts, state, workerId: "a" });
    const b = await start({ scripts, state, workerId: "b" });
    const who = caller("modern", ELICITS);
    const { requestState } = await parkedCall(a, who);
    const { heard } = ask(b, who, call(2, { requestState, inputResponses: { q1: { action: "decline" } } }));
    await waitFor(() => a.upstreams.notified.length === 1);
    a.upstreams.last("tools/call").result({ content: [] });
    await waitFor(() => heard.finals.length === 1);
    expect(heard.finals[0]?.json).toMatchObject({ id: 2, result: { content: [] } });
    expect(b.upstreams.requests).toHaveLength(0);
  });

  it("is told lost when the worker that runs the call dies under it", { timeout: 30_000 }, async () => {
    const state = memoryState();
    const scripts = { one: asking({ message: "m" }) };
    const a = await start({ scripts, state, workerId: "a" });
    const b = await start({ scripts, state, workerId: "b" });
    const who = caller("modern", ELICITS);
    const { requestState } = await parkedCall(a, who);
    const { heard } = ask(b, who, call(2, { requestState, inputResponses: { q1: { action: "decline" } } }));
    await waitFor(() => a.upstreams.notified.length === 1);
    await a.die();
    await waitFor(() => heard.finals.length === 1, 60_000);
    expect(heard.finals[0]?.json).toMatchObject({ id: 2, error: { data: { code: "MCPS_CALL_LOST" } } });
  });
});

describe("a modern upstream's input_required to a legacy client", () => {
  const wants = (params: object): UpstreamScript => ({
    era: "modern",
    answer: (exchange) =>
      exchange.result(
        exchange.json.params?.inputResponses === undefined
          ? {
              resultType: "input_required",
              requestState: "s",
              inputRequests: {
                k: { method: "elicitation/create", params },
                l: { method: "elicitation/create", params },
              },
            }
          : { resultType: "complete", content: [] },
      ),
  });

  it("asks no URL of a client that declared forms only", async () => {
    const one = await start({ scripts: { one: wants({ mode: "url", url: "https://x", message: "m" }) } });
    const { heard } = ask(one, caller("legacy", { elicitation: {} }), call(1));
    await waitFor(() => heard.finals.length === 1);
    expect(heard.messages).toEqual([]);
    expect(heard.finals[0]?.json).toMatchObject({
      error: { code: -32021, data: { requiredCapabilities: { elicitation: { url: {} } } } },
    });
  });

  it("is answered and sent again", async () => {
    const one = await start({ scripts: { one: wants({ message: "m" }) } });
    const who = caller("legacy", { elicitation: {} });
    const { heard } = ask(one, who, call(1));
    await waitFor(() => heard.messages.length === 2);
    for (const { id } of heard.messages) {
      const answer = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, result: { action: "accept" } }));
      await one.conversations.answer(who, answer, scanMessage(answer));
    }
    await waitFor(() => heard.finals.length === 1);
    expect(heard.finals[0]?.json).toEqual({ jsonrpc: "2.0", id: 1, result: { content: [] } });
    expect(one.upstreams.last("tools/call").json.params).toMatchObject({
      requestState: "s",
      inputResponses: { k: { action: "accept" }, l: { action: "accept" } },
    });
    expect(one.parked()).toBe(0);
  });

  it("is taken back when the call is cancelled", async () => {
    const one = await start({ scripts: { one: wants({ message: "m" }) } });
    const { heard, running } = ask(one, caller("legacy", { elicitation: {} }), call(1));
    await waitFor(() => heard.messages.length === 2);
    running.cancel();
    expect(heard.messages.slice(2).map(({ method }) => method)).toEqual([
      "notifications/cancelled",
      "notifications/cancelled",
    ]);
    await waitFor(() => one.parked() === 0);
  });
});

describe("tasks behind an upstream's own endpoint", () => {
  it("carry the task's id in Mcp-Name", async () => {
    const one = await start({ scripts: { one: { era: "modern", answer: (exchange) => exchange.result({}) } } });
    ask(one, caller("modern"), { id: 1, method: "tasks/get", params: { taskId: "t-1" } });
    await waitFor(() => one.upstreams.requests.length === 1);
    expect(one.upstreams.last("tasks/get").message.name).toBe("t-1");
  });
});

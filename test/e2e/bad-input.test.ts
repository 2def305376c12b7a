/** Bad input from clients: each gets its registered status and JSON-RPC code, and the gateway goes on serving. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ErrorCode, errors } from "../../contract/errors.ts";
import { engines } from "../../gateway/engine/index.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  callModern,
  type Gateway,
  LEGACY,
  type LegacySession,
  MCP_HEADERS,
  message,
  modernRequest,
  openLegacySession,
  register,
  send,
  startGateway,
} from "../harness/index.ts";

describe.each(Object.keys(engines))("bad input (%s)", (HTTP_SERVER) => {
  let gateway: Gateway;
  let fixture: Everything;
  let session: LegacySession;
  beforeAll(async () => {
    [gateway, fixture] = await Promise.all([
      startGateway({ env: { HTTP_SERVER, MAX_BODY_BYTES: "100000" } }),
      startEverything(),
    ]);
    await register(gateway, { name: "up", url: fixture.url });
    session = await openLegacySession(gateway.mcpUrl, gateway.headers);
  }, 90_000);
  afterAll(async () => {
    const alive = await send("GET", `${gateway.url}/health`, {});
    await gateway?.stop();
    await fixture?.close();
    expect(alive.status).toBe(200);
  });

  /** A legacy request in a session, with headers laid over (undefined takes one away). */
  async function legacy(body: string | Buffer, more: Readonly<Record<string, string | undefined>> = {}) {
    const merged: Record<string, string | undefined> = { ...session.headers, ...more };
    const headers = Object.entries(merged).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value] as const],
    );
    return send("POST", gateway.mcpUrl, Object.fromEntries(headers), body);
  }

  function expectFault(answer: Awaited<ReturnType<typeof send>>, code: ErrorCode, id: unknown): void {
    expect({ status: answer.status, body: answer.json() }).toMatchObject({
      status: errors[code].status,
      body: { jsonrpc: "2.0", id, error: { code: errors[code].rpc } },
    });
  }
  /** Refused before the message is looked at: whether its id is told is left open (JSON-RPC 2.0 §5). */
  function expectRefusal(answer: Awaited<ReturnType<typeof send>>, code: ErrorCode): void {
    const { status, rpc } = errors[code];
    expect([answer.status, answer.json()]).toMatchObject([status, { jsonrpc: "2.0", error: { code: rpc } }]);
  }

  const bodies: { title: string; body: string; code: ErrorCode; id: unknown }[] = [
    { title: "malformed JSON", body: '{"jsonrpc":"2.0","id":1,', code: "MCPS_PARSE", id: null },
    { title: "an empty body", body: "", code: "MCPS_PARSE", id: null },
    { title: "two values", body: "{} {}", code: "MCPS_PARSE", id: null },
    { title: "a number", body: "42", code: "MCPS_ENVELOPE", id: null },
    { title: "no jsonrpc", body: '{"id":1,"method":"ping"}', code: "MCPS_ENVELOPE", id: null },
    { title: "jsonrpc 1.0", body: '{"jsonrpc":"1.0","id":1,"method":"ping"}', code: "MCPS_ENVELOPE", id: null },
    { title: "a numeric method", body: '{"jsonrpc":"2.0","id":1,"method":7}', code: "MCPS_ENVELOPE", id: null },
    { title: "id null", body: '{"jsonrpc":"2.0","id":null,"method":"ping"}', code: "MCPS_ENVELOPE", id: null },
    { title: "id 1.5", body: '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', code: "MCPS_ENVELOPE", id: null },
    {
      title: "params as a list",
      body: '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
      code: "MCPS_ENVELOPE",
      id: null,
    },
    {
      title: "a doubled method",
      body: '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}',
      code: "MCPS_ENVELOPE",
      id: null,
    },
    { title: "a batch", body: `[${message(1, "ping")},${message(2, "ping")}]`, code: "MCPS_BATCH", id: null },
    { title: "an empty batch", body: "[]", code: "MCPS_BATCH", id: null },
  ];
  it.for(bodies)("$title", async ({ body, code, id }) => expectFault(await legacy(body), code, id));

  it("an unknown method is answered with 200 and -32601 in the legacy era", async () => {
    const answer = await legacy(message(9, "no/such"));
    expect([answer.status, answer.json()]).toMatchObject([200, { id: 9, error: { code: errors.MCPS_METHOD.rpc } }]);
  });

  it("a body over the limit is 413 as JSON-RPC, announced or not", async () => {
    const large = message(1, "tools/call", { name: "up__echo", arguments: { text: "x".repeat(200_000) } });
    expectFault(await legacy(large), "MCPS_BODY_TOO_LARGE", null);
    expectFault(await legacy(large, { "transfer-encoding": "chunked" }), "MCPS_BODY_TOO_LARGE", null);
  });

  const headers: { title: string; headers: Record<string, string | undefined>; code: ErrorCode }[] = [
    { title: "Content-Type text/plain", headers: { "content-type": "text/plain" }, code: "MCPS_CONTENT_TYPE" },
    { title: "no Content-Type", headers: { "content-type": undefined }, code: "MCPS_CONTENT_TYPE" },
    { title: "Accept without event streams", headers: { accept: "application/json" }, code: "MCPS_ACCEPT" },
    { title: "a foreign Origin alone", headers: { origin: "http://evil.example.com" }, code: "MCPS_ORIGIN" },
    { title: "a foreign Host alone", headers: { host: "evil.example.com" }, code: "MCPS_HOST" },
    { title: "an unknown protocol version", headers: { "mcp-protocol-version": "1999-01-01" }, code: "MCPS_VERSION" },
    { title: "a tampered session", headers: { "mcp-session-id": "tampered" }, code: "MCPS_SESSION_UNKNOWN" },
    { title: "no session", headers: { "mcp-session-id": undefined }, code: "MCPS_SESSION_MISSING" },
    { title: "no token", headers: { authorization: undefined }, code: "MCPS_UNAUTHENTICATED" },
    { title: "a wrong token", headers: { authorization: "Bearer wrong" }, code: "MCPS_UNAUTHENTICATED" },
  ];
  it.for(headers)("$title", async ({ headers: more, code }) => {
    const answer = await legacy(message(1, "tools/list"), more);
    expectRefusal(answer, code);
  });

  it("a local Origin passes", async () => {
    const answer = await legacy(message(1, "ping"), { origin: "http://localhost:5173" });
    expect([answer.status, answer.json()]).toEqual([200, { jsonrpc: "2.0", id: 1, result: {} }]);
  });

  it("a session changed in its last character is unknown", async () => {
    const last = session.id.at(-1) === "A" ? "B" : "A";
    const answer = await legacy(message(1, "ping"), { "mcp-session-id": session.id.slice(0, -1) + last });
    expectRefusal(answer, "MCPS_SESSION_UNKNOWN");
  });

  it("a second initialize in a session", async () => {
    const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: { name: "t", version: "1" } };
    expectFault(await legacy(message(1, "initialize", params)), "MCPS_ALREADY_INITIALIZED", 1);
  });

  it("an unknown version in initialize is answered with the latest one we speak", async () => {
    const params = { protocolVersion: "1999-01-01", capabilities: {}, clientInfo: { name: "t", version: "1" } };
    const answer = await send(
      "POST",
      gateway.mcpUrl,
      { ...MCP_HEADERS, ...gateway.headers },
      message(1, "initialize", params),
    );
    expect([answer.status, answer.json()]).toMatchObject([200, { result: { protocolVersion: LEGACY } }]);
  });

  it("a batch is served in 2025-03-26, answers in one list", async () => {
    const old = await openLegacySession(gateway.mcpUrl, gateway.headers, { version: "2025-03-26" });
    const batch = `[${message(1, "ping")},${message(undefined, "notifications/x")},${message("two", "ping")}]`;
    const answer = await send("POST", gateway.mcpUrl, old.headers, batch);
    const parsed: unknown = answer.headers["content-type"]?.startsWith("application/json")
      ? JSON.parse(answer.text)
      : undefined;
    expect(answer.status).toBe(200);
    if (parsed !== undefined)
      expect(parsed).toEqual([
        { jsonrpc: "2.0", id: 1, result: {} },
        { jsonrpc: "2.0", id: "two", result: {} },
      ]);
    else expect(answer.text).toContain('"id":"two"');
  });

  it("stray responses and cancellations of unknown ids are accepted and do nothing", async () => {
    expect((await legacy('{"jsonrpc":"2.0","id":77,"result":{}}')).status).toBe(202);
    expect((await legacy(message(undefined, "notifications/cancelled", { requestId: 4711 }))).status).toBe(202);
    expect((await legacy(message(undefined, "notifications/unheard_of"))).status).toBe(202);
  });

  const names: { title: string; method: string; params: Record<string, unknown>; code: ErrorCode }[] = [
    {
      title: "an unknown tool",
      method: "tools/call",
      params: { name: "up__nothing", arguments: {} },
      code: "MCPS_TOOL_UNKNOWN",
    },
    {
      title: "an unknown prefix",
      method: "tools/call",
      params: { name: "who__echo", arguments: {} },
      code: "MCPS_TOOL_UNKNOWN",
    },
    { title: "an unknown prompt", method: "prompts/get", params: { name: "who__x" }, code: "MCPS_PROMPT_UNKNOWN" },
    {
      title: "an unknown resource",
      method: "resources/read",
      params: { uri: "who+test://x" },
      code: "MCPS_LEGACY_RESOURCE_UNKNOWN",
    },
    { title: "an invalid cursor", method: "tools/list", params: { cursor: "nonsense" }, code: "MCPS_CURSOR" },
    { title: "a numeric name", method: "tools/call", params: { name: 7 }, code: "MCPS_PARAMS" },
  ];
  it.for(names)("$title", async ({ method, params, code }) => {
    const answer = await legacy(message("n", method, params));
    expect([answer.status, answer.json()]).toMatchObject([200, { id: "n", error: { code: errors[code].rpc } }]);
  });

  it.for(["/gateways/no-such/mcp", "/servers/no-such/mcp", "/gateways/00000000-0000-4000-8000-000000000000/mcp"])(
    "%s is not there",
    async (path) => {
      const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: { name: "t", version: "1" } };
      const answer = await send(
        "POST",
        gateway.url + path,
        { ...MCP_HEADERS, ...gateway.headers },
        message(1, "initialize", params),
      );
      expect(answer.status).toBe(404);
      expect(answer.json()).toMatchObject({ jsonrpc: "2.0", error: { code: -32602 } });
    },
  );

  describe("modern", () => {
    const modern = (headers: Record<string, string>, body: string) =>
      send("POST", gateway.mcpUrl, { ...headers, ...gateway.headers }, body);

    it("a name in the header that is not the body's", async () => {
      const { headers, body } = modernRequest(1, "tools/call", { name: "up__echo", arguments: { text: "a" } });
      expectFault(await modern({ ...headers, "mcp-name": "up__count" }, body), "MCPS_HEADER_MISMATCH", 1);
    });
    it("a method in the header that is not the body's", async () => {
      const { headers, body } = modernRequest(1, "tools/list");
      expectFault(await modern({ ...headers, "mcp-method": "prompts/list" }, body), "MCPS_HEADER_MISMATCH", 1);
    });
    it("an unsupported version", async () => {
      const { headers, body } = modernRequest(1, "tools/list");
      const answer = await modern(
        { ...headers, "mcp-protocol-version": "2099-01-01" },
        body.replaceAll("2026-07-28", "2099-01-01"),
      );
      expectFault(answer, "MCPS_MODERN_VERSION", 1);
      expect(answer.json()).toMatchObject({ error: { data: { supported: ["2026-07-28"], requested: "2099-01-01" } } });
    });
    it("an unknown method is 404", async () => {
      expectFault(await callModern(gateway, gateway.mcpUrl, 1, "no/such"), "MCPS_METHOD", 1);
    });
    it("a batch", async () => {
      const { headers, body } = modernRequest(1, "tools/list");
      expectFault(await modern(headers, `[${body}]`), "MCPS_BATCH", null);
    });
    it("a session id is ignored and none is minted", async () => {
      const { headers, body } = modernRequest(1, "tools/call", { name: "up__echo", arguments: { text: "a" } });
      const answer = await modern({ ...headers, "mcp-session-id": "bogus" }, body);
      expect(answer.status).toBe(200);
      expect(answer.headers["mcp-session-id"]).toBeUndefined();
    });
  });
});

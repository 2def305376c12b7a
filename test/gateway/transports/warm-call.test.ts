/** The warm path: once an upstream is known, a call goes up within serve() and its answer down as it comes in; nothing is awaited. */
import { afterEach, expect, it } from "vitest";
import type { GatewayRequest, ResponseSink } from "../../../contract/http.ts";
import type { Principal } from "../../../contract/principal.ts";
import { type Endpoint, serveStreamableHttp } from "../../../gateway/transports/index.ts";
import { gateway, type Rooms, rooms, snapshot, type UpstreamScript } from "./harness.ts";

const principal: Principal = { id: "admin@example.com", kind: "jwt", admin: true, teams: [] };
const scope = { kind: "all" } as const;
const VERSION = "io.modelcontextprotocol/protocolVersion";
const MODERN = "2026-07-28";

let open: Rooms | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

class Answer implements ResponseSink {
  closed = false;
  text: string | undefined;
  respond(_status: number, _headers: Readonly<Record<string, string>>, body?: Uint8Array | string): void {
    this.text = Buffer.from(body ?? "").toString();
    this.closed = true;
  }
  open(): void {
    throw new Error("a stream was not asked for");
  }
  write(): boolean {
    throw new Error("a stream was not asked for");
  }
  end(): void {}
  onDrain(): void {}
  onClose(): void {}
  detach(): void {}
}

function request(headers: Record<string, string>, params: object): GatewayRequest {
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params }));
  const own = { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers };
  return { method: "POST", path: "/mcp", query: "", headers: own, remoteAddress: "127.0.0.1", body };
}

async function warmed(script: UpstreamScript) {
  const made = await rooms({ catalogue: snapshot({ gateways: [gateway("a")] }), scripts: { a: script } });
  open = made;
  const [upstream] = made.federation.view(scope, principal).upstreams;
  if (upstream === undefined) throw new Error("no upstream in the view");
  for (const era of ["legacy", "modern"] as const) await made.federation.profile(upstream, era);
  const endpoint: Endpoint = { scope, name: "all", principal, view: () => made.federation.view(scope, principal) };
  const call = (headers: Record<string, string>, params: object): Answer => {
    const answer = new Answer();
    serveStreamableHttp(made.transports, endpoint, request(headers, params), answer);
    return answer;
  };
  return { made, call };
}

const result = { content: [{ type: "text", text: "hi" }] };
/** Its answers are given by the test. */
const legacy: UpstreamScript = { era: "legacy", answer: () => undefined };

it("carries a call of a legacy session up, and its answer down, without waiting for anything", async () => {
  const { made, call } = await warmed(legacy);
  const { token } = made.transports.sessions.mint(
    "all",
    principal.id,
    "2025-11-25",
    Buffer.from("{}"),
    Buffer.from("{}"),
  );
  const answer = call({ "mcp-session-id": token }, { name: "a__echo", arguments: {} });
  expect(made.upstreams.requests.map(({ json }) => json.params?.name)).toEqual(["echo"]);
  made.upstreams.requests[0]?.result(result);
  expect(JSON.parse(answer.text ?? "")).toEqual({ jsonrpc: "2.0", id: 7, result });
});

it("does so for a modern call over a legacy upstream", async () => {
  const { made, call } = await warmed(legacy);
  const meta = { [VERSION]: MODERN, "io.modelcontextprotocol/clientCapabilities": {} };
  const headers = { "mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "a__echo" };
  const answer = call(headers, { name: "a__echo", arguments: {}, _meta: meta });
  expect(made.upstreams.requests.map(({ json }) => json.params)).toEqual([{ name: "echo", arguments: {} }]);
  made.upstreams.requests[0]?.result(result);
  expect(JSON.parse(answer.text ?? "")).toMatchObject({ id: 7, result: { ...result, resultType: "complete" } });
});

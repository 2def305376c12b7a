/** Any body, on any endpoint, with any of the headers that matter: one answer with a registered code, and the gateway lives. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errors } from "../../../contract/errors.ts";
import { eventData, MCP_HEADERS, send } from "../../harness/index.ts";
import { engineNames, gateway, item, type Served, served, snapshot, type UpstreamScript } from "./harness.ts";

const codes = new Set(Object.keys(errors));
const rpcCodes = new Set<number>(Object.values(errors).map(({ rpc }) => rpc));
/** Answers with whatever it was asked with, so that hostile params come back as a hostile result too. */
const echo: UpstreamScript["answer"] = ({ json, result, error }) =>
  json.method.length % 3 === 0 ? error(-32001, "no", json.params) : result(json.params?.arguments ?? json.params ?? 5);

const META = "io.modelcontextprotocol/";
const methods = [
  "initialize",
  "ping",
  "tools/list",
  "tools/call",
  "prompts/get",
  "resources/read",
  "resources/subscribe",
  "logging/setLevel",
  "completion/complete",
  "server/discover",
  "notifications/cancelled",
  "notifications/initialized",
  "tasks/get",
  "t",
];
const value = fc.jsonValue({ maxDepth: 2 });
const meta = fc.oneof(
  value,
  fc.record(
    {
      [`${META}protocolVersion`]: fc.oneof(fc.constant("2026-07-28"), value),
      [`${META}clientCapabilities`]: fc.oneof(fc.constant({ elicitation: {} }), value),
      progressToken: value,
    },
    { requiredKeys: [] },
  ),
);
const params = fc.record(
  {
    name: fc.oneof(fc.constantFrom("old__t", "new__t", "t"), value),
    uri: fc.oneof(fc.constantFrom("old+a://b", "new+a://b"), value),
    ref: fc.oneof(
      fc.record({ type: fc.constantFrom("ref/prompt", "ref/resource"), name: fc.constant("new__p") }),
      value,
    ),
    cursor: value,
    level: value,
    requestId: value,
    requestState: value,
    inputResponses: value,
    arguments: value,
    notifications: value,
    protocolVersion: value,
    capabilities: value,
    _meta: meta,
  },
  { requiredKeys: [] },
);
const message = fc.record(
  {
    jsonrpc: fc.oneof({ weight: 9, arbitrary: fc.constant("2.0") }, { weight: 1, arbitrary: value }),
    id: fc.oneof({ weight: 3, arbitrary: fc.integer() }, { weight: 1, arbitrary: value }),
    method: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...methods) }, { weight: 1, arbitrary: value }),
    params: fc.oneof({ weight: 9, arbitrary: params }, { weight: 1, arbitrary: value }),
  },
  { requiredKeys: ["jsonrpc"] },
);
const body = fc.oneof(
  { weight: 8, arbitrary: message.map((one) => JSON.stringify(one)) },
  { weight: 2, arbitrary: fc.array(message, { maxLength: 3 }).map((many) => JSON.stringify(many)) },
  { weight: 1, arbitrary: fc.string() },
);
const headers = fc.record(
  {
    "mcp-session-id": fc.constantFrom("own", "x", ""),
    "mcp-protocol-version": fc.constantFrom("2026-07-28", "2025-11-25", "2025-03-26", "x"),
    "mcp-method": fc.constantFrom(...methods),
    "mcp-name": fc.constantFrom("old__t", "new__t", "=?base64?###?="),
    "content-type": fc.constantFrom("application/json; charset=utf-8", "text/plain", "nonsense"),
  },
  { requiredKeys: [] },
);
const path = fc.constantFrom(
  "/mcp",
  "/gateways/old/mcp",
  "/gateways/new/mcp",
  "/rpc",
  "/",
  "/gateways/none/mcp",
  "/message",
);

function problemsOf(status: number, type: string, text: string): string | undefined {
  if (status === 202 || status === 204) return text === "" ? undefined : "a body without content";
  const texts = type.startsWith("text/event-stream") ? eventData(text) : [text];
  for (const one of texts) {
    const parsed: unknown = JSON.parse(one);
    for (const each of Array.isArray(parsed) ? parsed : [parsed]) {
      const { jsonrpc, error } = each as { jsonrpc?: string; error?: { code: number; data?: { code?: string } } };
      if (jsonrpc !== "2.0") return `no JSON-RPC message: ${one}`;
      if (error === undefined || error.code === -32001) continue;
      if (!rpcCodes.has(error.code) || !codes.has(error.data?.code ?? "")) return `not registered: ${one}`;
    }
  }
  return text.includes("MCPS_INTERNAL") ? "an internal error" : undefined;
}

describe.each(engineNames)("any request (%s)", (engine) => {
  let running: Served;
  const crashes: unknown[] = [];
  const onCrash = (error: unknown) => void crashes.push(error);
  let session = "";

  beforeAll(async () => {
    process.on("unhandledRejection", onCrash).on("uncaughtException", onCrash);
    running = await served({
      engine,
      catalogue: snapshot({ gateways: [gateway("old"), gateway("new")], items: [item("old", "tool", "t")] }),
      scripts: { old: { era: "legacy", answer: echo }, new: { era: "modern", answer: echo } },
    });
    const body =
      '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{"elicitation":{}}}}';
    session = String((await send("POST", `${running.url}/mcp`, MCP_HEADERS, body)).headers["mcp-session-id"]);
  });
  afterAll(async () => {
    await running.close();
    process.off("unhandledRejection", onCrash).off("uncaughtException", onCrash);
  });

  it("gets one answer with a registered code", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(path, headers, body, async (where, chosen, text) => {
        const own = chosen["mcp-session-id"] === "own" ? { "mcp-session-id": session } : {};
        const answer = await send("POST", running.url + where, { ...MCP_HEADERS, ...chosen, ...own }, text);
        expect(problemsOf(answer.status, String(answer.headers["content-type"] ?? ""), answer.text)).toBeUndefined();
      }),
      { numRuns: 1500 },
    );
    expect(crashes).toEqual([]);
    expect([running.inFlight(), running.streams(), running.conversations.inFlight]).toEqual([0, 0, 0]);
    expect((await send("GET", `${running.url}/health`, {})).status).toBe(200);
  });
});

/** Pages of allowed origins: what a browser has to be told, and that nobody else is told it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MCP_HEADERS, send } from "../../harness/index.ts";
import { engineNames, gateway, type Served, served, snapshot } from "./harness.ts";

const ORIGIN = "https://app.example.com";

describe.each(engineNames)("CORS (%s)", (engine) => {
  let running: Served;
  beforeAll(async () => {
    const scripts = { one: { era: "legacy" as const, answer: () => undefined } };
    running = await served({
      engine,
      catalogue: snapshot({ gateways: [gateway("one")] }),
      scripts,
      allowedOrigins: [ORIGIN],
    });
  });
  afterAll(() => running.close());

  it("answers a preflight of an allowed origin with what the path allows", async () => {
    const asked = {
      origin: ORIGIN,
      "access-control-request-method": "POST",
      "access-control-request-headers": "mcp-param-x",
    };
    const { status, headers } = await send("OPTIONS", `${running.url}/mcp`, asked);
    expect(status).toBe(204);
    expect(headers).toMatchObject({
      "access-control-allow-origin": ORIGIN,
      "access-control-allow-methods": "POST, GET, DELETE",
      "access-control-allow-headers": "mcp-param-x",
      vary: "Origin, Access-Control-Request-Headers",
    });
    expect(headers["access-control-allow-credentials"]).toBeUndefined();
  });

  it("lets such a page read the session id, and the answers that refuse it", async () => {
    const body =
      '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}';
    const { headers } = await send("POST", `${running.url}/mcp`, { ...MCP_HEADERS, origin: ORIGIN }, body);
    expect(headers["mcp-session-id"]).toBeDefined();
    expect(headers["access-control-expose-headers"]).toBe(
      "Mcp-Session-Id, Retry-After, WWW-Authenticate, X-Correlation-ID",
    );
    expect(headers["access-control-allow-origin"]).toBe(ORIGIN);
    const refused = await send("POST", `${running.url}/mcp`, { ...MCP_HEADERS, origin: ORIGIN }, "{");
    expect([refused.status, refused.headers["access-control-allow-origin"]]).toEqual([400, ORIGIN]);
  });

  it("tells a foreign origin nothing, and programs without origin neither", async () => {
    const foreign = { origin: "https://evil.example.com", "access-control-request-method": "POST" };
    const preflight = await send("OPTIONS", `${running.url}/mcp`, foreign);
    expect([preflight.status, preflight.headers["access-control-allow-origin"]]).toEqual([405, undefined]);
    const posted = await send("POST", `${running.url}/mcp`, { ...MCP_HEADERS, ...foreign }, "{}");
    expect([posted.status, posted.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
    const plain = await send("POST", `${running.url}/mcp`, MCP_HEADERS, "{}");
    expect(plain.headers["access-control-allow-origin"]).toBeUndefined();
  });
});

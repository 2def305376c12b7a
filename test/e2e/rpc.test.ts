/** Raw JSON-RPC without a session, as the source documents' load scripts send it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engines } from "../../gateway/engine/index.ts";
import { type Gateway, rest, send, startGateway } from "../harness/index.ts";

describe.each(Object.keys(engines))("/rpc and POST / (%s)", (HTTP_SERVER) => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway({ env: { HTTP_SERVER, MCP_EXAMPLE_SERVER: "true" } });
  }, 90_000);
  afterAll(() => gateway?.stop());

  const payload = {
    jsonrpc: "2.0",
    id: 1,
    method: "convert_time",
    params: { source_timezone: "America/New_York", target_timezone: "Asia/Tokyo", time: "14:30" },
  };
  const headers = () => ({ ...gateway.headers, "content-type": "application/json", accept: "*/*" });

  it.for(["/rpc", "/"])("%s takes a tool's name as the method", async (path) => {
    const answer = await send("POST", gateway.url + path, headers(), JSON.stringify(payload));
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toMatch(/^application\/json/);
    const body = JSON.parse(answer.text);
    expect(body).toMatchObject({ jsonrpc: "2.0", id: 1, result: { content: [{ type: "text" }] } });
    // New York to Tokyo is 13 or 14 hours ahead, by season.
    expect(body.result.content[0].text).toMatch(/0[34]:30/);
  });

  it("takes the protocol's own methods too", async () => {
    const list = { jsonrpc: "2.0", id: "l", method: "tools/list" };
    const answer = await send("POST", `${gateway.url}/rpc`, headers(), JSON.stringify(list));
    expect([answer.status, answer.json().id]).toEqual([200, "l"]);
    expect(answer.text).toContain("convert_time");
  });

  it("asks for a token", async () => {
    const answer = await send(
      "POST",
      `${gateway.url}/rpc`,
      { "content-type": "application/json" },
      JSON.stringify(payload),
    );
    expect(answer.status).toBe(401);
    expect(answer.headers["www-authenticate"]).toMatch(/^Bearer/);
  });

  it("health, ready, version and the API description answer", async () => {
    for (const path of ["/health", "/ready", "/version", "/openapi.json"])
      expect([path, (await rest(gateway, "GET", path)).status]).toEqual([path, 200]);
  });
});

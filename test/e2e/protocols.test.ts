/** TLS, client certificates, HTTP/2 and the path prefix through the whole gateway, as its users switch them on. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Authority, makeAuthority, type Pair, SERVER_NAMES } from "../gateway/engine/certificates.ts";
import { ask, http2Session } from "../gateway/engine/http2-client.ts";
import { dataDirectory, endedStart, type Gateway, missing, startGateway, titled, waitFor } from "../harness/index.ts";

const reason = missing("openssl");
const CALL = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "convert_time",
  params: { source_timezone: "Europe/Berlin", target_timezone: "Europe/Dublin", time: "09:00" },
});
const RPC = { ":method": "POST", ":path": "/gw/rpc", "content-type": "application/json" };
const INITIALIZE = JSON.stringify({
  jsonrpc: "2.0",
  id: 7,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "c", version: "1" } },
});

describe.skipIf(reason !== undefined).each([
  ["fastify", "1"],
  ["bounded", "2"],
])(titled("a gateway with TLS and a path prefix (%s, %s workers)", reason), (engine, workers) => {
  let authority: Authority;
  let client: Pair;
  let gateway: Gateway;
  /** With the prefix. */
  let base: string;
  beforeAll(async () => {
    authority = await makeAuthority();
    const server = authority.issue("server", "/CN=gateway", [SERVER_NAMES]);
    client = authority.issue("client", "/CN=agent", ["subjectAltName=URI:spiffe://a.example/ns/agents/sa/one"]);
    gateway = await startGateway({
      env: {
        HTTP_SERVER: engine,
        WORKERS: workers,
        MCP_EXAMPLE_SERVER: "true",
        TLS_CERT_FILE: server.certFile,
        TLS_KEY_FILE: server.keyFile,
        TLS_CLIENT_CA_FILE: authority.caFile,
        TLS_CLIENT_CERTIFICATE: "optional",
        URL_PATH_PREFIX: "/gw",
      },
    });
    base = gateway.url;
    // A worker learns of the example server a moment after the one that has declared it.
    let inARow = 0;
    await waitFor(async () => {
      const known = await session(client);
      const { status } = await ask(known, RPC, CALL);
      known.close();
      inARow = status === 200 ? inARow + 1 : 0;
      return inARow === 2 * Number(workers);
    });
  });
  afterAll(async () => {
    await gateway?.stop();
    await authority?.remove();
  });

  const session = (pair?: Pair) =>
    http2Session(new URL(base).origin, {
      ca: authority.ca,
      ...(pair === undefined ? {} : { cert: pair.cert, key: pair.key }),
    });

  it("says where it is", () => {
    expect([gateway.url, gateway.mcpUrl]).toEqual([
      expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+\/gw$/),
      `${gateway.url}/mcp`,
    ]);
  });

  it("takes a certificate for an identity, a token before it, and neither for nobody", async () => {
    const known = await session(client);
    const anyone = await session();
    const version = { ":path": "/gw/version" };
    const bearer = { authorization: gateway.headers.authorization ?? "" };
    const gateways = { ":method": "POST", ":path": "/gw/v1/gateways", "content-type": "application/json" };
    expect((await ask(anyone, version)).status).toBe(401);
    expect(JSON.parse((await ask(known, version)).text)).toMatchObject({ name: "mcp-stack", engine });
    const refused = await ask(known, gateways, '{"name":"x","url":"http://127.0.0.1:1/mcp"}');
    expect(refused.status).toBe(403);
    expect(refused.text).toContain("spiffe://a.example/ns/agents/sa/one may not gateways.");
    expect((await ask(known, { ...gateways, ...bearer }, "{}")).status).toBe(422);
    expect((await ask(known, { ...version, authorization: "Bearer nonsense" })).status).toBe(401);
    known.close();
    anyone.close();
  });

  it("carries a call over HTTP/2", async () => {
    const known = await session(client);
    const answer = await ask(known, RPC, CALL);
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/json"]);
    expect(answer.text).toContain("08:00");
    known.close();
  });

  it("carries a session over WebSocket", async () => {
    const socket = new WebSocket(`${base.replace("https", "wss")}/ws`, "mcp", {
      ca: authority.ca,
      cert: client.cert,
      key: client.key,
    });
    const answer = await new Promise<string>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("message", (data) => resolve(String(data)));
      socket.once("open", () => socket.send(INITIALIZE));
    });
    expect(JSON.parse(answer)).toMatchObject({ id: 7, result: { protocolVersion: "2025-11-25" } });
    socket.close();
  });

  it("names the prefix in what it tells, and nothing outside of it but the probes", async () => {
    const known = await session(client);
    const stream = known.request({ ":path": "/gw/sse", accept: "text/event-stream" });
    const first = await new Promise<string>((resolve) => stream.once("data", (chunk) => resolve(String(chunk))));
    expect(first).toMatch(/^event: endpoint\ndata: \/gw\/message\?session_id=/);
    stream.on("error", () => undefined);
    stream.close();
    const document = JSON.parse((await ask(known, { ":path": "/gw/openapi.json" })).text);
    expect(document.servers).toEqual([{ url: "/gw" }]);
    const outside = await ask(known, { ":path": "/version" });
    expect([outside.status, outside.text]).toEqual([404, expect.stringContaining("(not under /gw) /version")]);
    for (const path of ["/health", "/gw/health", "/ready"]) {
      expect((await ask(known, { ":path": path })).status).toBe(200);
    }
    known.close();
  });
});

describe.skipIf(reason !== undefined)(titled("TLS at the start", reason), () => {
  it("says which file is wrong, and ends", async () => {
    const authority = await makeAuthority();
    const data = await dataDirectory();
    const expired = authority.issue("expired", "/CN=gateway", [SERVER_NAMES], -1);
    const ended = await endedStart({
      DATA_DIR: data.path,
      HOME: data.path,
      PORT: "0",
      TLS_CERT_FILE: expired.certFile,
      TLS_KEY_FILE: expired.keyFile,
    });
    expect([ended.code, ended.stdout]).toEqual([1, ""]);
    expect(ended.stderr).toContain(
      `MCPS_TLS_FILE: ${expired.certFile} cannot be used (TLS_CERT_FILE): its certificate expired at `,
    );
    await authority.remove();
    await data.remove();
  });
});

/** Upstreams that want to know who asks: users authorise the gateway in a browser, and headers of callers go on by an allow-list. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type AuthorizationServer, Browser, startAuthorizationServer } from "../fixtures/authorization-server.ts";
import { legacyLife, rpc, serve, type TestServer } from "../gateway/upstreams/harness.ts";
import {
  callModern,
  connectSse,
  type Gateway,
  LEGACY,
  message,
  openLegacySession,
  rest,
  send,
  startGateway,
} from "../harness/index.ts";

const URL_CAPABILITY = { elicitation: { url: {} } };
const SECRET = "a key that upstreams know, and no other one";

describe("an upstream with tokens of its users", () => {
  let gateway: Gateway;
  let server: AuthorizationServer;
  let id = "";
  beforeAll(async () => {
    [gateway, server] = await Promise.all([startGateway(), startAuthorizationServer()]);
    const created = await rest(gateway, "POST", "/gateways", {
      name: "mail",
      url: server.mcpUrl,
      auth_type: "oauth",
      oauth_config: { grant_type: "authorization_code", scopes: ["openid", "mcp:read"] },
    });
    expect([created.status, created.body.oauthConfig, created.body.authConfigured]).toEqual([
      201,
      { grantType: "authorization_code", scopes: ["openid", "mcp:read"] },
      true,
    ]);
    id = String(created.body.id);
  }, 90_000);
  afterAll(async () => {
    await gateway?.stop();
    await server?.close();
  });

  const call = (capabilities: object = {}) =>
    callModern(
      gateway,
      `${gateway.url}/gateways/${id}/mcp`,
      1,
      "tools/call",
      { name: "whoami", arguments: {} },
      capabilities,
    );
  const linkIn = (text: string) => /http[^" ]+\/oauth\/begin\?ticket=[^" \\]+/.exec(text)?.[0] ?? "";

  it("names the address to open, to clients that can in the words of their era", async () => {
    expect(await rest(gateway, "GET", `/oauth/status/${id}`)).toEqual({
      status: 200,
      body: { gatewayId: id, authorised: false, expiresAt: null, failure: null },
    });
    const plain = (await call()).json() as { error: { code: number; data: { code: string }; message: string } };
    expect([plain.error.code, plain.error.data.code]).toEqual([-32007, "MCPS_UPSTREAM_AUTHORIZE"]);
    expect(plain.error.message).toContain("/oauth/begin?ticket=");
    const asked = (await call(URL_CAPABILITY)).json() as { result: Record<string, never> };
    expect(asked.result).toMatchObject({
      resultType: "input_required",
      inputRequests: {
        url0: {
          method: "elicitation/create",
          params: { mode: "url", message: "Authorise this gateway to use mail for you" },
        },
      },
    });
    const session = await openLegacySession(`${gateway.url}/mcp`, gateway.headers, { capabilities: URL_CAPABILITY });
    const legacy = (await session.call(1, "tools/call", { name: "mail__whoami", arguments: {} })).json() as {
      error: { code: number; data: { elicitations: object[] } };
    };
    expect(legacy.error.code).toBe(-32042);
    expect(legacy.error.data.elicitations).toMatchObject([{ mode: "url", elicitationId: expect.any(String) }]);
  });

  it("asks whoever followed the link whether it is he, and then calls with his token", async () => {
    const browser = new Browser();
    const link = linkIn((await call()).text);
    const asked = await browser.open(link);
    expect(asked.text).toContain("let the gateway's user <b>admin@example.com</b> use your account at <b>mail</b>");
    expect(server.asked).toEqual([]);
    const done = await browser.request("POST", asked.url, { origin: new URL(asked.url).origin });
    expect([done.status, await done.text()]).toEqual([
      200,
      expect.stringContaining("This gateway may now use <b>mail</b>"),
    ]);
    // The same address a second time.
    const again = await browser.request("POST", asked.url);
    expect([again.status, await again.text()]).toEqual([400, expect.stringContaining("has been completed already")]);
    expect((await call()).json()).toMatchObject({ result: { content: [{ type: "text", text: "ann" }] } });
    expect(server.asked).toEqual(["authorization_code"]);
    const fetched = await rest(gateway, "POST", `/oauth/fetch-tools/${id}`);
    expect(fetched).toEqual({ status: 200, body: { gatewayId: id, tools: ["whoami"] } });
    expect((await rest(gateway, "GET", `/oauth/status/${id}`)).body).toMatchObject({ authorised: true, failure: null });
    expect((await rest(gateway, "GET", `/gateways/${id}`)).body).toMatchObject({ reachable: true, lastError: null });
  });

  it("goes straight on in the browser that began, and in no other", async () => {
    const begin = async (browser: Browser) => {
      const began = await browser.request("GET", `${gateway.url}/oauth/authorize/${id}`, gateway.headers);
      expect([began.status, began.headers.getSetCookie().length]).toEqual([302, 1]);
      const back = `${gateway.url.replace("127.0.0.1", "localhost")}/oauth/callback`;
      return (await new Browser().open(began.headers.get("location") ?? "", back)).url;
    };
    const own = new Browser();
    // The cookie is of the address that was asked; the way back is by name.
    const address = (url: string) => url.replace("localhost", "127.0.0.1");
    const done = await own.open(address(await begin(own)));
    expect([done.status, done.text]).toEqual([200, expect.stringContaining("may now use")]);
    const foreign = await new Browser().open(address(await begin(new Browser())));
    expect([foreign.status, foreign.text]).toEqual([400, expect.stringContaining("another browser began it")]);
  });

  it("is forgotten when its user takes it back", async () => {
    expect((await rest(gateway, "DELETE", `/oauth/tokens/${id}`)).status).toBe(200);
    expect(linkIn((await call()).text)).not.toBe("");
    expect((await rest(gateway, "DELETE", `/oauth/tokens/${id}`)).status).toBe(404);
  });

  it("shows no token and no secret anywhere", async () => {
    const shown = JSON.stringify((await rest(gateway, "GET", `/gateways/${id}`)).body);
    for (const header of server.tokens) expect(gateway.stderr() + shown).not.toContain(header.slice("Bearer ".length));
    expect(server.tokens.length).toBeGreaterThan(0);
    expect(server.tokens.join(" ")).not.toContain(gateway.token);
  });
});

describe("headers of callers", () => {
  let gateway: Gateway;
  let upstream: TestServer;
  beforeAll(async () => {
    [gateway, upstream] = await Promise.all([
      startGateway({
        env: {
          ENABLE_HEADER_PASSTHROUGH: "true",
          DEFAULT_PASSTHROUGH_HEADERS: "X-Tenant-Id,X-Upstream-Authorization,Authorization",
          IDENTITY_CLAIMS_SECRET: SECRET,
        },
      }),
      serve((seen, response) => {
        if (legacyLife(seen, response)) return;
        if (seen.json?.method === "tools/list")
          rpc(response, seen, { tools: [{ name: "x", inputSchema: { type: "object" } }] });
        else if (seen.json?.id === undefined) response.writeHead(seen.method === "GET" ? 405 : 202).end();
        else rpc(response, seen, { content: [] });
      }),
    ]);
    const created = await rest(gateway, "POST", "/gateways", {
      name: "up",
      url: upstream.url,
      identity_propagation: { enabled: true, sign: true },
    });
    expect(created.status).toBe(201);
  }, 90_000);
  afterAll(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  const OWN = { "x-tenant-id": "t-1", "x-upstream-authorization": "Bearer for the upstream", "x-other": "not listed" };
  const call = (id: number) => message(id, "tools/call", { name: "up__x", arguments: {} });
  const calls = () =>
    upstream.seen.filter(({ json: sent }) => sent?.method === "tools/call").map(({ headers }) => headers);
  const arrived = () => {
    const headers = calls().at(-1) ?? {};
    upstream.seen.length = 0;
    return [
      headers["x-tenant-id"],
      headers.authorization,
      headers["x-other"],
      headers["x-forwarded-user-id"],
      String(headers["x-forwarded-user-signature"]).length,
    ];
  };
  const EXPECTED = ["t-1", "Bearer for the upstream", undefined, "admin@example.com", 64];

  it("arrive with a modern call", async () => {
    const answer = await callModern(
      { headers: { ...gateway.headers, ...OWN } },
      `${gateway.url}/mcp`,
      1,
      "tools/call",
      { name: "up__x", arguments: {} },
    );
    expect([answer.status, arrived()]).toEqual([200, EXPECTED]);
  });

  it("arrive with each call of a session, as that call brings them", async () => {
    const session = await openLegacySession(`${gateway.url}/mcp`, gateway.headers);
    await send("POST", `${gateway.url}/mcp`, { ...session.headers, ...OWN }, call(1));
    expect(arrived()).toEqual(EXPECTED);
    await send("POST", `${gateway.url}/mcp`, { ...session.headers, "x-tenant-id": "t-2" }, call(2));
    expect(arrived()).toEqual(["t-2", undefined, undefined, "admin@example.com", 64]);
  });

  it("arrive with /rpc", async () => {
    await send(
      "POST",
      `${gateway.url}/rpc`,
      { ...gateway.headers, ...OWN, "content-type": "application/json" },
      call(1),
    );
    expect(arrived()).toEqual(EXPECTED);
  });

  it("arrive over HTTP+SSE", async () => {
    const client = await connectSse(`${gateway.url}/sse`, { ...gateway, headers: { ...gateway.headers, ...OWN } });
    try {
      await client.callTool({ name: "up__x", arguments: {} });
    } finally {
      await client.close();
    }
    expect(arrived()).toEqual(EXPECTED);
  });

  it("arrive over a WebSocket as its opening request had them", async () => {
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/ws`, "mcp", {
      headers: { ...gateway.headers, ...OWN },
    });
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    const answered = (id: number) =>
      new Promise<void>((resolve) => {
        socket.on("message", (data) => {
          if (JSON.parse(String(data)).id === id) resolve();
        });
      });
    const opened = answered(0);
    const clientInfo = { name: "ws", version: "1" };
    socket.send(message(0, "initialize", { protocolVersion: LEGACY, capabilities: {}, clientInfo }));
    await opened;
    const called = answered(1);
    socket.send(call(1));
    await called;
    socket.close();
    expect(arrived()).toEqual(EXPECTED);
  });

  it("are refused on an allow-list where they are never passed", async () => {
    const body = { name: "other", url: upstream.url, passthrough_headers: ["Authorization"] };
    const refused = await rest(gateway, "POST", "/gateways", body);
    expect(refused.status).toBe(422);
    expect(JSON.stringify(refused.body)).toContain("X-Upstream-Authorization becomes the upstream's Authorization");
    expect(gateway.stderr()).toContain("Authorization is never passed on");
  });

  it("never hold the gateway's token", async () => {
    await send("POST", `${gateway.url}/rpc`, { ...gateway.headers, "content-type": "application/json" }, call(1));
    expect(calls().map(({ authorization }) => authorization)).toEqual([undefined]);
    expect(JSON.stringify(upstream.seen)).not.toContain(gateway.token);
  });
});

describe("addresses that users set", () => {
  it("are refused before they are stored", async () => {
    const gateway = await startGateway({
      env: { SSRF_ALLOW_LOCALHOST: "false", SSRF_ALLOW_PRIVATE_NETWORKS: "false" },
    });
    try {
      const create = (url: string, more: object = {}) =>
        rest(gateway, "POST", "/gateways?deferred=true", { name: "inner", url, ...more });
      const said = async (url: string, more: object = {}) => JSON.stringify((await create(url, more)).body);
      expect(await said("http://127.0.0.1:1/mcp")).toContain("SSRF_ALLOW_LOCALHOST");
      expect(await said("http://localhost:1/mcp")).toContain("SSRF_ALLOW_LOCALHOST");
      expect(await said("http://10.0.0.1/mcp")).toContain("SSRF_ALLOW_PRIVATE_NETWORKS");
      expect(await said("http://2852039166/mcp")).toContain("metadata service");
      const oauth = { grant_type: "client_credentials", token_url: "http://169.254.169.254/token" };
      const outer = { auth_type: "oauth", oauth_config: oauth };
      expect(await said("http://8.8.8.8/mcp", outer)).toContain("oauthConfig.tokenUrl: may not be used");
      expect((await rest(gateway, "GET", "/gateways")).body.value).toEqual([]);
    } finally {
      await gateway.stop();
    }
  }, 90_000);
});

/** The gateway as an OAuth resource, on every way into it: where its metadata stands, what it says, and how a refusal leads there. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createResources, type ResourceOptions } from "../../../gateway/auth/index.ts";
import { resourceRoutes } from "../../../gateway/resource-routes.ts";
import { catalogue, SECRET } from "../checks.ts";
import { type Served, served } from "../transports/harness.ts";
import { type Conversation, type Told, ways } from "../ways.ts";
import { resourceOptions } from "./room.ts";

const WELL_KNOWN = "/.well-known/oauth-protected-resource";
const SERVERS = ["https://as.example.com/realms/a"];

describe.each(ways)("metadata ($title)", (way) => {
  let gateway: Served;
  let talk: Conversation;
  beforeAll(async () => {
    const resources = createResources(resourceOptions({ authorizationServers: SERVERS }));
    gateway = await served({
      engine: way.engine,
      catalogue,
      scripts: {},
      allowedHosts: ["gw.example.com"],
      open: resourceRoutes(resources),
      auth: { secret: SECRET, required: true, anonymousIsAdmin: false, resources },
    });
    talk = await way.connect(gateway.port);
  });
  afterAll(async () => {
    talk.close();
    await gateway.close();
  });

  const get = (path: string, headers: Record<string, string> = {}): Promise<Told> =>
    talk.ask({ method: "GET", path, headers });

  it.each([
    ["", ""],
    ["/mcp", "/mcp"],
    ["/sse", "/sse"],
    ["/servers/s1/mcp", "/servers/s1/mcp"],
    ["/servers/s%201/mcp", "/servers/s%201/mcp"],
    ["/servers/s1/sse", "/servers/s1/sse"],
  ])("of %j is for anybody", async (path, resource) => {
    expect(await get(`${WELL_KNOWN}${path}`)).toEqual({
      status: 200,
      headers: { "content-type": "application/json", "cache-control": "no-store" },
      body: JSON.stringify({
        resource: `https://gw.example.com${resource}`,
        authorization_servers: SERVERS,
        scopes_supported: ["servers.use", "tools.read"],
        bearer_methods_supported: ["header"],
        resource_name: "mcp-stack",
      }),
    });
  });

  it.each(["/gateways/g/mcp", "/servers/s1", "/tools", "/servers//mcp"])("of %j is not there", async (path) => {
    expect((await get(`${WELL_KNOWN}${path}`)).status).toBe(404);
  });

  it("is for no foreign page and under no foreign name", async () => {
    expect((await get(WELL_KNOWN, { origin: "https://evil.example.com" })).status).toBe(403);
    expect((await get(WELL_KNOWN, { host: "evil.example.com" })).status).toBe(403);
  });

  it.each([
    ["POST", "/mcp", "/mcp", ', scope="servers.use"'],
    ["POST", "/servers/s1/mcp", "/servers/s1/mcp", ', scope="servers.use"'],
    ["GET", "/servers/s1/sse", "/servers/s1/sse", ', scope="servers.use"'],
    ["POST", "/gateways/one/mcp", "", ', scope="servers.use"'],
    ["GET", "/tools", "", ', scope="tools.read"'],
  ])("is where a refusal at %s %s leads", async (method, path, resource, scope) => {
    const body = method === "POST" ? { body: "{}" } : {};
    const ask = (authorization: Record<string, string>) =>
      talk.ask({ method, path, headers: { "content-type": "application/json", ...authorization }, ...body });
    const leads = `resource_metadata="https://gw.example.com${WELL_KNOWN}${resource}"`;
    const missing = await ask({});
    expect([missing.status, missing.headers["www-authenticate"]]).toEqual([
      401,
      `Bearer realm="mcp-stack"${scope}, ${leads}`,
    ]);
    const bad = await ask({ authorization: "Bearer nonsense" });
    expect([bad.status, bad.headers["www-authenticate"]]).toEqual([
      401,
      `Bearer realm="mcp-stack", error="invalid_token", error_description="the token is not a valid one of this gateway"${scope}, ${leads}`,
    ]);
  });

  it("is where a token leads that is too narrow", async () => {
    const token = await gateway.auth.mint({ username: "bob", expMinutes: 5, permissions: ["tools.read"] });
    const answer = await talk.ask({
      method: "POST",
      path: "/servers/s1/mcp",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: "{}",
    });
    expect([answer.status, answer.headers["www-authenticate"]]).toEqual([
      403,
      `Bearer realm="mcp-stack", error="insufficient_scope", error_description="the token does not cover servers.use", scope="tools.read servers.use", resource_metadata="https://gw.example.com${WELL_KNOWN}/servers/s1/mcp"`,
    ]);
  });
});

describe("the address of the gateway", () => {
  const head = { method: "GET", path: "/mcp", query: "", headers: { host: "gw.local:4444" }, remoteAddress: "::1" };
  it.each<[string, Partial<ResourceOptions>, string | undefined]>([
    [
      "is what was configured",
      { base: "https://a.example/gw", pathPrefix: "/gw" },
      `https://a.example/gw${WELL_KNOWN}/mcp`,
    ],
    ["is the Host that was let in", { base: undefined }, `https://gw.local:4444${WELL_KNOWN}/mcp`],
    [
      "has the path prefix",
      { base: undefined, scheme: "http", pathPrefix: "/gw" },
      `http://gw.local:4444/gw${WELL_KNOWN}/mcp`,
    ],
    ["is not any Host", { base: undefined, believesHost: false }, undefined],
    ["is told to nobody where no authorization server is known", { authorizationServers: [] }, undefined],
  ])("%s", (_, changes, url) => {
    const resources = createResources(resourceOptions(changes));
    expect(resources.metadataUrl(head)).toBe(url);
    expect(resources.metadata("/mcp", head).status).toBe(url === undefined ? 404 : 200);
  });
});

/** The official client finds its own way in: from a 401 to the metadata, to the authorization server, and back with a token for this resource. */
import {
  Client,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createResources, type Resources, readIssuers } from "../../../gateway/auth/index.ts";
import { resourceRoutes } from "../../../gateway/resource-routes.ts";
import { SECRET } from "../checks.ts";
import {
  engineNames,
  item,
  type Served,
  served,
  snapshot,
  gateway as upstream,
  virtualServer,
} from "../transports/harness.ts";
import { type AuthorizationServer, createBrowser, signInAt, startAuthorizationServer } from "./authorization-server.ts";
import { resourceOptions } from "./room.ts";

const REDIRECT = "http://127.0.0.1:53682/callback";
const TOOLS = [{ name: "t", description: "", inputSchema: { type: "object" } }];

const servers = [virtualServer(["one"]), virtualServer(["one"], { id: "other", name: "other" })];
const catalogue = snapshot({ gateways: [upstream("one")], items: [item("one", "tool", "t")], servers });

describe.each(engineNames)("a client without a token (%s)", (engine) => {
  let server: AuthorizationServer;
  let gateway: Served;
  beforeAll(async () => {
    server = await startAuthorizationServer(REDIRECT, {});
    const issuers = readIssuers({
      issuers: [server.url],
      path: undefined,
      audiences: [],
      scopes: "require",
      emailDomains: [],
      ownIssuer: "i",
    });
    // Where the gateway is, is known when it listens.
    let made: Resources | undefined;
    const late = (): Resources => {
      const where = { base: gateway.url, authorizationServers: [server.url] };
      made ??= createResources(resourceOptions(where));
      return made;
    };
    const resources: Resources = {
      reachOf: (audiences, others) => late().reachOf(audiences, others),
      metadataUrl: (head) => late().metadataUrl(head),
      metadata: (path, head) => late().metadata(path, head),
    };
    const limits = { ttlMs: 600_000, cooldownMs: 30_000, staleMs: 0 };
    gateway = await served({
      engine,
      catalogue,
      scripts: { one: { era: "legacy", answer: (call) => call.result({ tools: TOOLS }) } },
      open: resourceRoutes(resources),
      auth: {
        secret: SECRET,
        required: true,
        anonymousIsAdmin: false,
        resources,
        foreign: { issuers, ...limits, fetch, warn: (reason) => expect.unreachable(reason) },
      },
    });
  });
  afterAll(async () => {
    await gateway.close();
    await server.close();
  });

  function person() {
    const kept: { client?: unknown; tokens?: { access_token: string }; verifier?: string; callback?: URL } & {
      discovered?: OAuthDiscoveryState;
    } = {};
    const provider: OAuthClientProvider = {
      redirectUrl: REDIRECT,
      clientMetadata: {
        redirect_uris: [REDIRECT],
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code"],
        response_types: ["code"],
        application_type: "native",
      },
      clientInformation: () => kept.client as Awaited<ReturnType<OAuthClientProvider["clientInformation"]>>,
      saveClientInformation: (client) => {
        kept.client = client;
      },
      tokens: () => kept.tokens as Awaited<ReturnType<OAuthClientProvider["tokens"]>>,
      saveTokens: (tokens) => {
        kept.tokens = tokens;
      },
      redirectToAuthorization: async (url) => {
        kept.callback = new URL(await signInAt(createBrowser(), url.href, "ann"));
      },
      saveCodeVerifier: (verifier) => {
        kept.verifier = verifier;
      },
      codeVerifier: () => kept.verifier ?? "",
      saveDiscoveryState: (state) => {
        kept.discovered = state;
      },
      discoveryState: () => kept.discovered,
    };
    return { kept, provider };
  }

  it.each([
    ["/mcp", "one__t", undefined],
    ["/servers/server/mcp", "t", "server"],
  ])("is led from %s to a token for that, and in", async (path, tool, serverId) => {
    const { kept, provider } = person();
    const open = () => new StreamableHTTPClientTransport(new URL(gateway.url + path), { authProvider: provider });
    const first = open();
    await expect(new Client({ name: "test", version: "1" }).connect(first)).rejects.toThrow("Unauthorized");
    await first.finishAuth(kept.callback?.searchParams ?? new URLSearchParams());
    const client = new Client({ name: "test", version: "1" });
    await client.connect(open());
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual([tool]);
    await client.close();

    const token = kept.tokens?.access_token ?? "";
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    expect(claims).toMatchObject({ iss: server.url, sub: "ann", aud: gateway.url + path });
    const principal = await gateway.auth.authenticate(`Bearer ${token}`);
    expect(principal).toMatchObject({ id: `${server.url.replace("http://", "")}#ann`, kind: "jwt", admin: false });
    expect([principal.serverId, [...(principal.permissions ?? [])]]).toEqual([serverId, ["servers.use"]]);
  });
});

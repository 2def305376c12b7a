/** Access tokens for upstreams, from a real authorization server: fetched, kept per caller, refreshed once for all, given by users. */
import { decodeJwt, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { memoryState } from "../../../gateway/coordination/index.ts";
import { createSealer } from "../../../gateway/sessions/index.ts";
import type { StoredClient, StoredToken, UpstreamTokens } from "../../../gateway/store/index.ts";
import {
  type Actor,
  type ClientRules,
  createAddressGuard,
  openUpstreamAuthorization,
  type UpstreamTarget,
} from "../../../gateway/upstreams/index.ts";
import { Browser, CLIENT, startAuthorizationServer } from "../../fixtures/authorization-server.ts";
import { closing } from "../../harness/closing.ts";
import { holder, json, legacyLife, message, quietLog, resultOf, room, rpc, send, serve, target } from "./harness.ts";

const RULES: ClientRules = {
  timeoutMs: 5000,
  discovers: true,
  registers: true,
  allowedIssuers: [],
  clientName: "gateway ({gateway_name})",
  defaultScopes: ["mcp:read"],
  authMethod: "client_secret_basic",
  metadataMs: 60_000,
};
const REDIRECT = "http://127.0.0.1:1/oauth/callback";
const ANN: Actor = { id: "ann@example.com", teams: [], admin: false };
const BOB: Actor = { id: "bob@example.com", teams: [], admin: false };

const closers = closing();

/** Rows as the store has them, without a database. */
function tokenRows(): UpstreamTokens {
  const tokens = new Map<string, StoredToken>();
  const clients = new Map<string, StoredClient>();
  const keyOf = (gatewayId: string, principalId: string) => `${gatewayId} ${principalId}`;
  return {
    upstreamToken: async (gatewayId, principalId) => tokens.get(keyOf(gatewayId, principalId)),
    async putUpstreamToken(gatewayId, principalId, value, former) {
      const known = tokens.get(keyOf(gatewayId, principalId));
      if (known !== undefined && former !== 0 && known.version !== former) return undefined;
      const version = (known?.version ?? 0) + 1;
      tokens.set(keyOf(gatewayId, principalId), { value, version, failure: null });
      return version;
    },
    async failUpstreamToken(gatewayId, principalId, former, failure) {
      const known = tokens.get(keyOf(gatewayId, principalId));
      if (known?.version === former) tokens.set(keyOf(gatewayId, principalId), { ...known, failure });
    },
    deleteUpstreamToken: async (gatewayId, principalId) => tokens.delete(keyOf(gatewayId, principalId)),
    upstreamClient: async (gatewayId) => clients.get(gatewayId),
    async putUpstreamClient(gatewayId, client) {
      clients.set(gatewayId, client);
      return client;
    },
    deleteUpstreamClient: async (gatewayId) => clients.delete(gatewayId),
    resealCredentials: async () => 0,
  };
}

/** What the replicas of one deployment share. */
function deployment() {
  return {
    state: memoryState(),
    store: tokenRows(),
    sealing: createSealer([{ id: "k", secret: Buffer.alloc(32, 7) }]),
    aheadMs: 0,
  };
}
type Deployment = ReturnType<typeof deployment>;

async function replica(shared: Deployment, workerId: string, rules: Partial<ClientRules> = {}) {
  const now = () => performance.now() + shared.aheadMs;
  const authorization = await openUpstreamAuthorization({
    rules: { ...RULES, ...rules },
    asserting: { issuer: "the-gateway", secret: undefined },
    store: shared.store,
    state: shared.state,
    sealing: shared.sealing,
    guard: undefined,
    publicUrl: () => "http://127.0.0.1:1",
    workerId,
    log: quietLog,
    now,
    wallClock: () => Date.now() + shared.aheadMs,
  });
  const upstreams = room({ tokens: authorization.tokens, now });
  closers.push(async () => {
    await upstreams.close();
    await authorization.close();
  });
  const call = (to: UpstreamTarget, key = "s:1") =>
    send(upstreams, to, holder(key), { ...message(1, "tools/call", { name: "whoami" }), era: "legacy" });
  return { authorization, upstreams, call };
}

async function started(changes: Parameters<typeof startAuthorizationServer>[0] = {}) {
  const server = await startAuthorizationServer(changes);
  closers.push(() => server.close());
  return server;
}

const machine = (mcpUrl: string, more: Partial<UpstreamTarget["oauth"]> = {}) =>
  target(mcpUrl, {
    era: "legacy",
    oauth: { grantType: "client_credentials", scopes: ["mcp:read"], ...CLIENT, ...more },
  });
const personal = (mcpUrl: string, actor: Actor) =>
  target(mcpUrl, { era: "legacy", actor, oauth: { grantType: "authorization_code", scopes: ["openid", "mcp:read"] } });
const textOf = (outcome: Awaited<ReturnType<typeof send>>) =>
  (resultOf(outcome) as { content: { text: string }[] }).content[0]?.text;

describe("client credentials", () => {
  it("are found by way of the upstream, fetched once and used for everybody", async () => {
    const server = await started();
    const { call } = await replica(deployment(), "w1");
    const outcomes = await Promise.all([1, 2, 3].map((one) => call(machine(server.mcpUrl), `s:${one}`)));
    expect(outcomes.map(textOf)).toEqual([CLIENT.clientId, CLIENT.clientId, CLIENT.clientId]);
    expect(server.asked).toEqual(["client_credentials"]);
  });

  it("need no discovery where the token endpoint is configured", async () => {
    const server = await started();
    const { call } = await replica(deployment(), "w1", { discovers: false });
    const to = machine(server.mcpUrl, { tokenUrl: `${server.issuer}/token` });
    expect(textOf(await call(to))).toBe(CLIENT.clientId);
    const { fault } = await call({ ...machine(server.mcpUrl), id: "up-2" }, "s:2");
    expect(fault?.message).toBe(
      "There is no access token for upstream sample: it names neither issuer nor tokenUrl, and discovery is off (OAUTH_DISCOVERY_ENABLED)",
    );
  });

  it("are fetched again when the upstream refuses the token, once", async () => {
    const server = await started();
    const { call } = await replica(deployment(), "w1");
    await call(machine(server.mcpUrl));
    server.forgetAccessTokens();
    expect(textOf(await call(machine(server.mcpUrl)))).toBe(CLIENT.clientId);
    expect(server.asked).toEqual(["client_credentials", "refused", "client_credentials"]);
    expect(server.callers).toHaveLength(2);
  });

  it("are fetched again ahead of their end, while the former is used", async () => {
    const server = await started({ accessTokenSeconds: 100 });
    const shared = deployment();
    const { call } = await replica(shared, "w1");
    const to = machine(server.mcpUrl);
    await call(to);
    shared.aheadMs = 80_000;
    expect(textOf(await call(to))).toBe(CLIENT.clientId);
    const used = async () => {
      await call(to);
      return new Set(server.tokens).size;
    };
    await expect.poll(used, { timeout: 10_000 }).toBe(2);
    expect(server.asked).toEqual(["client_credentials", "client_credentials"]);
  });

  it("that are wrong are named, without the secret", async () => {
    const server = await started();
    const { call } = await replica(deployment(), "w1");
    const { fault } = await call(machine(server.mcpUrl, { clientSecret: "not the secret" }));
    expect(fault?.code).toBe("MCPS_UPSTREAM_CREDENTIALS");
    expect(fault?.message).toBe(
      "There is no access token for upstream sample: its authorization server refuses the gateway's credentials (invalid_client)",
    );
  });

  it("are not asked for at an address that users may not set", async () => {
    const server = await started();
    const guard = createAddressGuard({
      enabled: true,
      blockedNetworks: [],
      blockedHosts: [],
      allowLocalhost: false,
      allowPrivate: false,
      allowedNetworks: [],
      dnsFailClosed: true,
    });
    const shared = deployment();
    const authorization = await openUpstreamAuthorization({
      ...shared,
      rules: RULES,
      asserting: { issuer: "g", secret: undefined },
      guard,
      publicUrl: () => "http://127.0.0.1:1",
      workerId: "w1",
      log: quietLog,
      now: () => performance.now(),
      wallClock: Date.now,
    });
    closers.push(() => authorization.close());
    await expect(authorization.tokens.token(machine(server.mcpUrl))).rejects.toMatchObject({
      code: "MCPS_UPSTREAM_CREDENTIALS",
      message: expect.stringContaining("its address is this machine's own (SSRF_ALLOW_LOCALHOST)"),
    });
    expect(server.asked).toEqual([]);
  });
});

describe("a user", () => {
  /** Ann or Bob in front of a browser, from the link of an error to the code that comes back. */
  async function authorised(made: Awaited<ReturnType<typeof replica>>, to: UpstreamTarget): Promise<string> {
    const { flow, keeper } = made.authorization;
    const { url } = await flow.begin(to, to.actor?.id ?? "", false);
    const back = await new Browser().open(url, REDIRECT);
    const query = new URL(back.url).searchParams;
    const state = flow.readState(query.get("state") ?? "");
    await keeper.accept(to, await flow.finish(to, state, query));
    return back.url;
  }

  it("is told where to authorise the gateway, and then has a token of his own", async () => {
    const server = await started();
    const made = await replica(deployment(), "w1");
    const ann = personal(server.mcpUrl, ANN);
    const { fault } = await made.call(ann);
    expect(fault?.code).toBe("MCPS_UPSTREAM_AUTHORIZE");
    expect(fault?.message).toMatch(
      /^Upstream sample needs your authorisation: open http:\/\/127\.0\.0\.1:1\/oauth\/begin\?ticket=/,
    );
    server.user = "ann-at-the-server";
    await authorised(made, ann);
    expect(textOf(await made.call(ann))).toBe("ann-at-the-server");
    // Bob is somebody else, and has none.
    const bob = personal(server.mcpUrl, BOB);
    expect((await made.call(bob, "s:2")).fault?.code).toBe("MCPS_UPSTREAM_AUTHORIZE");
    server.user = "bob-at-the-server";
    await authorised(made, bob);
    expect(textOf(await made.call(bob, "s:2"))).toBe("bob-at-the-server");
    expect(textOf(await made.call(ann))).toBe("ann-at-the-server");
  });

  it("cannot use a state twice, nor one of another gateway", async () => {
    const server = await started();
    const shared = deployment();
    const made = await replica(shared, "w1");
    const other = await replica(shared, "w2");
    const ann = personal(server.mcpUrl, ANN);
    const query = new URL(await authorised(made, ann)).searchParams;
    const state = other.authorization.flow.readState(query.get("state") ?? "");
    await expect(other.authorization.flow.finish(ann, state, query)).rejects.toMatchObject({ code: "MCPS_OAUTH" });
    expect(() => made.authorization.flow.readState("k.AAAA")).toThrow(
      "The authorisation cannot be completed: its state is not one of this gateway, or it is too old",
    );
    shared.aheadMs = 600_001;
    expect(() => made.authorization.flow.readState(query.get("state") ?? "")).toThrow("too old");
  });

  it("whose token ends on all replicas at once has it refreshed by one of them", async () => {
    const server = await started({ accessTokenSeconds: 100 });
    const shared = deployment();
    const replicas = await Promise.all(["w1", "w2", "w3"].map((id) => replica(shared, id)));
    const ann = personal(server.mcpUrl, ANN);
    await authorised(replicas[0] as (typeof replicas)[0], ann);
    for (const { call } of replicas) expect(textOf(await call(ann))).toBe("ann");
    for (let round = 1; round <= 3; round++) {
      shared.aheadMs = round * 3_600_000;
      server.asked.length = 0;
      const outcomes = await Promise.all(replicas.flatMap(({ call }) => [call({ ...ann }), call({ ...ann })]));
      expect(outcomes.map(textOf)).toEqual(Array(6).fill("ann"));
      // A refresh token that was used twice would have taken the grant with it.
      expect(server.asked).toEqual(["refresh_token"]);
    }
  });

  it("is asked again when the server takes the grant back, and the reason stands beside the token", async () => {
    const server = await started({ accessTokenSeconds: 100 });
    const shared = deployment();
    const made = await replica(shared, "w1");
    const ann = personal(server.mcpUrl, ANN);
    await authorised(made, ann);
    expect(await made.authorization.keeper.status(ann)).toMatchObject({ authorised: true, failure: null });
    const stored = await shared.store.upstreamToken(ann.id, ANN.id);
    const grant = { ...JSON.parse(stored?.value ?? "{}"), refreshToken: "never given" };
    await shared.store.putUpstreamToken(ann.id, ANN.id, JSON.stringify(grant), 0);
    shared.aheadMs = 3_600_000;
    expect((await made.call({ ...ann })).fault?.code).toBe("MCPS_UPSTREAM_AUTHORIZE");
    expect(await made.authorization.keeper.status(ann)).toMatchObject({
      authorised: false,
      failure: "its authorization server answers invalid_grant: grant request is invalid",
    });
    // Nor is the server asked a second time.
    shared.aheadMs += 60_000;
    server.asked.length = 0;
    expect([(await made.call({ ...ann })).fault?.code, server.asked]).toEqual(["MCPS_UPSTREAM_AUTHORIZE", []]);
    await authorised(made, ann);
    expect(textOf(await made.call({ ...ann }))).toBe("ann");
  });

  it("keeps his token while the authorization server is away", async () => {
    const server = await started({ accessTokenSeconds: 100 });
    const shared = deployment();
    const made = await replica(shared, "w1");
    const ann = personal(server.mcpUrl, ANN);
    await authorised(made, ann);
    shared.aheadMs = 3_600_000;
    server.isAway = true;
    expect((await made.call({ ...ann })).fault?.code).toBe("MCPS_UPSTREAM_CREDENTIALS");
    expect(await made.authorization.keeper.status(ann)).toMatchObject({ authorised: true, failure: null });
    server.isAway = false;
    shared.aheadMs += 3000;
    expect(textOf(await made.call({ ...ann }))).toBe("ann");
  });
});

describe("token exchange", () => {
  it("sends the gateway's word on who calls, for one resource", async () => {
    const secret = "a key that upstreams know, and no other one";
    const forms: Record<string, string>[] = [];
    const server = await serve((seen, response) => {
      if (seen.path !== "/token") {
        if (!legacyLife(seen, response)) rpc(response, seen, { who: seen.headers.authorization });
        return;
      }
      forms.push(Object.fromEntries(new URLSearchParams(seen.body)));
      const { subject_token: subject = "" } = forms.at(-1) ?? {};
      const { sub } = decodeJwt(subject);
      const answer = { access_token: `for-${sub?.split("@")[0]}`, token_type: "Bearer", expires_in: 60 };
      json(response, 200, { ...answer, issued_token_type: "urn:ietf:params:oauth:token-type:access_token" });
    });
    closers.push(server.close);
    const tokenUrl = `${new URL(server.url).origin}/token`;
    const shared = deployment();
    const authorization = await openUpstreamAuthorization({
      ...shared,
      rules: RULES,
      asserting: { issuer: "the-gateway", secret },
      guard: undefined,
      publicUrl: () => "http://127.0.0.1:1",
      workerId: "w1",
      log: quietLog,
      now: () => performance.now(),
      wallClock: Date.now,
    });
    const upstreams = room({ tokens: authorization.tokens, now: () => performance.now() });
    closers.push(async () => {
      await upstreams.close();
      await authorization.close();
    });
    const oauth = {
      grantType: "token_exchange",
      scopes: ["a"],
      tokenUrl,
      issuer: "http://127.0.0.1:2",
      ...CLIENT,
    } as const;
    const call = (actor: Actor) => {
      const to = target(server.url, { era: "legacy", actor, oauth: { ...oauth, scopes: ["a"] } });
      return send(upstreams, to, holder(`s:${actor.id}`), {
        ...message(1, "tools/call", { name: "x" }),
        era: "legacy",
      });
    };
    expect(resultOf(await call(ANN))).toEqual({ who: "Bearer for-ann" });
    expect(resultOf(await call(BOB))).toEqual({ who: "Bearer for-bob" });
    expect(resultOf(await call({ ...ANN }))).toEqual({ who: "Bearer for-ann" });
    expect(forms).toHaveLength(2);
    const { subject_token: subject = "", ...form } = forms[0] ?? {};
    expect(form).toEqual({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      resource: server.url,
      scope: "a",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
    });
    const { payload } = await jwtVerify(subject, Buffer.from(secret), {
      audience: oauth.issuer,
      issuer: "the-gateway",
    });
    expect(payload.sub).toBe(ANN.id);
  });
});

/** What the store promises, on whatever database it is given. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { type GatewayInput, openStore, type Store } from "../../../gateway/store/index.ts";
import { silentLog } from "../coordination/log.ts";
import type { Asked } from "./asked.ts";

export const keyOf = (id: string) => ({ id, secret: randomBytes(32) });
export const admin = { id: "admin@example.com", kind: "jwt", admin: true, teams: [] } as const;
export const all = { limit: 0, after: 0, includeInactive: true };

export function gatewayInput(slug: string, more: Partial<GatewayInput> = {}): GatewayInput {
  return {
    slug,
    name: slug,
    description: "",
    transport: "STREAMABLEHTTP",
    url: `http://127.0.0.1:1/${slug}`,
    stdio: null,
    era: "auto",
    authHeaders: {},
    authType: "none",
    passthroughHeaders: [],
    requestTimeoutMs: null,
    tags: [],
    visibility: "public",
    teamId: null,
    ownerEmail: null,
    enabled: true,
    source: "api",
    ...more,
  };
}

export function listing(...tools: string[]) {
  return {
    ok: true,
    capabilities: '{"tools":{}}',
    instructions: null,
    items: tools.map((name) => ({
      kind: "tool" as const,
      originalName: name,
      definition: `{"name":${JSON.stringify(name)},"inputSchema":{"maximum":9007199254740993.0}}`,
    })),
    incomplete: [],
    note: null,
  } as const;
}

export function describeStore(name: string, urlOf: () => Promise<string>, asked: Asked): void {
  describe(`store on ${name}`, () => {
    const [old, young] = [keyOf("old"), keyOf("young")];
    const open = async (ring: Parameters<typeof createSealer>[0]) => {
      const sealing = createSealer(ring);
      return asked.watch(
        await openStore({ url: await urlOf(), poolSize: 4, poolTimeoutMs: 10_000, log: silentLog, sealing }),
      );
    };
    let store: Store;
    beforeAll(async () => {
      store = await open([old]);
    });
    afterAll(() => store.close());

    it("keeps a gateway with its credentials, and bumps the version with each change", async () => {
      const before = await store.catalogueVersion();
      const input = gatewayInput("kept", { authType: "bearer", authHeaders: { authorization: "Bearer s3cret" } });
      const created = await store.createGateway(input, listing("one"));
      expect(created).toMatchObject({ ...input, reachable: true, capabilities: { tools: {} } });
      expect(await store.catalogueVersion()).toBe(before + 1);
      await expect(store.createGateway(input)).rejects.toMatchObject({ code: "MCPS_ITEM_CONFLICT" });
      expect(await store.catalogueVersion()).toBe(before + 1);
      await store.deleteGateway(created.id);
      await expect(store.deleteGateway(created.id)).rejects.toMatchObject({ code: "MCPS_ITEM_UNKNOWN" });
    });

    it("keeps ids, names and flags of items over refreshes, vanishing and return", async () => {
      const { id } = await store.createGateway(gatewayInput("items"), listing("a", "b", "c"));
      const rows = async () => (await store.listItems(["tool"], { ...all, gatewayId: id }, admin)).rows;
      const [a, b, c] = await rows();
      expect([a, b, c].map((item) => item?.originalName)).toEqual(["a", "b", "c"]);
      expect(a?.definition).toBe('{"name":"a","inputSchema":{"maximum":9007199254740993.0}}');
      await store.updateItem(["tool"], a?.id ?? "", { customName: "alpha", enabled: false });
      await store.deleteItem(b?.id ?? "");
      await store.recordInspection(id, listing("b", "d"));
      expect((await rows()).map((item) => item.originalName)).toEqual(["d"]);
      await store.recordInspection(id, listing("a", "b"));
      expect((await rows()).map(({ id, customName, enabled }) => ({ id, customName, enabled }))).toEqual([
        { id: a?.id, customName: "alpha", enabled: false },
      ]);
      const seen = (await store.loadSnapshot()).items.filter((item) => item.gatewayId === id);
      expect(seen.map((item) => [item.originalName, item.enabled])).toEqual([
        ["a", false],
        ["b", false],
      ]);
      await store.recordInspection(id, listing("a", "b"), true);
      expect((await rows()).map((item) => item.id)).toEqual([a?.id, b?.id]);
      await store.recordInspection(id, { ...listing(), incomplete: ["tool"] });
      expect(await rows()).toHaveLength(2);
      await store.deleteGateway(id);
      expect(await rows()).toEqual([]);
    });

    it("knows which tools declare that a call may be repeated", async () => {
      const { id } = await store.createGateway(gatewayInput("annotated"));
      const tool = (name: string, rest: object) =>
        ({ kind: "tool", originalName: name, definition: JSON.stringify({ name, ...rest }, null, 1) }) as const;
      const items = [
        tool("reads", { annotations: { title: "Reads", readOnlyHint: true } }),
        tool("again", { annotations: { readOnlyHint: false, idempotentHint: true } }),
        tool("writes", { annotations: { readOnlyHint: false, destructiveHint: true } }),
        tool("plain", {}),
        tool("says", { description: '"annotations":{"readOnlyHint":true}' }),
        tool("argues", { inputSchema: { properties: { readOnlyHint: { const: true } } } }),
      ];
      await store.recordInspection(id, { ...listing(), items });
      const seen = (await store.loadSnapshot()).items.filter((item) => item.gatewayId === id && item.repeatable);
      expect(seen.map(({ originalName }) => originalName)).toEqual(["reads", "again"]);
      await store.deleteGateway(id);
    });

    it("shows others what is public, their own, and their teams', page by page", async () => {
      const mine = { visibility: "private", ownerEmail: "me@example.com" } as const;
      await store.createGateway(gatewayInput("v-public"));
      await store.createGateway(gatewayInput("v-mine", mine));
      await store.createGateway(gatewayInput("v-team", { visibility: "team", teamId: "t1" }));
      await store.createGateway(gatewayInput("v-other", { visibility: "private", ownerEmail: "x@example.com" }));
      const me = { id: "me@example.com", admin: false, teams: ["t1"] };
      const first = await store.listGateways({ ...all, limit: 2 }, me);
      const second = await store.listGateways({ ...all, limit: 2, after: first.next ?? -1 }, me);
      expect(first.rows.map((row) => row.slug)).toEqual(["v-public", "v-mine"]);
      expect([second.rows.map((row) => row.slug), second.next]).toEqual([["v-team"], undefined]);
      for (const row of (await store.listGateways(all, admin)).rows) await store.deleteGateway(row.id);
    });

    it("re-seals under the newest key, and disables what no key opens", async () => {
      const headers = { authorization: "Basic Zm9vOmJhcg==" };
      const { id } = await store.createGateway(gatewayInput("rotated", { authHeaders: headers, authType: "basic" }));
      const both = await open([young, old]);
      expect((await both.getGateway(id))?.authHeaders).toEqual(headers);
      const onlyYoung = await open([young]);
      expect(await onlyYoung.getGateway(id)).toMatchObject({ enabled: false, reachable: false, authHeaders: {} });
      await onlyYoung.updateGateway(id, { description: "the key is away" });
      await both.updateGateway(id, { description: "written again", enabled: true });
      expect(await onlyYoung.getGateway(id)).toMatchObject({ enabled: true, authHeaders: headers });
      await both.deleteGateway(id);
      await Promise.all([both.close(), onlyYoung.close()]);
    });

    it("keeps credentials beyond headers, and takes them away", async () => {
      const outbound = {
        oauth: { grantType: "client_credentials", scopes: ["a"], clientId: "c" },
        caCertificate: "a certificate",
        identity: { enabled: true },
      } as const;
      const secrets = { clientSecret: "s3cret", clientKey: "a key" };
      const input = gatewayInput("outbound", {
        authType: "oauth",
        outbound: { ...outbound, oauth: { ...outbound.oauth, scopes: ["a"] } },
        secrets,
      });
      const created = await store.createGateway(input);
      expect(await store.getGateway(created.id)).toMatchObject({ authType: "oauth", outbound, secrets });
      const changed = await store.updateGateway(created.id, { authType: "none", outbound: {}, secrets: {} });
      expect([changed.outbound, changed.secrets, changed.revision === created.revision]).toEqual([
        undefined,
        undefined,
        false,
      ]);
      await store.deleteGateway(created.id);
    });

    it("keeps tokens of upstreams for one principal and one upstream, the newest of several writers", async () => {
      const { id } = await store.createGateway(gatewayInput("tokens"));
      const { id: other } = await store.createGateway(gatewayInput("others"));
      const before = await store.catalogueVersion();
      expect(await store.putUpstreamToken(id, "ann", "first", 0)).toBe(1);
      expect(await store.putUpstreamToken(id, "ann", "second", 1)).toBe(2);
      // Another process refreshed meanwhile: its token is not written over.
      expect(await store.putUpstreamToken(id, "ann", "late", 1)).toBeUndefined();
      await store.failUpstreamToken(id, "ann", 1, "too late to matter");
      expect(await store.upstreamToken(id, "ann")).toEqual({ value: "second", version: 2, failure: null });
      await store.failUpstreamToken(id, "ann", 2, "the server said no");
      expect(await store.upstreamToken(id, "ann")).toEqual({
        value: "second",
        version: 2,
        failure: "the server said no",
      });
      expect(await store.upstreamToken(id, "bob")).toBeUndefined();
      expect(await store.upstreamToken(other, "ann")).toBeUndefined();
      expect(await store.catalogueVersion()).toBe(before);
      expect([await store.deleteUpstreamToken(id, "ann"), await store.deleteUpstreamToken(id, "ann")]).toEqual([
        true,
        false,
      ]);
      const account = { email: "gone@example.com", fullName: "", admin: false, active: true } as const;
      await store.createAccount(
        { ...account, passwordHash: null, mustChangePassword: false, source: "local" },
        undefined,
      );
      await store.putUpstreamToken(id, account.email, "his", 0);
      expect(await store.deleteAccount(account.email)).toBe(true);
      expect(await store.upstreamToken(id, account.email)).toBeUndefined();
      await store.putUpstreamToken(id, "ann", "again", 0);
      await store.deleteGateway(id);
      expect(await store.upstreamToken(id, "ann")).toBeUndefined();
      await store.deleteGateway(other);
    });

    it("keeps the first registration of a client for an issuer and a way back", async () => {
      const { id } = await store.createGateway(gatewayInput("client"));
      const client = { issuer: "https://as", clientId: "one", redirectUri: "https://here/oauth/callback", value: "s" };
      expect(await store.putUpstreamClient(id, client)).toEqual(client);
      expect(await store.putUpstreamClient(id, { ...client, clientId: "two" })).toEqual(client);
      const moved = { ...client, clientId: "three", redirectUri: "https://there/oauth/callback" };
      expect(await store.putUpstreamClient(id, moved)).toEqual(moved);
      expect(await store.upstreamClient(id)).toEqual(moved);
      expect([await store.deleteUpstreamClient(id), await store.upstreamClient(id)]).toEqual([true, undefined]);
      await store.deleteGateway(id);
    });

    it("seals everything anew with the first key, so that an old one can go", async () => {
      const headers = { authorization: "Bearer kept" };
      const { id } = await store.createGateway(gatewayInput("resealed", { authType: "bearer", authHeaders: headers }));
      await store.putUpstreamToken(id, "ann", "a token", 0);
      const client = { issuer: "i", clientId: "c", redirectUri: "r", value: "a secret" };
      await store.putUpstreamClient(id, client);
      const both = await open([young, old]);
      expect([await both.resealCredentials(), await both.resealCredentials()]).toEqual([3, 0]);
      const onlyYoung = await open([young]);
      expect((await onlyYoung.getGateway(id))?.authHeaders).toEqual(headers);
      expect((await onlyYoung.upstreamToken(id, "ann"))?.value).toBe("a token");
      expect(await onlyYoung.upstreamClient(id)).toEqual(client);
      // Who has lost the key has no token; he is not told of another's.
      expect(await store.upstreamToken(id, "ann")).toBeUndefined();
      await both.deleteGateway(id);
      await Promise.all([both.close(), onlyYoung.close()]);
    });

    it("keeps a virtual server with what is associated to it", async () => {
      const gateway = await store.createGateway(gatewayInput("behind"), listing("x", "y"));
      const [x] = await store.findItems(["tool"], ["behind__x"], "__");
      const server = await store.createServer({
        name: "virtual",
        description: "",
        icon: null,
        tags: ["t"],
        gatewayIds: [],
        itemIds: [x?.id ?? ""],
        prefixMode: "never",
        failureMode: "closed",
        visibility: "public",
        teamId: null,
        ownerEmail: null,
        enabled: true,
      });
      expect((await store.loadSnapshot()).servers).toEqual([server]);
      expect((await store.listServers(all, admin)).rows).toEqual([server]);
      expect(server.itemIds).toEqual([x?.id]);
      const { gatewayIds, updatedAt } = await store.updateServer(server.id, { gatewayIds: [gateway.id] });
      expect(gatewayIds).toEqual([gateway.id]);
      expect(updatedAt >= server.updatedAt).toBe(true);
      await store.deleteGateway(gateway.id);
      expect(await store.getServer(server.id)).toMatchObject({ gatewayIds: [], itemIds: [] });
      await store.deleteServer(server.id);
    });

    it("keeps what is hosted here, page by page, in an upstream that goes with the last of it", async () => {
      const input = (uri: string) =>
        ({
          kind: uri.includes("{") ? "resourceTemplate" : "resource",
          originalName: uri,
          definition: `{"uri":${JSON.stringify(uri)},"size":1.0}`,
          body: "a\u2028{b}",
          encoding: "text",
        }) as const;
      const patch = { visibility: "public", tags: ["t"] } as const;
      const first = await store.createHosted(input("x:1"), patch);
      expect(first).toMatchObject({ gatewayId: "library", kind: "resource", reachable: true, ...patch });
      const template = await store.createHosted(input("y:{b}"), patch);
      const taken = { code: "MCPS_ITEM_CONFLICT" };
      await expect(store.createHosted(input("x:1"), patch)).rejects.toMatchObject(taken);
      await expect(store.updateHosted(template.id, input("y:{c}"), patch)).resolves.toMatchObject({
        originalName: "y:{c}",
      });
      expect(await store.listHosted("resource", 0)).toEqual({ definitions: [input("x:1").definition] });
      expect(await store.hostedTemplates("y:anything")).toEqual(["y:{c}"]);
      expect(await store.hostedTemplates("x:1")).toEqual([]);
      const { kind: _, ...entry } = input("x:1");
      expect(await store.findHosted("resource", "x:1")).toEqual(entry);
      expect(await store.findHosted("resource", "x:2")).toBeUndefined();
      expect(await store.hostedBody(first.id)).toEqual({ body: entry.body, encoding: "text" });
      await store.deleteItem(first.id);
      expect(await store.hostedBody(first.id)).toBeUndefined();
      expect(await store.getGateway("library")).toMatchObject({ source: "builtin", enabled: true });
      await store.deleteItem(template.id);
      expect(await store.getGateway("library")).toBeUndefined();
      await expect(store.deleteItem(template.id)).rejects.toMatchObject({ code: "MCPS_ITEM_UNKNOWN" });
    });

    it("serves many at once without mixing them", async () => {
      await store.ping();
      const answers = await Promise.all(
        Array.from({ length: 100 }, async (_, index) => {
          await store.sharedState.setValue(`key ${index}`, `value ${index}`, 60_000, false);
          return store.sharedState.getValue(`key ${index}`);
        }),
      );
      expect(answers).toEqual(Array.from({ length: 100 }, (_, index) => `value ${index}`));
    });
  });
}

/** What of a caller reaches an upstream: headers of an allow-list, who he is, and nothing else. */
import { createHmac } from "node:crypto";
import * as fc from "fast-check";
import { jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import {
  type IdentityOptions,
  isPassable,
  type PassthroughPolicy,
  passedNames,
  passedOf,
  type UpstreamTarget,
  unusedNames,
} from "../../../gateway/upstreams/index.ts";
import { closing } from "../../harness/closing.ts";
import { holder, legacyLife, message, room, rpc, send, serve, type TestServer, target } from "./harness.ts";

const POLICY: PassthroughPolicy = {
  enabled: true,
  defaults: ["X-Tenant-Id"],
  source: "db",
  overwrites: false,
  sensitive: false,
  reserved: "x-forwarded-user",
};
const SECRET = "a key that upstreams know, and no other one";
const IDENTITY: IdentityOptions = { prefix: "X-Forwarded-User", signs: false, secret: SECRET, issuer: "the-gateway" };
const ACTOR = { id: "ann müller@example.com", teams: ["blue", "a,b"], admin: false };

const closers = closing();

async function recording(sessionId?: string): Promise<TestServer> {
  const server = await serve((seen, response) => {
    if (!legacyLife(seen, response, sessionId)) rpc(response, seen, {});
  });
  closers.push(server.close);
  return server;
}

/** Headers of the requests with this method, as they arrived. */
const headersOf = (server: TestServer, method: string) =>
  server.seen.filter(({ json }) => json?.method === method).map(({ headers }) => headers);

async function called(changes: Partial<UpstreamTarget>, passed?: Readonly<Record<string, string>>, sessionId?: string) {
  const server = await recording(sessionId);
  const upstreams = room({ identity: IDENTITY });
  closers.push(() => upstreams.close());
  const what = { ...message(1, "tools/call", { name: "x" }), era: "legacy" as const, passed };
  const outcome = await send(upstreams, target(server.url, changes), { ...holder(), passed, actor: ACTOR }, what);
  return { server, outcome, headers: headersOf(server, "tools/call")[0] ?? {} };
}

describe("the allow-list", () => {
  const names = (policy: Partial<PassthroughPolicy>, own: readonly string[] = [], configured = {}) =>
    Object.fromEntries(passedNames({ ...POLICY, ...policy }, own, configured));

  it.each([
    ["nothing while it is off", { enabled: false }, ["x-a"], {}],
    ["the defaults", {}, [], { "x-tenant-id": "x-tenant-id" }],
    ["an upstream's own list in their place", {}, ["x-a"], { "x-a": "x-a" }],
    ["both", { source: "merge" as const }, ["x-a"], { "x-tenant-id": "x-tenant-id", "x-a": "x-a" }],
    ["the defaults alone", { source: "env" as const }, ["x-a"], { "x-tenant-id": "x-tenant-id" }],
    [
      "an authorization for the upstream",
      {},
      ["X-Upstream-Authorization"],
      { "x-upstream-authorization": "authorization" },
    ],
    ["never the gateway's token, cookies, hops", {}, ["Authorization", "cookie", "Connection", "host", "te"], {}],
    ["never what says who the caller is", {}, ["x-forwarded-user-id"], {}],
    ["no API keys", {}, ["X-API-Key"], {}],
    ["API keys where they are allowed", { sensitive: true }, ["X-API-Key"], { "x-api-key": "x-api-key" }],
  ])("passes %s", (_, policy, own, expected) => {
    expect(names(policy, own)).toEqual(expected);
  });

  it("leaves configured headers alone unless they may be replaced", () => {
    const own = ["x-upstream-authorization", "x-tenant-id"];
    const configured = { authorization: "Bearer configured", "x-tenant-id": "fixed" };
    expect(names({}, own, configured)).toEqual({});
    expect(names({ overwrites: true }, own, configured)).toEqual({
      "x-upstream-authorization": "authorization",
      "x-tenant-id": "x-tenant-id",
    });
  });

  it("tells what of it is not passed", () => {
    const defaults = ["Authorization", "X-Tenant-Id", "X-API-Key"];
    expect(unusedNames({ ...POLICY, defaults })).toEqual([
      "Authorization is never passed on",
      "X-API-Key needs ENABLE_SENSITIVE_HEADER_PASSTHROUGH",
    ]);
  });

  it("takes no value that could begin another header", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: "binary" }), (name, value) => {
        const lower = name.toLowerCase();
        const found = passedOf({ [lower]: value }, isPassable(lower) ? [lower] : []);
        for (const [key, one] of Object.entries(found ?? {})) {
          expect(key).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/);
          expect(one).toMatch(/^[\t\x20-\x7e]*$/);
        }
      }),
    );
    expect(
      passedOf({ "x-a": "fine", "x-b": "one\r\nx-c: two", "x-d": "x".repeat(8193) }, ["x-a", "x-b", "x-d"]),
    ).toEqual({
      "x-a": "fine",
    });
  });
});

describe("an upstream", () => {
  const passes = new Map([
    ["x-tenant-id", "x-tenant-id"],
    ["x-upstream-authorization", "authorization"],
  ]);
  const passed = { "x-tenant-id": "t1", "x-upstream-authorization": "Bearer mine", "x-other": "not listed here" };

  it("gets what its list names, with the handshake too, and in place of what it is configured with", async () => {
    const configured = { authorization: "Bearer configured", "x-fixed": "1" };
    const { server, headers } = await called({ headers: configured, passes }, passed, "s-1");
    const shown = ({ authorization, ...all }: Record<string, unknown>) => [
      authorization,
      all["x-tenant-id"],
      all["x-fixed"],
      all["x-other"],
    ];
    const expected = ["Bearer mine", "t1", "1", undefined];
    expect(shown(headers)).toEqual(expected);
    for (const method of ["initialize", "notifications/initialized"])
      expect(headersOf(server, method).map(shown).at(-1)).toEqual(expected);
  });

  it("without a list gets nothing of it", async () => {
    const { headers } = await called({}, passed);
    expect(Object.keys(headers).filter((name) => name in passed || name === "authorization")).toEqual([]);
  });
});

describe("who calls", () => {
  const told = (headers: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("x-forwarded-user")));
  const PLAIN = {
    "x-forwarded-user-id": "ann%20m%C3%BCller@example.com",
    "x-forwarded-user-teams": "blue,a%2Cb",
    "x-forwarded-user-admin": "false",
  };

  it("is told to upstreams that are to know, and to no other", async () => {
    expect(told((await called({ identity: { enabled: true }, actor: ACTOR })).headers)).toEqual(PLAIN);
    expect(told((await called({ identity: { enabled: true } })).headers)).toEqual(PLAIN);
    expect(told((await called({})).headers)).toEqual({});
  });

  it("is signed, and not for a configured header to say", async () => {
    const identity = { enabled: true, sign: true };
    const forged = { "X-Forwarded-User-Id": "root" };
    const { headers } = await called({ identity, actor: ACTOR, headers: forged });
    const signature = createHmac("sha256", SECRET)
      .update("ann%20m%C3%BCller@example.com\nblue,a%2Cb\nfalse\n")
      .digest("hex");
    expect(told(headers)).toEqual({ ...PLAIN, "x-forwarded-user-signature": signature });
  });

  it("is asserted for one audience, for a short time", async () => {
    const { headers } = await called({ identity: { enabled: true, audience: "https://up.example" }, actor: ACTOR });
    const assertion = String(headers["x-forwarded-user-assertion"]);
    const { payload } = await jwtVerify(assertion, Buffer.from(SECRET), {
      issuer: "the-gateway",
      audience: "https://up.example",
    });
    expect({ ...payload, iat: 0, exp: (payload.exp ?? 0) - (payload.iat ?? 0), jti: "" }).toEqual({
      iss: "the-gateway",
      aud: "https://up.example",
      sub: ACTOR.id,
      teams: ACTOR.teams,
      admin: false,
      iat: 0,
      exp: 300,
      jti: "",
    });
  });

  it("is not sent unsigned where it was to be signed", async () => {
    const server = await recording();
    const upstreams = room({ identity: { ...IDENTITY, secret: undefined } });
    closers.push(() => upstreams.close());
    const to = target(server.url, { identity: { enabled: true, sign: true }, actor: ACTOR });
    const { fault } = await send(upstreams, to, holder(), message(1, "tools/list"));
    expect([fault?.code, server.seen.length]).toEqual(["MCPS_UPSTREAM_CREDENTIALS", 0]);
  });
});

/** Tokens of other issuers: whose, for what, as whom. Every refusal with its exact status and challenge. */
import { createSecretKey } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Principal } from "../../../contract/principal.ts";
import { type Key, newKey, startIssuer, type TestIssuer } from "./issuer.ts";
import { BASE, head, NOW, refusal, routeOf, SECRET, trusting } from "./room.ts";

let issuer: TestIssuer;
let other: TestIssuer;
let key: Key;
let foreign: Key;
beforeAll(async () => {
  [issuer, other, key, foreign] = await Promise.all([startIssuer(), startIssuer(), newKey("k"), newKey("k")]);
  issuer.keys.push(key);
  other.keys.push(foreign);
});
afterAll(() => Promise.all([issuer.close(), other.close()]));

const claims = (extra: Record<string, unknown> = {}) => ({ sub: "u1", aud: BASE, exp: NOW / 1000 + 600, ...extra });
const VERIFIED = { email: "Ann@Example.com", email_verified: true };
const POST_MCP = head("POST", "/mcp");

function declared(...entries: readonly object[]): string {
  const path = join(mkdtempSync(join(tmpdir(), "issuers-")), "issuers.json");
  writeFileSync(path, JSON.stringify(entries));
  return path;
}

/** As at POST /mcp. */
async function caller(
  token: string,
  source: Parameters<typeof trusting>[0] = { issuers: [issuer.url, other.url] },
): Promise<Principal> {
  const { auth } = trusting(source);
  return auth.callerOf(routeOf(POST_MCP), { ...POST_MCP, headers: { authorization: `Bearer ${token}` } });
}

const nameOf = ({ url }: TestIssuer) => url.replace("http://", "");

describe("the bearer of a token", () => {
  it("is who the issuer says, by a name that no other issuer can give", async () => {
    expect(await caller(await issuer.sign(key, claims({ jti: "t", iat: NOW / 1000 })))).toEqual({
      id: `${nameOf(issuer)}#u1`,
      kind: "jwt",
      admin: false,
      teams: [],
      tokenId: "t",
      issuer: issuer.url,
      expiresAt: NOW + 600_000,
    });
    expect((await caller(await other.sign(foreign, claims()))).id).toBe(`${nameOf(other)}#u1`);
  });

  it.each<[string, Record<string, unknown>, object, string | undefined]>([
    ["verified", VERIFIED, {}, "ann@example.com"],
    ["not verified", { ...VERIFIED, email_verified: false }, { emails_verified: true }, undefined],
    ["nothing said", { email: "ann@example.com" }, {}, undefined],
    [
      "nothing said, by an issuer who makes sure",
      { email: "ann@example.com" },
      { emails_verified: true },
      "ann@example.com",
    ],
    ["of a domain that is his", VERIFIED, { email_domains: ["EXAMPLE.com"] }, "ann@example.com"],
    ["of another domain", VERIFIED, { email_domains: ["example.org"] }, undefined],
    [
      "of a domain that only looks so",
      { ...VERIFIED, email: "ann@example.com@evil.org" },
      { email_domains: ["evil.org"] },
      undefined,
    ],
    ["no address", { ...VERIFIED, email: "ann" }, {}, undefined],
  ])("by email: %s", async (_, extra, more, id) => {
    const path = declared({ issuer: issuer.url, ...more });
    const found = await caller(await issuer.sign(key, claims(extra)), { path });
    expect(found.id).toBe(id ?? `${nameOf(issuer)}#u1`);
  });

  it("is no administrator by an email or a claim, and is one by a group that was named", async () => {
    const claimed = claims({ ...VERIFIED, email: "admin@example.com", is_admin: true, groups: ["ops"] });
    const token = await issuer.sign(key, claimed);
    expect(await caller(token)).toMatchObject({ id: "admin@example.com", admin: false });
    const path = declared({ issuer: issuer.url, admin_groups: ["ops"] });
    expect(await caller(token, { path })).toMatchObject({ admin: true });
    expect(await caller(await issuer.sign(key, claims({ groups: "opsy" })), { path })).toMatchObject({ admin: false });
  });

  it("is in the teams of his groups, by claims of any depth", async () => {
    const path = declared({ issuer: issuer.url, groups_claim: "realm_access.roles", teams: { dev: "t1", ops: "t2" } });
    const token = await issuer.sign(key, claims({ realm_access: { roles: ["dev", "toString", "ops", 7] } }));
    expect((await caller(token, { path })).teams).toEqual(["t1", "t2"]);
  });

  it.each<[string, unknown, readonly string[] | undefined]>([
    ["narrow", "openid tools.read servers.use", ["tools.read", "servers.use"]],
    ["narrow", ["tools.read"], ["tools.read"]],
    ["narrow", "openid profile", undefined],
    ["narrow", undefined, undefined],
    ["require", "openid servers.use", ["servers.use"]],
    ["require", "openid profile", []],
    ["require", undefined, []],
    ["ignore", "tools.read", undefined],
  ])("may, where scopes %s and the token says %j, %j", async (scopes, scope, expected) => {
    const path = declared({ issuer: issuer.url, scopes });
    const { permissions } = await caller(await issuer.sign(key, claims({ scope })), { path });
    expect(permissions === undefined ? undefined : [...permissions]).toEqual(expected);
  });

  it.each<[unknown, string | undefined]>([
    [BASE, undefined],
    [`${BASE}/`, undefined],
    [`${BASE}/mcp`, undefined],
    [`${BASE}/servers/s%201/mcp`, "s 1"],
    [[`${BASE}/servers/s1/mcp`, "other"], "s1"],
    [[`${BASE}/servers/s1/mcp`, BASE], undefined],
  ])("reaches with the audience %j the server %s", async (aud, serverId) => {
    expect((await caller(await issuer.sign(key, claims({ aud })))).serverId).toBe(serverId);
  });

  it("may be meant by audiences of their own", async () => {
    const path = declared({ issuer: issuer.url, audience: "api://mcp" });
    expect(await caller(await issuer.sign(key, claims({ aud: "api://mcp" })), { path })).toMatchObject({
      admin: false,
    });
    const refused = await refusal(async () => caller(await issuer.sign(key, claims({ aud: "api://else" })), { path }));
    expect(refused.message).toBe("Authentication required: the token is for another audience");
  });
});

const hmac = (payload: object, header: object, secret = SECRET) =>
  new SignJWT({ iss: "iss", sub: "ann", aud: "aud", ...payload })
    .setProtectedHeader({ alg: "HS256", ...header })
    .sign(createSecretKey(Buffer.from(secret)));

const INVALID = "the token is not a valid one of this gateway";
const refused: readonly [string, () => Promise<string> | string, string][] = [
  ["no signature", () => new UnsecuredJWT(claims({ iss: issuer.url })).encode(), "the token is not signed"],
  ["the algorithm None", () => tampered({ alg: "None" }), "the token is not signed"],
  ["a key of its own", () => issuer.sign(key, claims(), { jwk: key.jwk }), "the token brings a key of its own"],
  [
    "the address of a key set",
    () => hmac({}, { jku: "https://evil.example.com/keys" }),
    "the token brings a key of its own",
  ],
  [
    "the address of a certificate",
    () => hmac({}, { x5u: "https://evil.example.com/c" }),
    "the token brings a key of its own",
  ],
  ["a certificate", () => hmac({}, { x5c: ["AA"] }), "the token brings a key of its own"],
  [
    "an extension",
    () => tampered({ alg: "HS256", crit: ["b64"], b64: false }),
    "the token needs an extension that is not known here",
  ],
  ["another type", () => hmac({}, { typ: "logout+jwt" }), "the token is of another type"],
  ["a type that is none", () => tampered({ alg: "HS256", typ: 7 }), "the token is of another type"],
  ["a key id that is none", () => tampered({ alg: "HS256", kid: { $ne: 1 } }), INVALID],
  ["a public key as a shared secret", () => hmac({ iss: issuer.url }, {}, JSON.stringify(key.jwk)), INVALID],
  ["the own secret for another issuer", () => hmac({ iss: issuer.url, aud: BASE }, { kid: "k" }), INVALID],
  ["the key of another issuer", () => issuer.sign(foreign, claims()), INVALID],
  [
    "a key that is not there",
    () => issuer.sign({ ...key, kid: "gone" }, claims()),
    "the token is signed with a key that its issuer does not have",
  ],
  ["an issuer that is not trusted", () => issuer.sign(key, claims({ iss: "https://evil.example.com" })), INVALID],
  ["the own issuer with another's key", () => issuer.sign(key, claims({ iss: "iss", aud: "aud" })), INVALID],
  ["an issuer with a slash too many", () => issuer.sign(key, claims({ iss: `${issuer.url}/` })), INVALID],
  ["an issuer that is a list", () => issuer.sign(key, claims({ iss: [issuer.url] })), INVALID],
  [
    "another audience",
    () => issuer.sign(key, claims({ aud: "https://gw.example.com.evil.org" })),
    "the token is for another audience",
  ],
  [
    "an upstream's endpoint as audience",
    () => issuer.sign(key, claims({ aud: `${BASE}/gateways/g/mcp` })),
    "the token is for another audience",
  ],
  ["no audience", () => issuer.sign(key, claims({ aud: undefined })), "the token is for another audience"],
  ["no end", () => issuer.sign(key, claims({ exp: undefined })), "the token never expires"],
  ["a past end", () => issuer.sign(key, claims({ exp: NOW / 1000 - 31 })), "the token expired"],
  ["a later begin", () => issuer.sign(key, claims({ nbf: NOW / 1000 + 31 })), "the token is not valid yet"],
  ["a later making", () => issuer.sign(key, claims({ iat: NOW / 1000 + 31 })), "the token was made in the future"],
  ["no subject", () => issuer.sign(key, claims({ sub: undefined })), "the token names no usable subject"],
  ["a subject with a line feed", () => issuer.sign(key, claims({ sub: "a\nb" })), "the token names no usable subject"],
  ["no token", () => "hello", INVALID],
  ["a token in five parts", () => "a.b.c.d.e", INVALID],
  ["more than a header may hold", () => "x".repeat(16_384), "the Authorization header is not Bearer <token>"],
];

/** A header that no library writes, before an own token's payload and signature. */
async function tampered(header: object): Promise<string> {
  const [, payload, signature] = (await hmac({}, {})).split(".");
  return `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${payload}.${signature}`;
}

describe("a token with", () => {
  it.each(refused)("%s is refused", async (_, make, reason) => {
    const token = await make();
    expect(await refusal(() => caller(token))).toEqual({
      status: 401,
      message: `Authentication required: ${reason}`,
      challenge: `Bearer realm="mcp-stack", error="invalid_token", error_description="${reason}", scope="servers.use", resource_metadata="${BASE}/.well-known/oauth-protected-resource/mcp"`,
    });
  });

  it("any change of a good token is refused, and nothing of it is shown", async () => {
    const { auth } = trusting({ issuers: [issuer.url] });
    const good = await issuer.sign(key, claims());
    const changes = fc.tuple(fc.nat(good.length - 1), fc.constantFrom(..."ABCxyz019-_.=+/~"), fc.nat(3));
    await fc.assert(
      fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 4 }), async (edits) => {
        const bad = edits.reduce((text, [at, letter, cut]) => text.slice(0, at) + letter + text.slice(at + cut), good);
        // The last letter of a signature holds bits that mean nothing.
        const isSame = Buffer.from(bad.split(".")[2] ?? "", "base64url").equals(
          Buffer.from(good.split(".")[2] ?? "", "base64url"),
        );
        fc.pre(bad.split(".").slice(0, 2).join(".") !== good.split(".").slice(0, 2).join(".") || !isSame);
        const { status, message, challenge } = await refusal(() => auth.authenticate(`Bearer ${bad}`));
        expect(status).toBe(401);
        expect(`${message}${challenge}`).not.toContain(bad.slice(0, 20));
      }),
      { numRuns: 300 },
    );
  });

  it("any other header of its own is refused without a fault of the gateway", async () => {
    const { auth } = trusting({ issuers: [issuer.url] });
    const [, payload, signature] = (await issuer.sign(key, claims())).split(".");
    await fc.assert(
      fc.asyncProperty(fc.json(), async (header) => {
        const bad = `${Buffer.from(header).toString("base64url")}.${payload}.${signature}`;
        expect((await refusal(() => auth.authenticate(`Bearer ${bad}`))).status).toBe(401);
      }),
    );
  });
});

describe("issuers", () => {
  it.each<[string, Parameters<typeof trusting>[0], RegExp]>([
    ["no URL", { issuers: ["keycloak"] }, /^SSO_ISSUERS cannot be used: .*Invalid URL/],
    ["another scheme", { issuers: ["file:///etc/passwd"] }, /^SSO_ISSUERS cannot be used: /],
    [
      "the own one",
      { issuers: ["https://a.example"], ownIssuer: "https://a.example" },
      /^issuer "https:\/\/a.example" cannot be used: it is named more than once$/,
    ],
    ["one twice", { issuers: ["https://a.example", "https://a.example"] }, /named more than once$/],
    [
      "a shared secret",
      { path: declared({ issuer: "https://a.example", algorithms: ["HS256"] }) },
      /HS\* are shared secrets/,
    ],
    [
      "a name that means nothing",
      { path: declared({ issuer: "https://a.example", audiences: "x" }) },
      /^TOKEN_ISSUERS_FILE ".*" cannot be used: .*audiences/,
    ],
    [
      "no file",
      { path: "/nonexistent/issuers.yaml" },
      /^TOKEN_ISSUERS_FILE "\/nonexistent\/issuers.yaml" cannot be used: ENOENT/,
    ],
  ])("are refused: %s", (_, source, sentence) => {
    expect(() => trusting(source)).toThrow(sentence);
  });
});

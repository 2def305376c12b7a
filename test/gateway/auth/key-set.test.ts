/** Key sets of other issuers, against a real HTTP server: rotation, cool-down, a server that is gone, answers that are no use. */
import { generateKeyPairSync } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KeySet } from "../../../gateway/auth/key-set.ts";
import { type Key, newKey, startIssuer, type TestIssuer } from "./issuer.ts";

let issuer: TestIssuer;
let first: Key;
let second: Key;
beforeEach(async () => {
  [issuer, first, second] = await Promise.all([startIssuer(), newKey("first"), newKey("second")]);
  issuer.keys.push(first);
});
afterEach(() => issuer.close());

function keySet(jwksUri: string | undefined = `${issuer.url}/keys`) {
  const clock = { now: 0 };
  const warnings: string[] = [];
  let removed = 0;
  const keys = new KeySet({
    issuer: issuer.url,
    jwksUri,
    ttlMs: 600_000,
    cooldownMs: 30_000,
    staleMs: 3_600_000,
    now: () => clock.now,
    fetch,
    warn: (reason) => warnings.push(reason),
  });
  keys.onRemoved(() => removed++);
  const found = async (kid: string, alg = "ES256") => (await keys.keysFor({ alg, kid }))?.length;
  return { keys, clock, warnings, found, removed: () => removed };
}

describe("a key set", () => {
  it("is asked for once by many", async () => {
    const discovering = keySet();
    expect(await Promise.all([discovering.found("first"), discovering.found("first")])).toEqual([1, 1]);
    expect(issuer.asked).toEqual(["/keys"]);
  });

  it("is asked for again for a key that is not among them, at most once in a cool-down", async () => {
    const { found, clock } = keySet();
    expect(await found("first")).toBe(1);
    issuer.keys.push(second);
    expect(await found("second")).toBe(0);
    expect(issuer.asked.length).toBe(1);
    clock.now = 30_000;
    expect(await Promise.all(["second", "third", "fourth"].map((kid) => found(kid)))).toEqual([1, 0, 0]);
    expect(issuer.asked.length).toBe(2);
    for (let count = 0; count < 100; count++) expect(await found(`guess ${count}`)).toBe(0);
    expect(issuer.asked.length).toBe(2);
  });

  it("forgets a key that was taken out within its time to live, and tells of it", async () => {
    const { found, clock, removed } = keySet();
    await found("first");
    issuer.keys.splice(0, 1, second);
    clock.now = 599_999;
    expect([await found("first"), removed()]).toEqual([1, 0]);
    clock.now = 600_000;
    expect([await found("first"), await found("second"), removed()]).toEqual([0, 1, 1]);
  });

  it("is believed for a bounded time when its server does not answer, and asked for no more often than the cool-down allows", async () => {
    const { found, clock, warnings } = keySet();
    await found("first");
    issuer.answers.set("/keys", () => ({ status: 503, body: "" }));
    clock.now = 600_000;
    expect(await found("first")).toBe(1);
    expect(await found("first")).toBe(1);
    expect([issuer.asked.length, warnings]).toEqual([2, [`keys of ${issuer.url}: HTTP 503`]]);
    clock.now = 4_199_999;
    expect(await found("first")).toBe(1);
    clock.now = 4_200_000;
    expect(await found("first")).toBeUndefined();
    issuer.answers.delete("/keys");
    issuer.answers.set("/keys", () => ({ status: 200, body: JSON.stringify({ keys: [first.jwk] }) }));
    clock.now = 4_300_000;
    expect(await found("first")).toBe(1);
  });

  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  it.each<[string, () => string, number | undefined]>([
    ["no JSON", () => "<html>", undefined],
    ["no set", () => "[]", undefined],
    ["a key without a type", () => '{"keys":[{"kid":"first"}]}', undefined],
    ["too many keys", () => JSON.stringify({ keys: Array(101).fill(first.jwk) }), undefined],
    ["too many bytes", () => JSON.stringify({ keys: [first.jwk], pad: "x".repeat(262_144) }), undefined],
    ["a shared secret", () => '{"keys":[{"kty":"oct","kid":"first","k":"c2VjcmV0"}]}', 0],
    ["a private key", () => JSON.stringify({ keys: [{ ...privateKey.export({ format: "jwk" }), kid: "first" }] }), 0],
    ["a key for encryption", () => JSON.stringify({ keys: [{ ...first.jwk, use: "enc" }] }), 0],
    ["a key for another algorithm", () => JSON.stringify({ keys: [{ ...first.jwk, alg: "ES384" }] }), 0],
    ["a key of another curve", () => JSON.stringify({ keys: [{ ...first.jwk, alg: undefined, crv: "P-384" }] }), 0],
    ["a broken key", () => JSON.stringify({ keys: [{ ...first.jwk, x: "AA" }] }), 0],
    ["a broken key beside a good one", () => JSON.stringify({ keys: [{ ...first.jwk, x: "AA" }, first.jwk] }), 1],
  ])("with %s gives %3$s keys", async (_, body, count) => {
    issuer.answers.set("/keys", () => ({ status: 200, body: body() }));
    expect(await keySet().found("first")).toBe(count);
  });

  it("follows no redirect", async () => {
    issuer.answers.set("/keys", () => ({ status: 302, headers: { location: `${issuer.url}/elsewhere` }, body: "" }));
    expect(await keySet().found("first")).toBeUndefined();
    expect(issuer.asked).toEqual(["/keys"]);
  });
});

describe("discovery", () => {
  const OIDC = "/.well-known/openid-configuration";
  const OAUTH = "/.well-known/oauth-authorization-server";
  const discovering = () => {
    const made = keySet();
    const keys = new KeySet({
      issuer: issuer.url,
      jwksUri: undefined,
      ttlMs: 1000,
      cooldownMs: 1000,
      staleMs: 0,
      now: () => made.clock.now,
      fetch,
      warn: (reason) => made.warnings.push(reason),
    });
    return { ...made, found: async () => (await keys.keysFor({ alg: "ES256", kid: "first" }))?.length };
  };

  it("asks as OpenID Connect does, else as OAuth does", async () => {
    expect(await discovering().found()).toBe(1);
    issuer.answers.delete(OIDC);
    issuer.answers.set(OAUTH, () => ({
      status: 200,
      body: JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys` }),
    }));
    expect(await discovering().found()).toBe(1);
    expect(issuer.asked).toEqual([OIDC, "/keys", OIDC, OAUTH, "/keys"]);
  });

  it("does not believe metadata of another issuer", async () => {
    const body = JSON.stringify({ issuer: "https://evil.example.com", jwks_uri: `${issuer.url}/keys` });
    issuer.answers.set(OIDC, () => ({ status: 200, body }));
    const { found, warnings } = discovering();
    expect(await found()).toBeUndefined();
    expect(warnings).toEqual([
      `keys of ${issuer.url}: ${issuer.url}${OIDC}: it is of another issuer, https://evil.example.com; ${issuer.url}${OAUTH}: HTTP 404`,
    ]);
  });
});

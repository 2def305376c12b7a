/** The gateway's own tokens: every algorithm, keys from files, what is asked of claims, what a token is narrowed to. */
import { createSecretKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeProtectedHeader, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { JWT_ALGORITHMS, type JwtAlgorithm } from "../../../contract/identity-settings.ts";
import type { AuthOptions } from "../../../gateway/auth/index.ts";
import { keyPair } from "./issuer.ts";
import { NOW, refusal, room, SECRET } from "./room.ts";

const directory = mkdtempSync(join(tmpdir(), "own-tokens-"));
let files = 0;
function file(...pem: readonly (string | Buffer)[]): string {
  const path = join(directory, `${++files}.pem`);
  writeFileSync(path, pem.join("\n"), { mode: 0o600 });
  return path;
}

function pair(algorithm: JwtAlgorithm) {
  const { publicKey, privateKey } = keyPair(algorithm);
  return {
    privateKey,
    publicPem: publicKey.export({ format: "pem", type: "spki" }),
    privatePem: privateKey.export({ format: "pem", type: "pkcs8" }),
  };
}

const LONG = SECRET + SECRET;
const claims = (extra: Record<string, unknown> = {}) => ({ sub: "ann", aud: "aud", iss: "iss", ...extra });
const asymmetric = JWT_ALGORITHMS.filter((name) => !name.startsWith("HS"));

describe.each(asymmetric)("%s", (algorithm) => {
  const own = pair(algorithm);
  const options = { algorithm, secret: undefined, privateKeyPath: file(own.privatePem) };

  it("signs with the private key, and others check with the public one", async () => {
    const { auth } = room(options);
    const token = await auth.mint({ username: "bob", expMinutes: 5, id: "t" });
    const kid = expect.stringMatching(/^[\w-]{22}$/);
    expect(decodeProtectedHeader(token)).toEqual({ alg: algorithm, typ: "JWT", kid });
    const checker = room({ algorithm, secret: undefined, publicKeyPath: file(own.publicPem) }).auth;
    const bob = { id: "bob", kind: "jwt", admin: false, teams: [], tokenId: "t", expiresAt: NOW + 300_000 };
    for (const of of [auth, checker]) expect(await of.authenticate(`Bearer ${token}`)).toEqual(bob);
    expect([auth.mints, checker.mints]).toEqual([true, false]);
    expect(() => checker.mint({ username: "bob", expMinutes: 5 })).toThrow("needs JWT_PRIVATE_KEY_PATH");
  });

  it("refuses another key, and a shared secret made of the public key", async () => {
    const { auth } = room(options);
    const forged = await room({ ...options, privateKeyPath: file(pair(algorithm).privatePem) }).auth.mint({
      username: "bob",
      expMinutes: 5,
    });
    const confused = await new SignJWT(claims())
      .setProtectedHeader({ alg: "HS256" })
      .sign(createSecretKey(Buffer.from(own.publicPem)));
    for (const token of [forged, confused])
      expect((await refusal(() => auth.authenticate(`Bearer ${token}`))).message).toBe(
        "Authentication required: the token is not a valid one of this gateway",
      );
  });

  it("takes tokens of the key before and of the one now while keys are exchanged", async () => {
    const next = pair(algorithm);
    const both = { algorithm, secret: undefined, publicKeyPath: file(own.publicPem, next.publicPem) };
    const { auth } = room(both);
    for (const { privatePem, privateKey } of [own, next]) {
      const token = await room({ ...options, privateKeyPath: file(privatePem) }).auth.mint({
        username: "bob",
        expMinutes: 5,
      });
      expect(await auth.authenticate(`Bearer ${token}`)).toMatchObject({ id: "bob" });
      const nameless = await new SignJWT(claims()).setProtectedHeader({ alg: algorithm }).sign(privateKey);
      expect(await auth.authenticate(`Bearer ${nameless}`)).toMatchObject({ id: "ann" });
    }
  });
});

describe("shared secrets", () => {
  it.each(["HS256", "HS384", "HS512"] as const)("make and check %s", async (algorithm) => {
    const { auth } = room({ algorithm, secret: LONG });
    const token = await auth.mint({ username: "bob", expMinutes: 0, id: "t" });
    expect(decodeProtectedHeader(token)).toEqual({ alg: algorithm, typ: "JWT" });
    expect(await auth.authenticate(`Bearer ${token}`)).toEqual({
      id: "bob",
      kind: "jwt",
      admin: false,
      teams: [],
      tokenId: "t",
    });
  });

  it.each([
    ["HS256", 32],
    ["HS384", 48],
    ["HS512", 64],
  ] as const)("of %s have %i bytes at least", (algorithm, bytes) => {
    const sentence = `the JWT secret (JWT_SECRET_KEY) needs at least ${bytes} bytes for ${algorithm}`;
    expect(() => room({ algorithm, secret: "x".repeat(bytes - 1) })).toThrow(sentence);
    expect(() => room({ algorithm, secret: "x".repeat(bytes) })).not.toThrow();
  });
});

describe("key files", () => {
  const rsa = pair("RS256");
  const ec = pair("ES384");
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ format: "pem", type: "pkcs8" });
  it.each<[string, Partial<AuthOptions>, RegExp]>([
    [
      "no file",
      { privateKeyPath: "/nonexistent/key.pem" },
      /^JWT_PRIVATE_KEY_PATH "\/nonexistent\/key.pem" cannot be used: ENOENT/,
    ],
    ["no PEM", { publicKeyPath: file("hello") }, /^JWT_PUBLIC_KEY_PATH ".+" cannot be used: it holds no PEM$/],
    [
      "a private key among the public ones",
      { publicKeyPath: file(rsa.publicPem, rsa.privatePem) },
      /: it holds a private key$/,
    ],
    [
      "another type",
      { publicKeyPath: file(ec.publicPem) },
      /: it holds a key of type ec, which is not for JWT_ALGORITHM=RS256$/,
    ],
    [
      "another curve",
      { algorithm: "ES256", privateKeyPath: file(ec.privatePem) },
      /: it holds a key of type secp384r1, which is not for JWT_ALGORITHM=ES256$/,
    ],
    [
      "a small key",
      { privateKeyPath: file(small) },
      /: it holds an RSA key of 1024 bits \(2048 at least\), which is not for JWT_ALGORITHM=RS256$/,
    ],
    ["none", {}, /^authentication needs a public key$/],
  ])("are refused: %s", (_, options, sentence) => {
    expect(() => room({ algorithm: "RS256", secret: undefined, ...options })).toThrow(sentence);
  });
});

describe("claims", () => {
  const sign = (extra: Record<string, unknown>) =>
    new SignJWT(claims(extra)).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(SECRET));
  const seen = async (extra: Record<string, unknown>, options: Partial<AuthOptions> = {}) => {
    const token = await sign(extra);
    return room(options).auth.authenticate(`Bearer ${token}`);
  };

  it.each<[Record<string, unknown>, Partial<AuthOptions>, string]>([
    [{}, { needsExpiration: true }, "the token never expires"],
    [{}, { needsId: true }, "the token has no id (jti)"],
    [{ jti: "a b" }, {}, "a claim of the token cannot be used"],
    [{ iat: NOW / 1000 + 31 }, {}, "the token was made in the future"],
    [{ iat: NOW / 1000 + 1 }, { clockSkewSeconds: 0 }, "the token was made in the future"],
    [{ nbf: NOW / 1000 + 6 }, { clockSkewSeconds: 5 }, "the token is not valid yet"],
    [{ exp: "never" }, {}, "a claim of the token cannot be used"],
    [{ scopes: "tools.read" }, {}, "the scopes of the token cannot be used"],
    [{ scopes: { permissions: "tools.read" } }, {}, "the scopes of the token cannot be used"],
    [{ scopes: { server_id: 7 } }, {}, "the scopes of the token cannot be used"],
    [{ scopes: { server_id: "" } }, {}, "the scopes of the token cannot be used"],
  ])("%j with %j are refused: %s", async (extra, options, reason) => {
    expect((await refusal(() => seen(extra, options))).message).toBe(`Authentication required: ${reason}`);
  });

  it("need not name this audience or issuer where that was chosen", async () => {
    expect(await seen({ aud: "other" }, { checksAudience: false })).toMatchObject({ id: "ann" });
    expect(await seen({ aud: undefined }, { checksAudience: false })).toMatchObject({ id: "ann" });
    expect(await seen({ iss: "other" }, { checksIssuer: false })).toMatchObject({ id: "ann" });
    expect((await refusal(() => seen({ iss: "other" }, { checksAudience: false }))).status).toBe(401);
  });

  it.each<[unknown, Record<string, unknown>]>([
    [
      { server_id: "s1", permissions: ["tools.read", "no.such", 1].slice(0, 2) },
      { serverId: "s1", permissions: ["tools.read"] },
    ],
    [{ server_id: null, permissions: [] }, { permissions: [] }],
    [{ permissions: ["*", "tools.read"] }, {}],
    [null, {}],
    [{}, {}],
  ])("scopes %j narrow to %j", async (scopes, expected) => {
    const { serverId, permissions } = await seen({ scopes });
    const found = { ...(serverId && { serverId }), ...(permissions && { permissions: [...permissions] }) };
    expect(found).toEqual(expected);
  });

  it("are written by mint as they are read", async () => {
    const { auth } = room();
    const token = await auth.mint({
      username: "bob",
      expMinutes: 1,
      id: "t",
      teams: ["a"],
      permissions: ["tools.read"],
      serverId: "s1",
    });
    expect(await auth.authenticate(`Bearer ${token}`)).toMatchObject({
      id: "bob",
      teams: ["a"],
      serverId: "s1",
      tokenId: "t",
      permissions: new Set(["tools.read"]),
    });
  });
});

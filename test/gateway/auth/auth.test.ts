import { generateKeyPairSync } from "node:crypto";
import { SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, it } from "vitest";
import { Fault } from "../../../contract/errors.ts";
import { routes } from "../../../contract/routes.ts";
import { basicRequirement, isPermitted } from "../../../gateway/auth/index.ts";
import { NOW, room, SECRET } from "./room.ts";

const key = new TextEncoder().encode(SECRET);

function claims(extra: Record<string, unknown> = {}) {
  return { sub: "ann", aud: "aud", iss: "iss", exp: NOW / 1000 + 600, ...extra };
}

function sign(payload: Record<string, unknown>, secret = key) {
  return new SignJWT(payload).setProtectedHeader({ alg: "HS256" }).sign(secret);
}

async function refusal(run: () => unknown): Promise<{ reason: string; challenge: string | undefined }> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "MCPS_UNAUTHENTICATED") throw error;
    return { reason: error.message, challenge: error.headers?.["www-authenticate"] };
  }
  throw new Error("was let in");
}

const CLIENT = {
  commonName: "ann",
  names: ["DNS:a.example", "email:ann@a.example", "URI:spiffe://a.example/ns/b", "email:other@a.example"],
  fingerprint: "f1",
  expiresAt: NOW + 1000,
} as const;

describe("a client certificate", () => {
  it.each([
    [CLIENT.names, "ann", "spiffe://a.example/ns/b"],
    [CLIENT.names.filter((name) => !name.startsWith("URI")), "ann", "ann@a.example"],
    [["DNS:a.example", "DNS:b.example", "IP Address:10.0.0.1"], "ann", "dns:a.example"],
    [["IP Address:10.0.0.1"], "admin@example.com", "cn:admin@example.com"],
    [[], "anonymous", "cn:anonymous"],
  ] as const)("with the names %j and the common name %s is %s, and never an administrator", (names, commonName, id) => {
    const { auth, outcomes } = room({ adminEmail: "ann@a.example" });
    const principal = auth.authenticate(undefined, { ...CLIENT, names, commonName });
    expect(principal).toEqual({ id, kind: "certificate", admin: false, teams: [], expiresAt: NOW + 1000 });
    expect(auth.authenticate(undefined, { ...CLIENT, names, commonName })).toBe(principal);
    expect(outcomes).toEqual(["ok", "ok"]);
  });

  it.each([
    [[], ""],
    [[], "two words"],
    [["URI:"], "ann"],
    [["email:a b@a.example"], "ann"],
    [[`URI:spiffe://a.example/${"x".repeat(254)}`], "ann"],
    [["DNS:a\u0000b"], "ann"],
  ])("with the names %j and the common name %j is nobody", async (names, commonName) => {
    const { auth, outcomes } = room();
    expect(await refusal(() => auth.authenticate(undefined, { ...CLIENT, names, commonName }))).toEqual({
      reason: "Authentication required: the client certificate names no usable subject",
      challenge: 'Bearer realm="mcp-stack"',
    });
    expect(outcomes).toEqual(["invalid"]);
  });

  it.each([
    ["uri", "spiffe://a.example/ns/b"],
    ["email", "ann@a.example"],
    ["dns", "dns:a.example"],
    ["cn", "cn:ann"],
  ] as const)("is by its %s alone, where that was chosen", async (certificateName, id) => {
    const { auth } = room({ certificateName });
    expect(await auth.authenticate(undefined, CLIENT)).toMatchObject({ id });
    const without = { ...CLIENT, fingerprint: "f2", names: ["IP Address:10.0.0.1"], commonName: "" };
    expect((await refusal(() => auth.authenticate(undefined, without))).reason).toContain("names no usable subject");
  });

  it("counts for nothing beside a token, good or bad", async () => {
    const { auth } = room();
    const header = `Bearer ${await sign(claims({ sub: "bob" }))}`;
    expect(await auth.authenticate(header, CLIENT)).toMatchObject({ id: "bob", kind: "jwt" });
    await refusal(() => auth.authenticate("Bearer nonsense", CLIENT));
  });

  it("names its caller where nobody has to be named, and where no token could", () => {
    const open = room({ required: false, secret: undefined, anonymousIsAdmin: true }).auth;
    expect(open.authenticate(undefined, CLIENT)).toMatchObject({ kind: "certificate", admin: false });
    expect(open.authenticate("Bearer nonsense", CLIENT)).toMatchObject({ kind: "certificate", admin: false });
  });

  it("expires on a connection that goes on", async () => {
    const { auth, clock } = room();
    auth.authenticate(undefined, CLIENT);
    clock.now = CLIENT.expiresAt;
    expect(await refusal(() => auth.authenticate(undefined, CLIENT))).toEqual({
      reason: "Authentication required: the client certificate expired",
      challenge: 'Bearer realm="mcp-stack"',
    });
  });
});

describe("authenticate", () => {
  it("reads who is asking, and answers the second time without a promise", async () => {
    const { auth, outcomes } = room();
    const header = `Bearer ${await sign(claims({ teams: ["a", 1, "b"], email: "ann@example.com" }))}`;
    const principal = await auth.authenticate(header);
    expect(principal).toEqual({ id: "ann", kind: "jwt", admin: false, teams: ["a", "b"], expiresAt: NOW + 600_000 });
    expect(auth.authenticate(header)).toBe(principal);
    expect(outcomes).toEqual(["ok", "ok"]);
  });

  it("believes a token for as long as it is told, and no longer", async () => {
    const header = `Bearer ${await sign(claims())}`;
    for (const cacheMs of [0, 1, 30_000]) {
      const { auth, clock } = room({ cacheMs });
      await auth.authenticate(header);
      clock.now += cacheMs - 1;
      if (cacheMs > 0) expect(auth.authenticate(header)).not.toBeInstanceOf(Promise);
      clock.now += 1;
      expect(auth.authenticate(header)).toBeInstanceOf(Promise);
    }
  });

  it("does not believe what it remembers beyond the token's end", async () => {
    const { auth, clock } = room();
    const header = `Bearer ${await sign(claims({ exp: NOW / 1000 + 10 }))}`;
    await auth.authenticate(header);
    clock.now += 10_000;
    const again = auth.authenticate(header);
    expect(again).toBeInstanceOf(Promise);
    await again;
    clock.now += 31_000;
    expect(await refusal(() => auth.authenticate(header))).toEqual({
      reason: "Authentication required: the token expired",
      challenge: 'Bearer realm="mcp-stack", error="invalid_token", error_description="the token expired"',
    });
  });

  it.each([
    [{ is_admin: true }, true],
    [{ admin: true }, true],
    [{ is_admin: "true" }, false],
    [{ sub: "admin@example.com" }, true],
    [{ email: "ADMIN@example.com" }, true],
    [{}, false],
  ])("claims %j make an administrator: %s", async (extra, admin) => {
    expect(await room().auth.authenticate(`bearer ${await sign(claims(extra))}`)).toMatchObject({ admin });
  });

  it("names the caller by sub, username or email", async () => {
    const { auth } = room();
    const id = async (extra: Record<string, unknown>) =>
      (await auth.authenticate(`Bearer ${await sign(claims(extra))}`)).id;
    expect(await id({ username: "u", email: "e@x" })).toBe("ann");
    expect(await id({ sub: undefined, username: "u", email: "e@x" })).toBe("u");
    expect(await id({ sub: undefined, email: "e@x" })).toBe("e@x");
  });

  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  it.each<[string, () => Promise<string> | string, string]>([
    ["another key", () => sign(claims(), new TextEncoder().encode("x".repeat(32))), "not a valid one"],
    ["alg none", () => new UnsecuredJWT(claims()).encode(), "not signed"],
    ["RS256", () => new SignJWT(claims()).setProtectedHeader({ alg: "RS256" }).sign(privateKey), "not a valid one"],
    [
      "HS512",
      () => new SignJWT(claims()).setProtectedHeader({ alg: "HS512" }).sign(Buffer.alloc(64, SECRET)),
      "not a valid one",
    ],
    ["another audience", () => sign(claims({ aud: "other" })), "another audience"],
    ["no audience", () => sign(claims({ aud: undefined })), "another audience"],
    ["another issuer", () => sign(claims({ iss: "other" })), "another issuer"],
    ["not yet valid", () => sign(claims({ nbf: NOW / 1000 + 31 })), "not valid yet"],
    ["expired", () => sign(claims({ exp: NOW / 1000 - 31 })), "expired"],
    ["no subject", () => sign(claims({ sub: undefined })), "no usable subject"],
    ["a subject with a line feed", () => sign(claims({ sub: "a\nb" })), "no usable subject"],
    ["no JWT", () => "hello", "not a valid one"],
    ["two tokens", () => "a b", "not Bearer <token>"],
  ])("refuses %s", async (_, token, reason) => {
    const text = await token();
    const refused = await refusal(() => room().auth.authenticate(`Bearer ${text}`));
    expect(refused.reason).toContain(reason);
    expect(refused.challenge).toMatch(/^Bearer realm="mcp-stack", error="invalid_token", error_description="[^"]+"$/);
    expect(`${refused.reason}${refused.challenge}`).not.toContain(text);
  });

  it("bears a clock that is 30 s off", async () => {
    const { auth } = room();
    const header = `Bearer ${await sign(claims({ nbf: NOW / 1000 + 29, exp: NOW / 1000 - 29 + 58 }))}`;
    expect(await auth.authenticate(header)).toMatchObject({ id: "ann" });
  });

  it("challenges without an error where there is no token", async () => {
    const { auth, outcomes } = room();
    expect((await refusal(() => auth.authenticate(undefined))).challenge).toBe('Bearer realm="mcp-stack"');
    expect(outcomes).toEqual(["missing"]);
  });

  it("lets the anonymous in where nothing is required, but no bad token", async () => {
    const { auth } = room({ required: false, anonymousIsAdmin: true });
    expect(auth.authenticate(undefined)).toEqual({ id: "anonymous", kind: "anonymous", admin: true, teams: [] });
    await refusal(() => auth.authenticate("Bearer nonsense"));
    const open = room({ required: false, secret: undefined });
    expect(open.auth.authenticate("Bearer nonsense")).toMatchObject({ kind: "anonymous", admin: false });
  });

  it("needs a secret of 32 bytes", () => {
    expect(() => room({ secret: undefined })).toThrow(RangeError);
    expect(() => room({ secret: "short" })).toThrow("at least 32 bytes");
  });
});

describe("mint", () => {
  it("makes tokens that it accepts; 0 minutes never end", async () => {
    const { auth } = room();
    const timed = await auth.authenticate(`Bearer ${await auth.mint({ username: "bob", expMinutes: 5, id: "t1" })}`);
    const expiresAt = NOW + 300_000;
    expect(timed).toEqual({ id: "bob", kind: "jwt", admin: false, teams: [], tokenId: "t1", expiresAt });
    const endless = await auth.authenticate(
      `Bearer ${await auth.mint({ username: "eve", expMinutes: 0, admin: true, id: "t2" })}`,
    );
    expect(endless).toEqual({ id: "eve", kind: "jwt", admin: true, teams: [], tokenId: "t2" });
    expect(() => auth.mint({ username: "a b", expMinutes: 5 })).toThrow(RangeError);
    expect(() => auth.mint({ username: "a", expMinutes: -1 })).toThrow(RangeError);
  });
});

describe("permissions", () => {
  const ann = { id: "ann", kind: "jwt", admin: false, teams: [] } as const;
  it("let everyone read and use, and administrators do all", () => {
    expect([
      isPermitted(ann, "tools.read"),
      isPermitted(ann, "servers.use"),
      isPermitted(ann, "gateways.create"),
      isPermitted(ann, "admin.metrics"),
    ]).toEqual([true, true, false, false]);
    expect(isPermitted(ann, undefined)).toBe(true);
    expect(isPermitted({ ...ann, admin: true }, "gateways.delete")).toBe(true);
    expect(() => basicRequirement(ann, "gateways.create")).toThrow("ann may not gateways.create");
  });
});

describe("the token of a scraper", () => {
  const token = "scraper-0123456789abcdef0123456789";

  it("is a principal of its own, and never one by another token", async () => {
    const { auth, outcomes } = room({ metricsToken: token });
    const scraper = { id: "metrics", kind: "scraper", admin: false, teams: [] };
    expect(await auth.authenticate(`Bearer ${token}`)).toEqual(scraper);
    // Verified anew each time: what is remembered is found by comparing text.
    expect(auth.authenticate(`Bearer ${token}`)).toBeInstanceOf(Promise);
    expect(await auth.authenticate(`Bearer ${await sign(claims({ sub: "metrics" }))}`)).toMatchObject({ kind: "jwt" });
    for (const other of [token.slice(0, -1), `${token}0`, token.toUpperCase()])
      expect((await refusal(() => auth.authenticate(`Bearer ${other}`))).reason).toContain("not a valid one");
    expect(outcomes).toEqual(["ok", "ok", "ok", "invalid", "invalid", "invalid"]);
    await refusal(() => room().auth.authenticate(`Bearer ${token}`));
  });

  it("may read the metrics and nothing else, not even what anybody may", () => {
    const scraper = { id: "metrics", kind: "scraper", admin: false, teams: [] } as const;
    const permissions = new Set(routes.map(({ permission }) => permission));
    expect([...permissions].filter((permission) => isPermitted(scraper, permission))).toEqual(["admin.metrics"]);
    expect(() => basicRequirement(scraper, undefined)).toThrow("metrics may not do anything but admin.metrics");
  });
});

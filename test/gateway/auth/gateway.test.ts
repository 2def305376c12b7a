/** A whole gateway with keys of its own, another issuer, and a provider at which people sign in: as its users meet it. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Gateway, rest, send, startGateway } from "../../harness/index.ts";
import { type AuthorizationServer, createBrowser, signInAt, startAuthorizationServer } from "./authorization-server.ts";
import { type Key, keyPair, newKey, startIssuer, type TestIssuer } from "./issuer.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const directory = mkdtempSync(join(tmpdir(), "auth-gateway-"));
const { publicKey, privateKey } = keyPair("ES256");
const paths = { private: join(directory, "private.pem"), public: join(directory, "public.pem") };
writeFileSync(paths.private, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
writeFileSync(paths.public, publicKey.export({ format: "pem", type: "spki" }));

const WELL_KNOWN = "/.well-known/oauth-protected-resource";
let issuer: TestIssuer;
let key: Key;
let server: AuthorizationServer;
let gateway: Gateway;
let base: string;

/** The provider has to know the address before the gateway is there. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
  const address = probe.address();
  await new Promise<void>((done) => void probe.close(() => done()));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

beforeAll(async () => {
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  [issuer, key, server] = await Promise.all([
    startIssuer(),
    newKey("k", "PS256"),
    startAuthorizationServer(`${base}/auth/sso/callback/oidc`, {
      ann: { email: "ann@example.com", email_verified: true, name: "Ann", groups: ["ops"] },
    }),
  ]);
  issuer.keys.push(key);
  gateway = await startGateway({
    deadlineMs: 150_000,
    args: ["--port", String(port)],
    env: {
      APP_DOMAIN: base,
      AUDIT_TRAIL_ENABLED: "true",
      JWT_ALGORITHM: "ES256",
      JWT_PRIVATE_KEY_PATH: paths.private,
      SSO_ISSUERS: issuer.url,
      SSO_ENABLED: "true",
      SSO_GENERIC_ISSUER: server.url,
      SSO_GENERIC_CLIENT_ID: "gateway",
      SSO_GENERIC_CLIENT_SECRET: "a secret between the gateway and the provider",
      SSO_GENERIC_ADMIN_GROUPS: "ops",
    },
  });
}, 180_000);
afterAll(async () => {
  await Promise.all([gateway?.stop(), issuer?.close(), server?.close()]);
});

const minutes = (count: number) => Math.floor(Date.now() / 1000) + count * 60;
const foreign = async (claims: Record<string, unknown> = {}) =>
  `Bearer ${await issuer.sign(key, { sub: "u1", aud: base, exp: minutes(5), ...claims })}`;
const validate = async (authorization: string) => {
  const { status, body } = await rest({ ...gateway, headers: { authorization } }, "GET", "/auth/validate");
  return { status, id: body.id, admin: body.isAdmin };
};

// Starts a whole gateway, once: that is what takes its time.
describe("a gateway", () => {
  it("makes tokens with its private key, and so does the command line", async () => {
    expect(JSON.parse(Buffer.from(gateway.token.split(".")[0] ?? "", "base64url").toString())).toMatchObject({
      alg: "ES256",
      kid: expect.any(String),
    });
    const env = { PATH: process.env.PATH, JWT_ALGORITHM: "ES256", JWT_PRIVATE_KEY_PATH: paths.private };
    const make = (...args: string[]) =>
      promisify(execFile)(process.execPath, ["cli/mcp-stack.js", "token", "--data-dir", directory, ...args], {
        cwd: ROOT,
        env,
      });
    const { stdout } = await make("--username", "bob@example.com", "--exp", "0");
    expect(await validate(`Bearer ${stdout.trim()}`)).toEqual({ status: 200, id: "bob@example.com", admin: false });
    await expect(make("--secret", "x".repeat(40))).rejects.toMatchObject({
      stderr: expect.stringContaining("--secret is for HS*, JWT_ALGORITHM is ES256"),
    });
  });

  it("takes tokens of the other issuer as whom he names, and no more", async () => {
    const id = `${issuer.url.replace("http://", "")}#u1`;
    expect(await validate(await foreign())).toEqual({ status: 200, id, admin: false });
    expect((await validate(await foreign({ aud: "else" }))).status).toBe(401);
    const narrow = await send("GET", `${base}/tools`, { authorization: await foreign({ scope: "servers.read" }) });
    expect([narrow.status, narrow.headers["www-authenticate"]]).toEqual([
      403,
      `Bearer realm="mcp-stack", error="insufficient_scope", error_description="the token does not cover tools.read", scope="servers.read tools.read", resource_metadata="${base}${WELL_KNOWN}"`,
    ]);
  });

  it("makes no token of its own out of another issuer's", async () => {
    const authorization = await foreign({ email: "admin@example.com", email_verified: true });
    expect((await validate(authorization)).id).toBe("admin@example.com");
    for (const [path, body] of [
      ["/auth/refresh", undefined],
      ["/tokens", { name: "mine" }],
    ] as const) {
      const refused = await rest({ ...gateway, headers: { authorization } }, "POST", path, body);
      expect([path, refused.status]).toEqual([path, 403]);
    }
  });

  it("tells clients where to get a token", async () => {
    const refused = await send("POST", `${base}/mcp`, { "content-type": "application/json" }, "{}");
    const leads = `${base}${WELL_KNOWN}/mcp`;
    expect(refused.headers["www-authenticate"]).toBe(
      `Bearer realm="mcp-stack", scope="servers.use", resource_metadata="${leads}"`,
    );
    expect((await send("GET", leads, {})).json()).toEqual({
      resource: `${base}/mcp`,
      authorization_servers: [issuer.url],
      scopes_supported: ["servers.use", "tools.read", "resources.read", "prompts.read"],
      bearer_methods_supported: ["header"],
      resource_name: "mcp-stack",
    });
  });

  it("makes users and administrators of people who sign in", async () => {
    const browser = createBrowser();
    const { headers } = await browser.visit(`${base}/auth/sso/login/oidc?return_to=/auth/email/me`);
    const back = await browser.visit(await signInAt(browser, headers.get("location") ?? "", "ann"));
    expect([back.status, back.headers.get("location")]).toEqual([302, `${base}/auth/email/me`]);
    const me = JSON.parse((await browser.visit(`${base}/auth/email/me`)).text);
    expect(me).toMatchObject({ email: "ann@example.com", fullName: "Ann", isAdmin: true, isActive: true });
    const { body } = await rest(gateway, "GET", "/auth/email/admin/users/ann@example.com");
    expect(body).toMatchObject({ email: "ann@example.com", authProvider: "sso" });
  });

  it("lets a user choose a password with a token that an administrator made, once", async () => {
    const users = "/auth/email/admin/users";
    const email = "bea@example.com";
    await rest(gateway, "POST", users, { email });
    const made = await rest(gateway, "POST", `${users}/${email}/reset-password`);
    const other = await rest(gateway, "POST", `${users}/${email}/reset-password`);
    expect([made.status, made.body]).toEqual([
      200,
      { email, token: expect.any(String), expiresAt: expect.stringMatching(/^\d{4}-.*Z$/) },
    ]);
    const choose = (token: unknown, newPassword: string) =>
      rest(gateway, "POST", "/auth/email/reset-password", { token, newPassword });
    const weak = await choose(made.body.token, "short");
    expect([weak.status, JSON.stringify(weak.body)]).toEqual([422, expect.stringContaining("newPassword")]);
    const [one, two] = await Promise.all([
      choose(made.body.token, "Correct-horse-battery-1"),
      choose(other.body.token, "Correct-horse-battery-1"),
    ]);
    expect([one.status, two.status].sort()).toEqual([200, 422]);
    const again = await choose(made.body.token, "Correct-horse-battery-2");
    expect([again.status, JSON.stringify(again.body)]).toEqual([
      422,
      expect.stringContaining("one that is not too old and was not used"),
    ]);
    const login = await rest(gateway, "POST", "/auth/login", { email, password: "Correct-horse-battery-1" });
    expect([login.status, Object.keys(login.body).sort()]).toEqual([200, ["access_token", "expires_in", "token_type"]]);
    const { body: audit } = await rest(gateway, "GET", "/admin/audit?action=auth.reset-password");
    const rows: readonly Record<string, unknown>[] = Array.isArray(audit.rows) ? audit.rows : [];
    expect(
      rows.flatMap(({ status, principal, resourceId }) => (status === 200 ? [[principal, resourceId]] : [])),
    ).toEqual([[email, email]]);
    expect(gateway.stderr()).not.toContain(String(made.body.token));
  });

  it("renews a session on its cookie, and takes the cookie back when its owner logs out", async () => {
    const browser = createBrowser();
    const { headers } = await browser.visit(`${base}/auth/sso/login/oidc`);
    await browser.visit(await signInAt(browser, headers.get("location") ?? "", "ann"));
    const jar = browser.jar.get(new URL(base).host);
    const post = (path: string, cookie: string) =>
      fetch(base + path, { method: "POST", headers: { cookie, origin: base } });
    const first = `jwt_token=${jar?.get("jwt_token")}`;
    const renewed = await post("/auth/refresh", first);
    const [second = ""] = (renewed.headers.getSetCookie()[0] ?? "").split(";");
    expect(renewed.headers.getSetCookie()).toEqual([`${second}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax`]);
    expect([renewed.status, await renewed.json()]).toEqual([200, { token_type: "cookie", expires_in: 3600 }]);
    expect(second).not.toBe(first);
    expect((await post("/auth/logout", first)).status).toBe(401);
    const out = await post("/auth/logout", second);
    expect([out.status, out.headers.getSetCookie(), out.headers.get("cache-control")]).toEqual([
      200,
      ["jwt_token=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"],
      "no-store",
    ]);
    expect((await send("GET", `${base}/auth/email/me`, { cookie: second })).status).toBe(401);
  });

  it("revokes a token made with its key", async () => {
    const { token } = gateway;
    const other = await rest(gateway, "POST", "/auth/refresh");
    expect(other.status).toBe(200);
    expect((await validate(`Bearer ${token}`)).status).toBe(401);
    expect((await validate(`Bearer ${other.body.access_token}`)).status).toBe(200);
  });

  it("keeps keys and secrets out of its log", () => {
    const [, body = ""] = readFileSync(paths.private, "utf8").split("\n");
    for (const secret of [body, "a secret between the gateway and the provider", gateway.token])
      expect(gateway.stderr()).not.toContain(secret);
  });
});

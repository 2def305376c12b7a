/** Signing in at a real authorization server, through both engines, to a session that opens what its owner may. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GatewayRequest } from "../../../contract/http.ts";
import { createSignIn, SESSION_COOKIE, type SignInOptions } from "../../../gateway/auth/index.ts";
import { localPath } from "../../../gateway/auth/sso/sign-in.ts";
import { catalogue, SECRET } from "../checks.ts";
import { engineNames, type Served, served } from "../transports/harness.ts";
import {
  type AuthorizationServer,
  type Browser,
  createBrowser,
  signInAt,
  startAuthorizationServer,
  type Visit,
} from "./authorization-server.ts";

const ACCOUNTS = {
  ann: { email: "Ann@Example.com", email_verified: true, name: "Ann", groups: ["ops", "dev"] },
  bob: { email: "bob@example.com", email_verified: true },
  eve: { email: "eve@example.com", email_verified: false },
  mallory: { email: "mallory@evil.example" },
  nobody: {},
  admin: { email: "admin@example.com" },
};

describe.each(engineNames)("signing in (%s)", (engine) => {
  let gateway: Served;
  let server: AuthorizationServer;
  const warnings: string[] = [];
  const options: { changes: Partial<SignInOptions> } = { changes: {} };

  beforeAll(async () => {
    const routes = new Map<string, ReturnType<typeof createSignIn>>();
    // Made when first asked: only then it is known where the provider is.
    const at = (id: string) => (params: Readonly<Record<string, string>>, request: GatewayRequest) => {
      const key = Object.keys(options.changes).join();
      const made = routes.get(key) ?? createSignIn({ ...signIn(), ...options.changes });
      routes.set(key, made);
      const route = made[id];
      if (route === undefined) throw new Error(id);
      return route(params, request);
    };
    gateway = await served({
      engine,
      catalogue,
      scripts: {},
      open: { "sso.providers": at("sso.providers"), "sso.login": at("sso.login"), "sso.callback": at("sso.callback") },
      auth: { secret: SECRET, required: true, anonymousIsAdmin: false },
    });
    server = await startAuthorizationServer(`${gateway.url}/auth/sso/callback/test`, ACCOUNTS);
  });
  afterAll(async () => {
    await gateway.close();
    await server.close();
  });

  function signIn(): SignInOptions {
    return {
      issuer: server.url,
      clientId: "gateway",
      clientSecret: "a secret between the gateway and the provider",
      endpoints: undefined,
      scope: "openid profile email",
      displayName: "Test",
      rules: {
        provider: "test",
        groupsClaim: "groups",
        adminGroups: ["ops"],
        trustedDomains: [],
        adminEmail: "admin@example.com",
      },
      base: gateway.url,
      secret: SECRET,
      sessionMinutes: 60,
      mint: (request) => gateway.auth.mint(request),
      warn: (reason) => warnings.push(reason),
      now: () => gateway.clock.now,
    };
  }

  const login = (browser: Browser, query = ""): Promise<Visit> =>
    browser.visit(`${gateway.url}/auth/sso/login/test${query}`);

  /** The URL with which the provider sends the browser back. */
  async function away(browser: Browser, as: string, query = ""): Promise<string> {
    const { status, headers } = await login(browser, query);
    expect(status).toBe(302);
    return signInAt(browser, headers.get("location") ?? "", as);
  }

  it("leads to the provider with PKCE, state and nonce, and seals what it has to know later", async () => {
    const browser = createBrowser();
    const { status, headers } = await login(browser);
    const { origin, pathname, searchParams } = new URL(headers.get("location") ?? "");
    expect([status, origin + pathname]).toEqual([302, `${server.url}/auth`]);
    const random = expect.stringMatching(/^[\w-]{43}$/);
    expect(Object.fromEntries(searchParams)).toEqual({
      client_id: "gateway",
      redirect_uri: `${gateway.url}/auth/sso/callback/test`,
      response_type: "code",
      scope: "openid profile email",
      code_challenge: random,
      code_challenge_method: "S256",
      state: random,
      nonce: random,
    });
    const [cookie = ""] = headers.getSetCookie();
    expect(cookie).toMatch(/^mcp_sign_in=[\w-]+\.\.[\w.-]+; Path=\/auth\/sso; Max-Age=600; HttpOnly; SameSite=Lax$/);
    expect(headers.get("cache-control")).toBe("no-store");
  });

  it("ends with a session, whose cookie says who is asking", async () => {
    const browser = createBrowser();
    const back = await browser.visit(await away(browser, "ann"));
    expect([back.status, JSON.parse(back.text)]).toEqual([
      200,
      { status: "signed in", email: "ann@example.com", expires_in: 3600 },
    ]);
    expect(back.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^jwt_token=[\w.-]+; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/),
    ]);
    expect(back.text).not.toContain(browser.jar.get(new URL(gateway.url).host)?.get(SESSION_COOKIE));
    expect((await browser.visit(`${gateway.url}/tools`)).status).toBe(200);
    const principal = await gateway.auth.authenticate(
      `Bearer ${browser.jar.get(new URL(gateway.url).host)?.get(SESSION_COOKIE)}`,
    );
    expect(principal).toMatchObject({ id: "ann@example.com", kind: "jwt", admin: true });
  });

  it("goes on where somebody wanted to go, if that is here", async () => {
    const browser = createBrowser();
    const back = await browser.visit(await away(browser, "bob", "?return_to=/tools?limit=1"));
    expect([back.status, back.headers.get("location")]).toEqual([302, `${gateway.url}/tools?limit=1`]);
    const astray = createBrowser();
    const here = await astray.visit(await away(astray, "bob", "?return_to=https://evil.example.com/"));
    expect([here.status, here.headers.get("location")]).toEqual([200, null]);
  });

  it("asks a page for its origin before its cookie changes anything, and takes no cookie where MCP is spoken", async () => {
    const browser = createBrowser();
    await browser.visit(await away(browser, "ann"));
    const cookie = `${SESSION_COOKIE}=${browser.jar.get(new URL(gateway.url).host)?.get(SESSION_COOKIE)}`;
    const send = async (method: string, path: string, headers: Record<string, string>) => {
      const init = { method, headers: { cookie, "content-type": "application/json", ...headers } };
      return (await fetch(gateway.url + path, method === "GET" ? init : { ...init, body: "{}" })).status;
    };
    expect(await send("GET", "/tools", {})).toBe(200);
    expect(await send("POST", "/tools", {})).toBe(403);
    expect(await send("POST", "/tools", { origin: gateway.url })).toBe(200);
    expect(await send("POST", "/tools", { "sec-fetch-site": "same-origin" })).toBe(200);
    expect(await send("POST", "/tools", { "sec-fetch-site": "cross-site", origin: gateway.url })).toBe(403);
    expect(await send("POST", "/tools", { origin: "https://evil.example.com" })).toBe(403);
    expect(await send("DELETE", "/tools/x", {})).toBe(403);
    expect(await send("POST", "/mcp", { origin: gateway.url })).toBe(401);
    expect(await send("GET", "/tools", { cookie: `${cookie}; ${SESSION_COOKIE}=other` })).toBe(401);
  });

  it.each([
    ["eve", "the email address is not verified"],
    ["nobody", "the provider names no email address"],
    ["admin", "nobody has verified this email address"],
  ])("refuses %s: %s", async (as, reason) => {
    const browser = createBrowser();
    const back = await browser.visit(await away(browser, as));
    expect([back.status, JSON.parse(back.text).error.message, back.headers.getSetCookie()]).toEqual([
      403,
      `Signing in failed: ${reason}`,
      [],
    ]);
  });

  it("refuses whom the deployment does not let in, and domains that are not trusted", async () => {
    const { rules } = signIn();
    const refused = async (changes: Partial<SignInOptions>, as: string) => {
      options.changes = changes;
      const browser = createBrowser();
      const back = await browser.visit(await away(browser, as));
      options.changes = {};
      return [back.status, JSON.parse(back.text).error.message];
    };
    expect(await refused({ admit: async ({ email }) => email !== "bob@example.com" }, "bob")).toEqual([
      403,
      "Signing in failed: this deployment does not let you in",
    ]);
    expect(await refused({ rules: { ...rules, trustedDomains: ["example.com"] } }, "mallory")).toEqual([
      403,
      "Signing in failed: email addresses of this domain are not let in",
    ]);
  });

  it("refuses what was not begun in this browser, was begun too long ago, or is used again", async () => {
    const BEGUN = "Signing in failed: it was not begun in this browser, or too long ago";
    const CONFIRM = "Signing in failed: the provider did not confirm who you are";
    const message = ({ status, text }: Visit) => [status, JSON.parse(text).error.message];
    const victim = createBrowser();
    const callback = await away(victim, "bob");
    expect(message(await createBrowser().visit(callback))).toEqual([403, BEGUN]);
    const attacker = createBrowser();
    await login(attacker);
    expect(message(await attacker.visit(callback))).toEqual([403, CONFIRM]);
    gateway.clock.now += 601_000;
    expect(message(await victim.visit(callback))).toEqual([403, BEGUN]);
    gateway.clock.now -= 601_000;
    expect((await victim.visit(callback)).status).toBe(200);
    warnings.length = 0;
    expect(message(await victim.visit(callback))).toEqual([403, CONFIRM]);
    expect(warnings).toEqual(["OAUTH_RESPONSE_BODY_ERROR: invalid_grant"]);
  });

  it.each([
    ["another state", (url: URL) => url.searchParams.set("state", "x")],
    ["no state", (url: URL) => url.searchParams.delete("state")],
    ["another issuer (RFC 9207)", (url: URL) => url.searchParams.set("iss", "https://evil.example.com")],
    ["another code", (url: URL) => url.searchParams.set("code", "x")],
    ["no code", (url: URL) => url.searchParams.delete("code")],
    ["an error", (url: URL) => url.searchParams.set("error", 'access_denied"\n')],
  ])("refuses to come back with %s, and shows nothing of it", async (_, change) => {
    const browser = createBrowser();
    const url = new URL(await away(browser, "bob"));
    const code = url.searchParams.get("code") ?? "";
    change(url);
    warnings.length = 0;
    const back = await browser.visit(url.href);
    expect([back.status, JSON.parse(back.text).error.message]).toEqual([
      403,
      "Signing in failed: the provider did not confirm who you are",
    ]);
    expect(back.headers.getSetCookie()).toEqual([]);
    expect(warnings.join()).not.toContain(code);
  });

  it("knows one provider, and says where it is", async () => {
    const providers = await fetch(`${gateway.url}/auth/sso/providers`);
    expect(await providers.json()).toEqual([
      { id: "test", name: "test", display_name: "Test", login_url: `${gateway.url}/auth/sso/login/test` },
    ]);
    for (const path of ["login", "callback"])
      expect((await fetch(`${gateway.url}/v1/auth/sso/${path}/other`)).status).toBe(404);
  });

  it("fails in words when the provider is not there", async () => {
    options.changes = { issuer: "http://127.0.0.1:1", clientId: "x" };
    const { status, text } = await login(createBrowser());
    options.changes = {};
    expect([status, JSON.parse(text).error.message]).toEqual([
      502,
      "The sign-in provider test does not answer as it should",
    ]);
  });
});

describe("where somebody goes on", () => {
  it.each([
    ["/tools?limit=1", "/tools?limit=1"],
    ["", ""],
    ["//evil.example.com", ""],
    ["/\\evil.example.com", ""],
    ["https://evil.example.com", ""],
    ["javascript:alert(1)", ""],
    ["/a\r\nset-cookie: x", ""],
    [`/${"x".repeat(1001)}`, ""],
  ])("%j is %j", (text, path) => {
    expect(localPath(text)).toBe(path);
  });
});

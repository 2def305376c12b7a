/** A real authorization server (oidc-provider) on loopback, and somebody with a browser who signs in there. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";
import { newKey } from "./issuer.ts";

const RESOURCE_SCOPES = ["servers.use", "tools.read"];

export type AccountClaims = Readonly<Record<string, unknown>>;
export type AuthorizationServer = Awaited<ReturnType<typeof startAuthorizationServer>>;

/** `accounts`: claims by the login that is typed in. Whoever is not among them has an email of his own. */
export async function startAuthorizationServer(redirectUri: string, accounts: Readonly<Record<string, AccountClaims>>) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const key = await newKey("sig", "RS256");
  const provider = new Provider(url, {
    clients: [
      {
        client_id: "gateway",
        client_secret: "a secret between the gateway and the provider",
        token_endpoint_auth_method: "client_secret_post",
        redirect_uris: [redirectUri],
        response_types: ["code"],
        grant_types: ["authorization_code"],
      },
    ],
    jwks: { keys: [{ ...key.privateKey.export({ format: "jwk" }), kid: key.kid, alg: "RS256", use: "sig" }] },
    cookies: { keys: ["a key of the tests"] },
    pkce: { required: () => true },
    scopes: ["openid", "offline_access", "profile", "email", ...RESOURCE_SCOPES],
    features: {
      // As clients of MCP need it: they register themselves, and say for which resource they want a token (RFC 7591, RFC 8707).
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_: unknown, resource: string) => ({
          scope: RESOURCE_SCOPES.join(" "),
          audience: resource,
          accessTokenFormat: "jwt",
          accessTokenTTL: 600,
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
    ttl: { AccessToken: 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"] },
    findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id, ...accounts[id] }) }),
  });
  server.on("request", provider.callback());
  return {
    url,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export type Visit = { readonly status: number; readonly url: string; readonly headers: Headers; readonly text: string };

/** Keeps cookies by host and follows nothing by itself. */
export function createBrowser() {
  const jar = new Map<string, Map<string, string>>();
  async function visit(url: string, form?: Readonly<Record<string, string>>): Promise<Visit> {
    const { host } = new URL(url);
    const cookies = jar.get(host) ?? new Map<string, string>();
    jar.set(host, cookies);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, {
      redirect: "manual",
      headers: cookie === "" ? {} : { cookie },
      ...(form === undefined ? {} : { method: "POST", body: new URLSearchParams(form) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    return { status: response.status, url, headers: response.headers, text: await response.text() };
  }
  return { jar, visit };
}
export type Browser = ReturnType<typeof createBrowser>;

/** Signs in as `login` at the provider, and stops before going back: the URL of the callback with its code. */
export async function signInAt(browser: Browser, authorizationUrl: string, login: string): Promise<string> {
  let at = authorizationUrl;
  const { host } = new URL(authorizationUrl);
  for (let step = 0; step < 12; step++) {
    if (new URL(at).host !== host) return at;
    const page = await browser.visit(at, undefined);
    const next = page.headers.get("location") ?? (await submit(browser, page, login)).headers.get("location");
    if (next === null) throw new Error(`the provider stopped at ${at}: ${page.status} ${page.text.slice(0, 500)}`);
    at = new URL(next, at).href;
  }
  throw new Error("the provider sends the browser in circles");
}

/** Its pages for development: one asks for a login, one for consent. */
function submit(browser: Browser, { url, text }: Visit, login: string): Promise<Visit> {
  const isLogin = text.includes('name="login"');
  return browser.visit(url, isLogin ? { prompt: "login", login, password: "any" } : { prompt: "consent" });
}

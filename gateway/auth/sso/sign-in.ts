/** Signing in: the way to the provider, the way back, and the session's cookie at its end. */
import { fault } from "../../../contract/errors.ts";
import type { GatewayRequest, RestResponse } from "../../../contract/http.ts";
import type { MintRequest } from "../own-tokens.ts";
import { cookieOf, cookiePlace, SESSION_COOKIE, setCookie } from "../session-cookie.ts";
import { createPendingSeal, PENDING_SECONDS, type Pending } from "./pending.ts";
import { type Person, type PersonRules, personOf } from "./person.ts";
import { type Claims, createProvider, type Provider, type ProviderOptions } from "./provider.ts";

const PENDING_COOKIE = "mcp_sign_in";
const NOT_STORED = { "cache-control": "no-store", "referrer-policy": "no-referrer" } as const;

export type SignInOptions = ProviderOptions & {
  readonly rules: PersonRules;
  readonly displayName: string;
  /** The gateway's address with its path prefix, without a slash at the end. */
  readonly base: string;
  readonly secret: string;
  readonly sessionMinutes: number;
  readonly mint: (request: MintRequest) => Promise<string>;
  /** Whether the deployment lets him in, once what it keeps of people is up to date. Absent: everybody whom the provider lets in. */
  readonly admit?: (person: Person) => Promise<boolean>;
  /** Reasons for the log; nothing of tokens, codes or people stands in them. */
  readonly warn: (reason: string) => void;
};

type Params = Readonly<Record<string, string>>;
export type SignInRoutes = Readonly<Record<string, (params: Params, request: GatewayRequest) => Promise<RestResponse>>>;

/** Answers of the routes in contract/routes/sso.ts, by their ids. */
export function createSignIn(options: SignInOptions): SignInRoutes {
  const { base, rules, now } = options;
  const id = rules.provider;
  const provider = createProvider(options);
  const seal = createPendingSeal(options.secret, now);
  const place = cookiePlace(base);
  const prefix = place.path === "/" ? "" : place.path;
  const redirectUri = `${base}/auth/sso/callback/${id}`;

  function requireProvider(params: Params): void {
    if (params.id !== id) throw fault("MCPS_ITEM_UNKNOWN", { kind: "provider", id: (params.id ?? "").slice(0, 100) });
  }

  async function begin({ query }: GatewayRequest): Promise<RestResponse> {
    const returnTo = localPath(new URLSearchParams(query).get("return_to") ?? "");
    const { url, ...checks } = await reached(options, () => provider.depart(redirectUri));
    const sealed = await seal.seal({ provider: id, returnTo, ...checks });
    const cookie = setCookie(PENDING_COOKIE, sealed, PENDING_SECONDS, { ...place, path: `${prefix}/auth/sso` });
    return { status: 302, headers: { ...NOT_STORED, location: url, "set-cookie": cookie } };
  }

  async function finish(request: GatewayRequest): Promise<RestResponse> {
    const text = cookieOf(request.headers.cookie ?? "", PENDING_COOKIE);
    const pending = text === undefined ? undefined : await seal.open(text);
    if (pending?.provider !== id) throw refuse("it was not begun in this browser, or too long ago");
    const claims = await arrived(options, provider, new URL(`${redirectUri}?${request.query}`), pending);
    const person = personOf(claims, rules);
    if (typeof person === "string") throw refuse(person);
    if (options.admit !== undefined && !(await options.admit(person)))
      throw refuse("this deployment does not let you in");
    return session(person, pending.returnTo);
  }

  async function session({ email, admin }: Person, returnTo: string): Promise<RestResponse> {
    const { sessionMinutes } = options;
    const token = await options.mint({ username: email, expMinutes: sessionMinutes, admin });
    const headers = { ...NOT_STORED, "set-cookie": setCookie(SESSION_COOKIE, token, sessionMinutes * 60, place) };
    if (returnTo !== "") return { status: 302, headers: { ...headers, location: `${base}${returnTo}` } };
    return { status: 200, headers, body: { status: "signed in", email, expires_in: sessionMinutes * 60 } };
  }

  return {
    "sso.providers": async () => {
      const login = `${base}/auth/sso/login/${id}`;
      return { status: 200, body: [{ id, name: id, display_name: options.displayName, login_url: login }] };
    },
    "sso.login": async (params, request) => {
      requireProvider(params);
      return begin(request);
    },
    "sso.callback": async (params, request) => {
      requireProvider(params);
      return finish(request);
    },
  };
}

/** A path below the gateway's own address; empty for anything that could lead elsewhere. */
export function localPath(text: string): string {
  return /^\/(?![/\\])[\w\-./~%?=&:@+,]{0,1000}$/.test(text) ? text : "";
}

function refuse(reason: string) {
  return fault("MCPS_SIGN_IN", { reason }, undefined, NOT_STORED);
}

async function reached<Value>({ rules, warn }: SignInOptions, ask: () => Promise<Value>): Promise<Value> {
  try {
    return await ask();
  } catch (error) {
    warn(reasonOf(error));
    throw fault("MCPS_SIGN_IN_PROVIDER", { provider: rules.provider }, undefined, NOT_STORED);
  }
}

/** The caller learns that it failed; why stands in the log. */
async function arrived(options: SignInOptions, provider: Provider, current: URL, checks: Pending): Promise<Claims> {
  try {
    return await provider.arrive(current, checks);
  } catch (error) {
    options.warn(reasonOf(error));
    throw refuse("the provider did not confirm who you are");
  }
}

/** The library's own word for it, and the provider's (RFC 6749 §5.2): neither holds what was sent. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  const word = "error" in error && typeof error.error === "string" ? error.error : undefined;
  return word === undefined ? code : `${code}: ${word.replaceAll(/[^\w.-]/g, "").slice(0, 60)}`;
}

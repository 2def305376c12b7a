/**
 * The authorization code flow with PKCE (RFC 6749 §4.1, 7636, 9700): a user lets the gateway use an upstream for him. What travels through
 * his browser is sealed, bound to him and to the upstream, good for ten minutes and for one use.
 */
import { createHash, randomBytes } from "node:crypto";
import * as z from "zod";
import { fault } from "../../../contract/errors.ts";
import type { SharedState } from "../../coordination/index.ts";
import type { Sealing } from "../../store/index.ts";
import type { UpstreamTarget } from "../types.ts";
import { type OAuthClients, OAuthProblem } from "./client.ts";
import { type Grant, grantOf } from "./grant.ts";
import { oidc } from "./oidc.ts";
import { reasonOf } from "./renewal.ts";

const STATE = "oauth-state";
const TICKET = "oauth-ticket";
const LIFE_MS = 600_000;
const COOKIE = "mcp_stack_oauth";

const stateSchema = z.object({
  gateway: z.string(),
  principal: z.string(),
  verifier: z.string(),
  nonce: z.string(),
  /** Digest of what the browser holds that began; absent where the beginning was no browser's. */
  browser: z.string().optional(),
  expiresAt: z.number(),
});
export type FlowState = z.infer<typeof stateSchema>;
const ticketSchema = z.object({ gateway: z.string(), principal: z.string(), expiresAt: z.number() });
export type Ticket = z.infer<typeof ticketSchema>;

export type FlowParts = {
  readonly clients: OAuthClients;
  readonly sealing: Sealing;
  readonly state: SharedState;
  readonly redirectUri: () => string;
  readonly beginUri: () => string;
  readonly wallClock: () => number;
};

export type Begun = { readonly url: string; readonly cookie: string | undefined };

export class AuthorizationFlow {
  readonly #parts: FlowParts;

  constructor(parts: FlowParts) {
    this.#parts = parts;
  }

  /** A link that begins the flow for one caller, for whoever shows it to him. */
  link(target: UpstreamTarget, principalId: string): string {
    const { sealing, wallClock, beginUri } = this.#parts;
    const ticket: Ticket = { gateway: target.id, principal: principalId, expiresAt: wallClock() + LIFE_MS };
    return `${beginUri()}?ticket=${sealing.seal(TICKET, JSON.stringify(ticket))}`;
  }

  /** Throws MCPS_OAUTH for a ticket that is none. */
  readTicket(text: string): Ticket {
    return this.#opened(TICKET, text, ticketSchema, "the link is not one of this gateway, or it is too old");
  }

  /**
   * Where the browser goes. `isBrowser`: the one that goes there is asking, and gets a cookie that the way back needs; otherwise whoever
   * comes back is asked first for whom he does it.
   */
  async begin(target: UpstreamTarget, principalId: string, isBrowser: boolean): Promise<Begun> {
    const { clients, sealing, redirectUri, wallClock } = this.#parts;
    const { config, scope, resource, audience } = await this.#speaking(target, () => clients.of(target));
    if (config.serverMetadata().authorization_endpoint === undefined)
      throw fault("MCPS_UPSTREAM_CREDENTIALS", { upstream: target.slug, reason: "its server authorises no users" });
    const verifier = oidc().randomPKCECodeVerifier();
    const secret = randomBytes(24).toString("base64url");
    const flow: FlowState = {
      gateway: target.id,
      principal: principalId,
      verifier,
      nonce: randomBytes(12).toString("base64url"),
      ...(isBrowser ? { browser: digest(secret) } : {}),
      expiresAt: wallClock() + LIFE_MS,
    };
    const url = oidc().buildAuthorizationUrl(config, {
      redirect_uri: redirectUri(),
      state: sealing.seal(STATE, JSON.stringify(flow)),
      code_challenge: await oidc().calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      resource,
      ...(scope === undefined ? {} : { scope }),
      ...(audience === undefined ? {} : { audience }),
    });
    return { url: url.href, cookie: isBrowser ? cookieOf(flow.nonce, secret, redirectUri()) : undefined };
  }

  /** Throws MCPS_OAUTH for a state that is not one of this gateway, or too old. */
  readState(text: string): FlowState {
    return this.#opened(STATE, text, stateSchema, "its state is not one of this gateway, or it is too old");
  }

  /** `cookies`: the header. Undefined: no browser began it, so whoever comes back has to say that he means it. Throws for another browser. */
  isSameBrowser({ browser, nonce }: FlowState, cookies: string | undefined): boolean | undefined {
    if (browser === undefined) return undefined;
    const name = `${COOKIE}_${nonce}=`;
    const found = (cookies ?? "")
      .split(";")
      .map((part) => part.trim())
      .find((part) => part.startsWith(name));
    return found !== undefined && digest(found.slice(name.length)) === browser;
  }

  /** The token for a code. A state is good once, in the whole deployment. */
  async finish(target: UpstreamTarget, flow: FlowState, query: URLSearchParams): Promise<Grant> {
    const { clients, state, redirectUri, wallClock } = this.#parts;
    const isFirst = await state.set(`oauth-used:${flow.nonce}`, "1", 2 * LIFE_MS, { ifAbsent: true });
    if (!isFirst) throw fault("MCPS_OAUTH", { reason: "it has been completed already, or was tried" });
    return this.#speaking(target, async () => {
      const { config, resource } = await clients.of(target);
      const url = new URL(redirectUri());
      url.search = query.toString();
      const checks = { pkceCodeVerifier: flow.verifier, expectedState: query.get("state") ?? "" };
      const answer = await oidc().authorizationCodeGrant(config, url, checks, { resource });
      const grant = grantOf(answer, target, wallClock());
      if (grant === undefined) throw new OAuthProblem("the access token that its server gave cannot stand in a header");
      return grant;
    });
  }

  async #speaking<T>(target: UpstreamTarget, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof oidc().AuthorizationResponseError)
        throw fault("MCPS_OAUTH", { reason: `the authorization server answers ${error.error.slice(0, 100)}` });
      throw fault("MCPS_UPSTREAM_CREDENTIALS", { upstream: target.slug, reason: reasonOf(error) });
    }
  }

  #opened<T extends { expiresAt: number }>(purpose: string, text: string, schema: z.ZodType<T>, reason: string): T {
    const { sealing, wallClock } = this.#parts;
    const plain = sealing.open(purpose, text);
    const found = plain === undefined ? undefined : schema.safeParse(JSON.parse(plain.toString("utf8")));
    if (found?.success !== true || found.data.expiresAt <= wallClock()) throw fault("MCPS_OAUTH", { reason });
    return found.data;
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

/** Comes along when the browser is sent back from another site by a link, and with no other request of a foreign page (RFC 6265bis). */
function cookieOf(nonce: string, secret: string, redirectUri: string): string {
  const { protocol, pathname } = new URL(redirectUri);
  const secure = protocol === "https:" ? "; Secure" : "";
  return `${COOKIE}_${nonce}=${secret}; Path=${pathname}; Max-Age=${LIFE_MS / 1000}; HttpOnly; SameSite=Lax${secure}`;
}

/**
 * Targets as they are for one caller at this moment: with the headers that tell who he is, and the access token to go with. All other
 * targets come through here as they are.
 */
import { createHmac, randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import { fault } from "../../contract/errors.ts";
import type { Actor, UpstreamTarget } from "./types.ts";

export type IdentityOptions = {
  /** What the headers' names begin with. */
  readonly prefix: string;
  /** Sign wherever an upstream says nothing of it. */
  readonly signs: boolean;
  /** Undefined: nothing can be signed or asserted. */
  readonly secret: string | undefined;
  /** Who asserts. */
  readonly issuer: string;
};

export type AccessToken = {
  /** The Authorization header; secret. */
  readonly header: string;
  /** By the clock of the room, ms: until then it is used, and from `refreshAt` on another one is fetched meanwhile. */
  readonly usableUntil: number;
  readonly refreshAt: number;
};

export interface TokenSource {
  /** What is known and usable, without waiting; fetches another one behind the back of a request that finds it old. */
  known(target: UpstreamTarget): AccessToken | undefined;
  /** Rejects with MCPS_UPSTREAM_AUTHORIZE where the actor has to authorise the gateway first, or with MCPS_UPSTREAM_CREDENTIALS. */
  token(target: UpstreamTarget): Promise<AccessToken>;
  /** The upstream has refused this one: another one, or the reason why there is none. */
  replace(target: UpstreamTarget, refused: string): Promise<AccessToken>;
}

export type PersonalOptions = {
  readonly identity?: IdentityOptions;
  readonly tokens?: TokenSource;
  readonly now: () => number;
};

/** An assertion is made anew after this; it is good for twice as long. */
const ASSERTION_MS = 150_000;
const ASSERTION_LIFE_S = 300;

/** Does what is sent to this target depend on who asks? */
export function isPersonal({ identity, oauth }: UpstreamTarget): boolean {
  return identity !== undefined || (oauth !== undefined && oauth.grantType !== "client_credentials");
}

type Fitted = { readonly target: UpstreamTarget; readonly until: number; readonly token: AccessToken | undefined };

export class Personal {
  readonly #options: PersonalOptions;
  readonly #fitted = new WeakMap<UpstreamTarget, Fitted>();

  constructor(options: PersonalOptions) {
    this.#options = options;
  }

  /** Synchronous where nothing has to be fetched or signed. Throws, or rejects with, what stands in the way. */
  fit(target: UpstreamTarget): UpstreamTarget | Promise<UpstreamTarget> {
    if (target.identity === undefined && target.oauth === undefined) return target;
    const known = this.#fitted.get(target);
    const token = target.oauth === undefined ? undefined : this.#options.tokens?.known(target);
    const isCurrent = known !== undefined && known.until > this.#options.now() && known.token === token;
    if (isCurrent && (token !== undefined || target.oauth === undefined)) return known.target;
    return this.#make(target, token);
  }

  /** The same with another token than the one of `used`. */
  async refit(target: UpstreamTarget, used: UpstreamTarget): Promise<UpstreamTarget> {
    const { tokens } = this.#options;
    if (tokens === undefined) return target;
    return this.#make(target, await tokens.replace(target, used.headers.authorization ?? ""));
  }

  async #make(target: UpstreamTarget, known: AccessToken | undefined): Promise<UpstreamTarget> {
    const { tokens, now } = this.#options;
    if (target.oauth !== undefined && tokens === undefined)
      throw fault("MCPS_UPSTREAM_CREDENTIALS", { upstream: target.slug, reason: "this gateway fetches no tokens" });
    const token = target.oauth === undefined ? undefined : (known ?? (await tokens?.token(target)));
    const told = target.identity === undefined ? {} : await this.#told(target);
    const headers = {
      ...withoutNames(target.headers, told),
      ...told,
      ...(token === undefined ? {} : { authorization: token.header }),
    };
    const fitted = { ...target, headers };
    this.#fitted.set(target, { target: fitted, until: now() + ASSERTION_MS, token });
    return fitted;
  }

  /** Headers that tell who calls; lower-case names. */
  async #told({ slug, identity, actor }: UpstreamTarget): Promise<Record<string, string>> {
    const { identity: options } = this.#options;
    // Without an actor the gateway asks for itself: there is nobody to tell of.
    if (identity === undefined || options === undefined || actor === undefined) return {};
    const prefix = options.prefix.toLowerCase();
    const plain = {
      [`${prefix}-id`]: encoded(actor.id),
      [`${prefix}-teams`]: actor.teams.map(encoded).join(","),
      [`${prefix}-admin`]: String(actor.admin),
    };
    const isSigned = identity.sign ?? options.signs;
    const { audience } = identity;
    if (!isSigned && audience === undefined) return plain;
    const { secret } = options;
    if (secret === undefined)
      throw fault("MCPS_UPSTREAM_CREDENTIALS", {
        upstream: slug,
        reason: "signing who calls needs IDENTITY_CLAIMS_SECRET",
      });
    const signed = isSigned ? { [`${prefix}-signature`]: signature(secret, Object.values(plain)) } : {};
    if (audience === undefined) return { ...plain, ...signed };
    const assertion = await assertionOf(actor, audience, options.issuer, secret);
    return { ...plain, ...signed, [`${prefix}-assertion`]: assertion };
  }
}

/** HMAC-SHA256 over id, teams and admin, each with a line feed behind it; hexadecimal. */
function signature(secret: string, values: readonly string[]): string {
  return createHmac("sha256", secret)
    .update(values.map((value) => `${value}\n`).join(""))
    .digest("hex");
}

/** A JWT for one audience and a few minutes, never the caller's own token. */
export function assertionOf(actor: Actor, audience: string, issuer: string, secret: string): Promise<string> {
  return new SignJWT({ teams: actor.teams, admin: actor.admin })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer(issuer)
    .setSubject(actor.id)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime(`${ASSERTION_LIFE_S}s`)
    .setJti(randomUUID())
    .sign(Buffer.from(secret));
}

/** A configured header never speaks for a caller. */
function withoutNames(
  headers: Readonly<Record<string, string>>,
  taken: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !Object.hasOwn(taken, name.toLowerCase())));
}

/** Ids and team names are anybody's choice; a header has room for visible ASCII, and a comma divides teams. */
function encoded(text: string): string {
  return text.toWellFormed().replace(/[^\x21-\x24\x26-\x2b\x2d-\x7e]/gu, encodeURIComponent);
}

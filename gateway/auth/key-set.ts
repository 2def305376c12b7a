/**
 * The keys of another issuer (JWKS, RFC 7517), kept for a while. Asked for again when they are old or a token names one that is not among
 * them, at most once in a cool-down whatever tokens come, by one question at a time; believed for a bounded time when nobody answers.
 */
import { type CryptoKey, importJWK, type JWK } from "jose";
import * as z from "zod";
import type { TokenHeader } from "./jwt.ts";

const MAX_BYTES = 262_144;
const MAX_KEYS = 100;
const ANSWER_WITHIN_MS = 5000;
const Keys = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(MAX_KEYS) });
const Metadata = z.looseObject({ issuer: z.string(), jwks_uri: z.string() });

export type KeySetOptions = {
  readonly issuer: string;
  /** Found by discovery where it is undefined. */
  readonly jwksUri: string | undefined;
  readonly ttlMs: number;
  readonly cooldownMs: number;
  readonly staleMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly fetch: typeof fetch;
  /** Sentences without anything of a token: why keys could not be read. */
  readonly warn: (reason: string) => void;
};

type Held = { readonly jwk: JWK; readonly alg: string; readonly key: Promise<CryptoKey | undefined> };

export class KeySet {
  readonly #options: KeySetOptions;
  #keys: readonly JWK[] = [];
  /** Imported ones, by algorithm and place: made with the first token that needs them. */
  #imported: Held[] = [];
  #readAt = -Infinity;
  #askedAt = -Infinity;
  #asking: Promise<void> | undefined;
  readonly #listeners: (() => void)[] = [];

  constructor(options: KeySetOptions) {
    this.#options = options;
  }

  /** Called when keys that were there are there no longer. */
  onRemoved(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** The keys that a header leads to; none when it names one that is not there. Undefined when there are no keys that may be believed. */
  async keysFor(header: TokenHeader): Promise<readonly CryptoKey[] | undefined> {
    const { now, ttlMs, staleMs } = this.#options;
    if (now() >= this.#readAt + ttlMs) await this.#askAgain();
    if (now() >= this.#readAt + ttlMs + staleMs) return undefined;
    const found = this.#matching(header);
    if (found.length > 0) return this.#import(found, header.alg);
    await this.#askAgain();
    return this.#import(this.#matching(header), header.alg);
  }

  #matching({ alg, kid }: TokenHeader): readonly JWK[] {
    return this.#keys.filter((key) => isFor(key, alg) && (kid === undefined || key.kid === kid));
  }

  async #import(keys: readonly JWK[], alg: string): Promise<readonly CryptoKey[]> {
    const imported = await Promise.all(keys.map((jwk) => this.#importOne(jwk, alg)));
    return imported.filter((key) => key !== undefined);
  }

  #importOne(jwk: JWK, alg: string): Promise<CryptoKey | undefined> {
    const known = this.#imported.find((held) => held.jwk === jwk && held.alg === alg);
    if (known !== undefined) return known.key;
    // A key that is broken is one that nobody can have signed with.
    const key = importJWK(jwk, alg).then(
      (made) => (made instanceof Uint8Array ? undefined : made),
      () => undefined,
    );
    this.#imported.push({ jwk, alg, key });
    return key;
  }

  /** One question at a time, and none within the cool-down. Never rejects. */
  #askAgain(): Promise<void> {
    if (this.#asking !== undefined) return this.#asking;
    const { now, cooldownMs, issuer, warn } = this.#options;
    if (now() < this.#askedAt + cooldownMs) return Promise.resolve();
    this.#askedAt = now();
    this.#asking = this.#ask()
      .catch((error: unknown) => warn(`keys of ${issuer}: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  async #ask(): Promise<void> {
    const { fetch, issuer, now } = this.#options;
    const uri = this.#options.jwksUri ?? (await discoverKeys(issuer, fetch));
    const { keys } = Keys.parse(await readJson(uri, fetch));
    // Shared secrets and private halves have no place there.
    const usable = keys.filter((key) => key.kty !== "oct" && key.d === undefined && (key.use ?? "sig") === "sig");
    const remain = new Set(usable.map((key) => JSON.stringify(key)));
    const hasLost = this.#keys.some((key) => !remain.has(JSON.stringify(key)));
    this.#keys = usable;
    this.#imported = [];
    this.#readAt = now();
    if (hasLost) for (const listener of this.#listeners) listener();
  }
}

/** RFC 7517 §4.4: a key that names its algorithm is for that alone; its type has to be that of the algorithm in any case. */
function isFor(key: JWK, alg: string): boolean {
  if (key.alg !== undefined && key.alg !== alg) return false;
  if (alg === "EdDSA" || alg === "Ed25519") return key.kty === "OKP" && key.crv === "Ed25519";
  if (alg.startsWith("ES"))
    return key.kty === "EC" && key.crv === { ES256: "P-256", ES384: "P-384", ES512: "P-521" }[alg];
  return key.kty === "RSA";
}

/** OpenID Connect Discovery 1.0 §4, else RFC 8414 §3. What is answered has to be of this issuer (§4.3 and §3.3). */
async function discoverKeys(issuer: string, ask: typeof fetch): Promise<string> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  const places = [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
  const reasons: string[] = [];
  for (const place of places) {
    try {
      const found = Metadata.parse(await readJson(place, ask));
      if (found.issuer !== issuer) throw new Error(`it is of another issuer, ${found.issuer.slice(0, 200)}`);
      return sameScheme(issuer, found.jwks_uri);
    } catch (error) {
      reasons.push(`${place}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(reasons.join("; "));
}

/** Keys are not read in the clear where the issuer itself is not. */
function sameScheme(issuer: string, uri: string): string {
  const { protocol } = new URL(uri);
  if (protocol !== "https:" && protocol !== new URL(issuer).protocol) throw new Error("jwks_uri is not https");
  return uri;
}

/** At most 256 KiB, within 5 s, without following redirects. */
async function readJson(uri: string, ask: typeof fetch): Promise<unknown> {
  const headers = { accept: "application/json, application/jwk-set+json" };
  const response = await ask(uri, { headers, redirect: "error", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`HTTP ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.byteLength;
    if (size > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString("utf8"));
}

/**
 * Sealing: what the gateway hands to a client and takes back (session tokens, rewritten ids, cursors, request state) is
 * encrypted and authenticated with AES-256-GCM under a versioned key ring. All key derivation happens once per key and purpose.
 *
 * A token is `<key id>.<base64url(12 bytes nonce, ciphertext, 16 bytes tag)>`: visible ASCII, one shape for everything.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";

export type Key = {
  /** `[A-Za-z0-9_-]{1,16}`; stands in the clear in every token. */
  readonly id: string;
  /** 32 bytes. */
  readonly secret: Buffer;
};
/** The first key seals, every key opens. */
export type KeyRing = readonly [Key, ...Key[]];

export interface Sealer {
  /** `purpose` is a constant of the code, never input: a token opens under its own purpose only. */
  seal(purpose: string, payload: Uint8Array | string): string;
  /** The payload, or undefined when the token was not sealed here for this purpose, was changed, or its key is gone. */
  open(purpose: string, token: string): Buffer | undefined;
}

const KEY_ID = /^[A-Za-z0-9_-]{1,16}$/;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MAX_TOKEN_CHARS = 65_536;
const MAX_PURPOSES = 64;
const MIN_PASSPHRASE_CHARS = 32;

/**
 * Reads `id:base64(32 bytes),id:base64(32 bytes),…` or a passphrase of at least 32 characters, which becomes one key whose id is
 * derived from it. Throws RangeError that names the fault and the key id, never key material.
 */
export function parseKeyRing(text: string): KeyRing {
  const parts = text.split(",").map((part) => /^([A-Za-z0-9_-]{1,16}):([A-Za-z0-9+/_-]+={0,2})$/.exec(part.trim()));
  if (parts.some((part) => part === null)) return [passphraseKey(text)];
  const keys = parts.map((part): Key => {
    const [, id = "", encoded = ""] = part ?? [];
    const secret = Buffer.from(encoded, "base64");
    if (secret.length !== 32) throw new RangeError(`key ${id} has ${secret.length} bytes, it has to have 32 in base64`);
    return { id, secret };
  });
  const [first, ...rest] = keys;
  if (first === undefined) throw new RangeError("the key ring is empty");
  const twice = keys.find((key, index) => keys.findIndex((other) => other.id === key.id) !== index);
  if (twice !== undefined) throw new RangeError(`key id ${twice.id} is there twice`);
  return [first, ...rest];
}

function passphraseKey(text: string): Key {
  if (text.length < MIN_PASSPHRASE_CHARS)
    throw new RangeError(
      `a passphrase needs at least ${MIN_PASSPHRASE_CHARS} characters, this one has ${text.length}; or give a key ring id:base64(32 bytes),…`,
    );
  const derived = (info: string, bytes: number) => Buffer.from(hkdfSync("sha256", text, "mcp-stack", info, bytes));
  return { id: `p${derived("key id", 6).toString("base64url")}`, secret: derived("key", 32) };
}

/** Throws RangeError for a ring that cannot be used. */
export function createSealer(ring: KeyRing): Sealer {
  for (const { id, secret } of ring) {
    if (!KEY_ID.test(id)) throw new RangeError(`key id ${JSON.stringify(id)} is not [A-Za-z0-9_-]{1,16}`);
    if (secret.length !== 32) throw new RangeError(`key ${id} has ${secret.length} bytes, it has to have 32`);
  }
  const keys = new Map(ring.map((key) => [key.id, new PurposeKeys(key.secret)]));
  const sealing = new PurposeKeys(ring[0].secret);
  const prefix = `${ring[0].id}.`;

  return {
    seal(purpose, payload) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", sealing.of(purpose), nonce).setAAD(Buffer.from(prefix + purpose));
      const parts = [nonce, cipher.update(payload), cipher.final(), cipher.getAuthTag()];
      return prefix + Buffer.concat(parts).toString("base64url");
    },
    open(purpose, token) {
      const dot = token.indexOf(".");
      if (dot < 1 || token.length > MAX_TOKEN_CHARS) return undefined;
      const key = keys.get(token.slice(0, dot));
      return key && openWith(key.of(purpose), token.slice(0, dot + 1) + purpose, token.slice(dot + 1));
    },
  };
}

function openWith(key: Buffer, associated: string, text: string): Buffer | undefined {
  const sealed = Buffer.from(text, "base64url");
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  // Node's decoder skips what is no base64url and ignores loose bits: one payload must have one token only.
  if (sealed.toString("base64url") !== text) return undefined;
  const tagAt = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(associated))
    .setAuthTag(sealed.subarray(tagAt));
  const payload = decipher.update(sealed.subarray(NONCE_BYTES, tagAt));
  try {
    decipher.final();
    return payload;
  } catch {
    return undefined;
  }
}

/** The keys of one secret, derived at the first use of a purpose (HKDF-SHA256, RFC 5869). */
class PurposeKeys {
  readonly #secret: Buffer;
  readonly #byPurpose = new Map<string, Buffer>();

  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  of(purpose: string): Buffer {
    const known = this.#byPurpose.get(purpose);
    if (known !== undefined) return known;
    if (this.#byPurpose.size >= MAX_PURPOSES) throw new RangeError("too many purposes: a purpose must be a constant");
    const derived = Buffer.from(hkdfSync("sha256", this.#secret, "mcp-stack seal", purpose, 32));
    this.#byPurpose.set(purpose, derived);
    return derived;
  }
}

/**
 * A name of bounded length that stands for `text` in tokens and keys: the text itself up to 128 bytes, else its SHA-256. Two
 * different texts never share one; compare by it, never by a prefix.
 */
export function boundedName(text: string): string {
  if (Buffer.byteLength(text) <= 128 && !text.startsWith("sha256:")) return text;
  return `sha256:${createHash("sha256").update(text).digest("base64url")}`;
}

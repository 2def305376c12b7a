/**
 * The audit trail's chain: each row carries an HMAC-SHA-256 (RFC 2104) over itself and over the one before it, so that a row that was
 * changed, taken out or put in shows, to whoever holds the key.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

/** What of a row is hashed, all that it says. `at` is epoch milliseconds, whole. */
export type Link = {
  readonly writer: string;
  readonly sequence: number;
  readonly at: number;
  readonly correlationId: string;
  readonly principal: string;
  readonly principalKind: string;
  readonly tokenId: string | null;
  readonly remote: string;
  readonly method: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string | null;
  readonly status: number;
  readonly outcome: string;
  /** JSON text. */
  readonly change: string | null;
  readonly dropped: number;
};
export type Linked = Link & { readonly keyId: string; readonly previous: string; readonly hash: string };
/** The last row that was dropped of a chain. */
export type ChainEnd = Pick<Linked, "writer" | "sequence" | "hash">;
/** Signed apart from rows, so that what is left can be read on from there. */
export type Anchor = ChainEnd & Signature;

export type ChainKey = { readonly id: string; readonly secret: Buffer };
/** The first one signs, all verify. */
export type ChainKeys = readonly [ChainKey, ...ChainKey[]];

/** What the first row of a chain has before it. */
export const GENESIS = "0".repeat(64);

/** One text for one row: an array, because an object's fields have no order that counts. */
function contentOf(link: Link, keyId: string, previous: string): string {
  return JSON.stringify([
    1,
    link.writer,
    link.sequence,
    link.at,
    link.correlationId,
    link.principal,
    link.principalKind,
    link.tokenId,
    link.remote,
    link.method,
    link.action,
    link.resourceType,
    link.resourceId,
    link.status,
    link.outcome,
    link.change,
    link.dropped,
    keyId,
    previous,
  ]);
}

const macOf = (key: ChainKey, text: string) => createHmac("sha256", key.secret).update(text).digest("hex");

export function linkRow(keys: ChainKeys, link: Link, previous: string): Linked {
  const [key] = keys;
  return { ...link, keyId: key.id, previous, hash: macOf(key, contentOf(link, key.id, previous)) };
}

export type Signature = { readonly keyId: string; readonly mac: string };
type EndFields = { readonly rows: number; readonly digest: string };

/** The end of what was dropped of a chain, signed apart from rows. */
export function signAnchor(keys: ChainKeys, end: ChainEnd): Anchor {
  return { ...end, ...sign(keys, anchorText(end)) };
}

export function isAnchor(keys: ChainKeys, anchor: Anchor): boolean {
  return isSigned(keys, anchorText(anchor), anchor);
}

/** The last line of rows that were written out: how many, and the SHA-256 of the lines before it in hex. */
export function signEnd(keys: ChainKeys, end: EndFields) {
  return { ...end, ...sign(keys, endText(end)) };
}

export function isEnd(keys: ChainKeys, end: EndFields & Signature): boolean {
  return isSigned(keys, endText(end), end);
}

function sign([key]: ChainKeys, text: string): Signature {
  return { keyId: key.id, mac: macOf(key, text) };
}

function isSigned(keys: ChainKeys, text: string, { keyId, mac }: Signature): boolean {
  const key = keys.find(({ id }) => id === keyId);
  return key !== undefined && isSame(mac, macOf(key, text));
}

const anchorText = ({ writer, sequence, hash }: ChainEnd) => JSON.stringify(["anchor", writer, sequence, hash]);
const endText = ({ rows, digest }: EndFields) => JSON.stringify(["end", rows, digest]);

function isSame(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}

export type Broken = { readonly sequence: number; readonly reason: string };

/** Follows one chain, row by row in its order, from its beginning or from an anchor on. */
export class ChainReader {
  readonly #keys: ChainKeys;
  #sequence: number;
  #hash: string;

  constructor(keys: ChainKeys, start?: { readonly sequence: number; readonly hash: string }) {
    this.#keys = keys;
    this.#sequence = start?.sequence ?? 0;
    this.#hash = start?.hash ?? GENESIS;
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** Of the row at `sequence`. */
  get hash(): string {
    return this.#hash;
  }

  /** What is wrong with this row, or undefined. */
  read(row: Linked): Broken | undefined {
    const { sequence } = row;
    const expected = this.#sequence + 1;
    if (sequence !== expected) return { sequence: expected, reason: `row ${expected} is missing, ${sequence} follows` };
    if (!isSame(row.previous, this.#hash)) return { sequence, reason: "it does not follow the row before it" };
    const key = this.#keys.find(({ id }) => id === row.keyId);
    if (key === undefined) return { sequence, reason: `its key ${row.keyId.slice(0, 40)} is not known here` };
    if (!isSame(row.hash, macOf(key, contentOf(row, row.keyId, row.previous))))
      return { sequence, reason: "it is not what was written" };
    this.#sequence = sequence;
    this.#hash = row.hash;
    return undefined;
  }
}

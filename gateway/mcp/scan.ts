/**
 * One pass over an object that checks it as JSON and notes where the members stand that somebody looks for: what every message goes
 * through costs one look at each byte. Accepts what skipValue accepts.
 */
import { BACKSLASH, CLOSE_BRACE, COLON, COMMA, OPEN_BRACE, QUOTE } from "./bytes.ts";
import { JsonError, MAX_DEPTH, type Span, skipSpace, skipString, skipValue, stringAt } from "./json.ts";

/** Keys that are looked for; a key's place in the list is its place in what is found. ASCII only. */
export class Keys {
  readonly list: readonly string[];
  /** Places of the keys by their length. */
  readonly #byLength: (readonly number[] | undefined)[] = [];

  constructor(list: readonly string[]) {
    this.list = list;
    for (const [place, key] of list.entries()) {
      this.#byLength[key.length] = [...(this.#byLength[key.length] ?? []), place];
    }
  }

  /** The place of the key whose string literal is [start, end), or -1. */
  placeOf(bytes: Buffer, start: number, end: number, isEscaped: boolean): number {
    if (isEscaped) return this.list.indexOf(stringAt(bytes, { start, end }) as string);
    const places = this.#byLength[end - start - 2];
    if (places === undefined) return -1;
    for (const place of places) {
      const key = this.list[place] as string;
      let at = 0;
      while (at < key.length && bytes[start + 1 + at] === key.charCodeAt(at)) at++;
      if (at === key.length) return place;
    }
    return -1;
  }
}

/** Where the keys of one object were found; used again and again, so that a scan builds nothing. */
export class Found {
  /** Start and end of the value of each key, in turn; a start of -1 is none. */
  readonly #spans: Int32Array;
  /** The first key that stands twice, or -1: the first of both values is the one noted. */
  twice = -1;
  /** Members of the object, whatever their keys. */
  members = 0;

  constructor(keys: Keys) {
    this.#spans = new Int32Array(keys.list.length * 2).fill(-1);
  }

  clear(): void {
    this.#spans.fill(-1);
    this.twice = -1;
    this.members = 0;
  }

  note(place: number, start: number, end: number): void {
    if (this.#spans[place * 2] !== -1) {
      if (this.twice < 0) this.twice = place;
      return;
    }
    this.#spans[place * 2] = start;
    this.#spans[place * 2 + 1] = end;
  }

  has(place: number): boolean {
    return this.#spans[place * 2] !== -1;
  }

  start(place: number): number {
    return this.#spans[place * 2] as number;
  }

  end(place: number): number {
    return this.#spans[place * 2 + 1] as number;
  }

  span(place: number): Span | undefined {
    const start = this.#spans[place * 2] as number;
    return start === -1 ? undefined : { start, end: this.#spans[place * 2 + 1] as number };
  }
}

/** A member that is an object and looked into in the same pass. */
export type Inner = { readonly place: number; readonly keys: Keys; readonly found: Found };

/**
 * Scans the object that begins at `at`, inside `depth` containers, and answers where it ends. Throws JsonError for what is no JSON; then
 * what is noted means nothing. Of an inner member that stands twice the first one is looked into.
 */
export function scanObject(bytes: Buffer, at: number, depth: number, keys: Keys, found: Found, inner?: Inner): number {
  let pos = skipSpace(bytes, at + 1);
  if (bytes[pos] === CLOSE_BRACE) return pos + 1;
  if (depth >= MAX_DEPTH) throw new JsonError(`nesting deeper than ${MAX_DEPTH}`, pos);
  for (;;) {
    if (bytes[pos] !== QUOTE) throw new JsonError("key expected", pos);
    let keyEnd = pos + 1;
    while (isPlain(bytes[keyEnd])) keyEnd++;
    const isEscaped = bytes[keyEnd] !== QUOTE;
    keyEnd = isEscaped ? skipString(bytes, pos) : keyEnd + 1;
    const place = keys.placeOf(bytes, pos, keyEnd, isEscaped);
    const colon = skipSpace(bytes, keyEnd);
    if (bytes[colon] !== COLON) throw new JsonError("':' expected", colon);
    const start = skipSpace(bytes, colon + 1);
    const isInner = place >= 0 && place === inner?.place && bytes[start] === OPEN_BRACE && !found.has(place);
    const end = isInner
      ? scanObject(bytes, start, depth + 1, inner.keys, inner.found)
      : skipValue(bytes, start, depth + 1);
    found.members++;
    if (place >= 0) found.note(place, start, end);
    pos = skipSpace(bytes, end);
    if (bytes[pos] === CLOSE_BRACE) return pos + 1;
    if (bytes[pos] !== COMMA) throw new JsonError("',' or '}' expected", pos);
    pos = skipSpace(bytes, pos + 1);
  }
}

/** A byte of a string that stands for itself; not so the end of the bytes. */
function isPlain(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH;
}

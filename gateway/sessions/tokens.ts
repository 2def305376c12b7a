/**
 * Legacy session tokens: the Mcp-Session-Id is the session itself, sealed, so that any worker of any replica serves it without a
 * store. What is learnt after `initialize` cannot be in it.
 *
 * Payload of v1: issue time (6 bytes), then id, endpoint, protocol version, principal, capabilities and clientInfo, each
 * with its length in 2 bytes. Raw JSON stays byte for byte as the client sent it unless the token would be too large.
 */
import { randomBytes } from "node:crypto";
import { Lru } from "./lru.ts";
import { boundedName, type Sealer } from "./seal.ts";

export type Session = {
  /** Unguessable and stable; the key of everything that is stored about the session. */
  readonly id: string;
  /** boundedName() of the endpoint it was opened at. */
  readonly endpoint: string;
  readonly protocolVersion: string;
  /** boundedName() of the principal's id. */
  readonly principalId: string;
  /** Raw JSON object the client declared; reduced to what MCP defines where it was too large. */
  readonly capabilities: Buffer;
  /** Raw JSON object; name, title and version where it was too large. */
  readonly clientInfo: Buffer;
  /** Epoch milliseconds. */
  readonly issuedAt: number;
};

/** Endpoint and principal as they are, of any length. */
export type NewSession = Omit<Session, "capabilities" | "clientInfo"> & {
  readonly capabilities: Uint8Array;
  readonly clientInfo: Uint8Array;
};

export interface SessionTokens {
  /** A token of visible ASCII (0x21–0x7E), at most 1024 bytes. Throws RangeError when id or protocolVersion exceed 64 bytes. */
  mint(session: NewSession): string;
  /**
   * Undefined when the token is not one of ours or older than ttlMs. Whether it belongs to the endpoint and the principal of the request is for the
   * caller to compare (belongsTo). Synchronous; no cryptography for a token seen lately.
   */
  open(token: string, at: { readonly now: number; readonly ttlMs: number }): Session | undefined;
}

export const MAX_TOKEN_BYTES = 1024;
const VERSION = "v1.";
const PURPOSE = "session v1";
/** What fits: base64url of nonce, payload and tag behind the version and a key id of 16 characters. */
const MAX_PAYLOAD_BYTES = Math.floor(((MAX_TOKEN_BYTES - VERSION.length - 17) * 3) / 4) - 28;
/** A clock of another replica may run ahead by this much. */
const CLOCK_SKEW_MS = 60_000;

/** 128 random bits as 22 characters. */
export function newSessionId(): string {
  return randomBytes(16).toString("base64url");
}

export function belongsTo(session: Session, endpoint: string, principalId: string): boolean {
  return isNamed(session.endpoint, endpoint) && isNamed(session.principalId, principalId);
}

/** A name as it is bounded as; one that could be a digest is compared as such. */
function isNamed(bounded: string, name: string): boolean {
  return (bounded === name && !name.startsWith("sha256:")) || bounded === boundedName(name);
}

/** `maxCached` opened tokens are remembered, default 10 000 (about 1 KiB each). */
export function createSessionTokens(sealer: Sealer, options: { readonly maxCached?: number } = {}): SessionTokens {
  const cache = new Lru<string, Session>(options.maxCached ?? 10_000);
  return {
    mint(session) {
      return VERSION + sealer.seal(PURPOSE, encode(session));
    },
    open(token, { now, ttlMs }) {
      const known = cache.get(token);
      const session = known ?? openToken(sealer, token);
      if (session === undefined) return undefined;
      if (now >= session.issuedAt + ttlMs || session.issuedAt > now + CLOCK_SKEW_MS) {
        cache.delete(token);
        return undefined;
      }
      if (known === undefined) cache.set(token, session);
      return session;
    },
  };
}

function openToken(sealer: Sealer, token: string): Session | undefined {
  if (token.length > MAX_TOKEN_BYTES || !token.startsWith(VERSION)) return undefined;
  const payload = sealer.open(PURPOSE, token.slice(VERSION.length));
  return payload && decode(payload);
}

function encode(session: NewSession): Buffer {
  for (const name of ["id", "protocolVersion"] as const) {
    if (Buffer.byteLength(session[name]) > 64) throw new RangeError(`${name} of a session has more than 64 bytes`);
  }
  if (!Number.isInteger(session.issuedAt) || session.issuedAt < 0 || session.issuedAt >= 2 ** 48)
    throw new RangeError(`issuedAt of a session is ${session.issuedAt}`);
  const fixed = [session.id, boundedName(session.endpoint), session.protocolVersion, boundedName(session.principalId)];
  const room = MAX_PAYLOAD_BYTES - 6 - fixed.reduce((sum, text) => sum + 2 + Buffer.byteLength(text), 0) - 4;
  const issued = Buffer.alloc(6);
  issued.writeUIntBE(session.issuedAt, 0, 6);
  return Buffer.concat([issued, ...[...fixed, ...shrink(session, room)].flatMap(field)]);
}

function field(value: string | Uint8Array): [Buffer, Uint8Array] {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return [length, bytes];
}

function decode(payload: Buffer): Session {
  let at = 6;
  const next = () => {
    const start = at + 2;
    at = start + payload.readUInt16BE(at);
    return payload.subarray(start, at);
  };
  return {
    issuedAt: payload.readUIntBE(0, 6),
    id: next().toString(),
    endpoint: next().toString(),
    protocolVersion: next().toString(),
    principalId: next().toString(),
    capabilities: next(),
    clientInfo: next(),
  };
}

/** Capabilities and clientInfo within `room` bytes: as sent, or the info cut, or the capabilities reduced as well. */
function shrink(session: NewSession, room: number): [Uint8Array, Uint8Array] {
  const { capabilities, clientInfo } = session;
  if (capabilities.length + clientInfo.length <= room) return [capabilities, clientInfo];
  const info = cutInfo(clientInfo, 60);
  if (capabilities.length + info.length <= room) return [capabilities, info];
  const reduced = reduceCapabilities(capabilities);
  if (reduced.length + info.length <= room) return [reduced, info];
  return [reduced, cutInfo(clientInfo, 8)];
}

function cutInfo(raw: Uint8Array, chars: number): Buffer {
  const info = objectOf(parse(raw));
  const kept: Record<string, string> = {};
  for (const key of ["name", "title", "version"]) {
    const value = info[key];
    if (typeof value === "string") kept[key] = toAscii(value.slice(0, chars));
  }
  return Buffer.from(JSON.stringify({ name: "", version: "", ...kept }));
}

/** Cutting may split a surrogate pair, and escapes of control characters would swell the JSON: both become a question mark. */
function toAscii(text: string): string {
  return text.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "?");
}

type Shape = { readonly [key: string]: Shape | "flag" };
/** Client capabilities of MCP 2024-11-05 to 2026-07-28. `experimental` and `extensions` are open and therefore not here. */
const CAPABILITIES: Shape = {
  roots: { listChanged: "flag" },
  sampling: { context: {}, tools: {} },
  elicitation: { form: { applyDefaults: "flag" }, url: {} },
  tasks: {
    list: {},
    cancel: {},
    requests: { sampling: { createMessage: {} }, elicitation: { create: {} } },
  },
};

/** At most 250 bytes, whatever was sent. */
function reduceCapabilities(raw: Uint8Array): Buffer {
  return Buffer.from(JSON.stringify(reduce(parse(raw), CAPABILITIES)));
}

function reduce(value: unknown, shape: Shape): Record<string, unknown> {
  const source = objectOf(value);
  const kept: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(shape)) {
    const found = source[key];
    if (inner === "flag") {
      if (typeof found === "boolean") kept[key] = found;
    } else if (typeof found === "object" && found !== null) kept[key] = reduce(found, inner);
  }
  return kept;
}

function parse(raw: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString());
  } catch {
    return {};
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

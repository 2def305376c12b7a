/** One open session at an upstream, the headers that name it, and how an upstream says that it has forgotten it. */

import { valueAt } from "../mcp/index.ts";
import type { Prepared } from "./address.ts";
import type { Refusal } from "./call.ts";
import type { StoredSession } from "./holdings.ts";
import { repeated } from "./lean/request-head.ts";
import type { UpstreamTarget } from "./types.ts";

/** An open upstream session, ready to be sent with. */
export type Line = {
  readonly prepared: Prepared;
  readonly session: StoredSession;
  /** Headers of POST and of GET or DELETE, names and values in turn. */
  readonly post: readonly string[];
  readonly plain: readonly string[];
  /** Headers of GET for an event stream. */
  readonly stream: readonly string[];
  readonly target: UpstreamTarget;
  /** Under which it is known in this process, see lineKey. */
  readonly key: string;
  /** When the time to live was last renewed. */
  renewedAt: number;
  /** When it was last looked for. */
  usedAt: number;
  /** Requests and streams within it, of this process. */
  busy: number;
  /** The same session with the credentials it had before, while requests that were begun with them are within it. */
  former: Line | undefined;
};

export function lineKey(holderKey: string, targetId: string): string {
  return `${holderKey}\n${targetId}`;
}

export const ACCEPT_STREAM: readonly string[] = ["accept", "text/event-stream"];

export function sessionHeaders(session: StoredSession): string[] {
  return ["mcp-protocol-version", session.version, "mcp-session-id", session.sessionId];
}

type SessionlessHeaders = { readonly post: readonly string[]; readonly stream: readonly string[] };
const sessionless = new WeakMap<Prepared, Map<string, SessionlessHeaders>>();

/** Headers towards an upstream without sessions: of POST, and of GET for an event stream. */
export function sessionlessHeaders(prepared: Prepared, version: string): SessionlessHeaders {
  const byVersion = sessionless.get(prepared) ?? new Map<string, SessionlessHeaders>();
  const known = byVersion.get(version);
  if (known !== undefined) return known;
  const headers = ["mcp-protocol-version", version];
  const made = {
    post: repeated([...prepared.post, ...headers]),
    stream: [...prepared.plain, ...headers, ...ACCEPT_STREAM],
  };
  sessionless.set(prepared, byVersion.set(version, made));
  return made;
}

export function lineOf(prepared: Prepared, session: StoredSession, key: string, now: number): Line {
  const { target } = prepared;
  const headers = sessionHeaders(session);
  const plain = [...prepared.plain, ...headers];
  const post = repeated([...prepared.post, ...headers]);
  const stream = [...plain, ...ACCEPT_STREAM];
  return {
    prepared,
    session,
    post,
    plain,
    stream,
    target,
    key,
    renewedAt: now,
    usedAt: now,
    busy: 0,
    former: undefined,
  };
}

/**
 * True when an error status says that the session is gone. 404 by MCP 2025-03-26 transports, session management; servers made
 * after the older SDK examples say 400 with an error that names the session and has no id.
 */
export function isSessionLost({ status, body, envelope }: Refusal): boolean {
  if (status === 404) {
    if (envelope?.error === undefined || envelope.id === undefined) return true;
    return errorCode(valueAt(body, envelope.error)) !== -32601;
  }
  if (status !== 400 || envelope?.error === undefined || envelope.id !== undefined) return false;
  const error: unknown = valueAt(body, envelope.error);
  return typeof error === "object" && error !== null && "message" in error && /session/i.test(String(error.message));
}

function errorCode(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}

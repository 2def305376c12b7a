/**
 * What a holder has at its upstreams, in the shared state: one small map per holder with session ids, the log level and the
 * subscriptions. Whatever worker or replica serves the next request finds it there.
 */
import type { SharedState } from "../coordination/index.ts";
import type { HeldState, Holder } from "./types.ts";

/** A session as it is stored. */
export type StoredSession = {
  readonly sessionId: string;
  readonly version: string;
  /** Of the target; a session of another revision is not used any more. */
  readonly revision: string;
  /** When a process last said that it uses it, milliseconds since 1970. */
  readonly usedAt?: number;
};

export type Holdings = {
  readonly sessions: ReadonlyMap<string, StoredSession>;
  readonly logLevel: string | undefined;
  readonly subscriptions: readonly { readonly upstreamId: string; readonly uri: string }[];
};

const SESSION = "up:";
const SUBSCRIPTION = "sub:";
const LOG_LEVEL = "log";

export function holdingsKey(holderKey: string): string {
  return `line:${holderKey}`;
}

export class HoldingsStore {
  readonly #state: SharedState;

  constructor(state: SharedState) {
    this.#state = state;
  }

  async read(holderKey: string): Promise<Holdings> {
    const fields = await this.#state.mapGet(holdingsKey(holderKey));
    const sessions = new Map<string, StoredSession>();
    const subscriptions: { upstreamId: string; uri: string }[] = [];
    for (const [field, value] of fields) {
      if (field.startsWith(SESSION)) {
        const session = parseSession(value);
        if (session !== undefined) sessions.set(field.slice(SESSION.length), session);
      } else if (field.startsWith(SUBSCRIPTION)) {
        const subscription = parseSubscription(field);
        if (subscription !== undefined) subscriptions.push(subscription);
      }
    }
    return { sessions, logLevel: fields.get(LOG_LEVEL), subscriptions };
  }

  /** Stores a session; with ifAbsent the answer is the one that stands afterwards, which may be another's. */
  async putSession(
    holder: Holder,
    upstreamId: string,
    session: StoredSession,
    options?: { ifAbsent: boolean },
  ): Promise<StoredSession> {
    const key = holdingsKey(holder.key);
    const text = JSON.stringify({ ...session, usedAt: Date.now() });
    const value = await this.#state.mapSet(key, SESSION + upstreamId, text, holder.ttlMs, options);
    return parseSession(value) ?? session;
  }

  dropSession(holderKey: string, upstreamId: string): Promise<void> {
    return this.#state.mapDelete(holdingsKey(holderKey), SESSION + upstreamId);
  }

  async putLogLevel(holder: Holder, level: string): Promise<void> {
    await this.#state.mapSet(holdingsKey(holder.key), LOG_LEVEL, level, holder.ttlMs);
  }

  async putSubscription(holder: Holder, upstreamId: string, uri: string): Promise<void> {
    await this.#state.mapSet(holdingsKey(holder.key), subscriptionField(upstreamId, uri), "1", holder.ttlMs);
  }

  dropSubscription(holderKey: string, upstreamId: string, uri: string): Promise<void> {
    return this.#state.mapDelete(holdingsKey(holderKey), subscriptionField(upstreamId, uri));
  }

  drop(holderKey: string): Promise<void> {
    return this.#state.delete(holdingsKey(holderKey));
  }
}

export function heldState(holdings: Holdings, open: Iterable<string>): HeldState {
  const upstreamIds = [...new Set([...holdings.sessions.keys(), ...open])].sort();
  const { logLevel, subscriptions } = holdings;
  return logLevel === undefined ? { upstreamIds, subscriptions } : { upstreamIds, logLevel, subscriptions };
}

/** Upstream ids have no colon-free guarantee, URIs certainly not: the id is encoded. */
function subscriptionField(upstreamId: string, uri: string): string {
  return `${SUBSCRIPTION}${encodeURIComponent(upstreamId)}:${uri}`;
}

function parseSubscription(field: string): { upstreamId: string; uri: string } | undefined {
  const colon = field.indexOf(":", SUBSCRIPTION.length);
  if (colon === -1) return undefined;
  return { upstreamId: decodeURIComponent(field.slice(SUBSCRIPTION.length, colon)), uri: field.slice(colon + 1) };
}

export function parseSession(text: string): StoredSession | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const { sessionId, version, revision, usedAt } = value as Partial<Record<keyof StoredSession, unknown>>;
    if (typeof sessionId !== "string" || typeof version !== "string" || typeof revision !== "string") return undefined;
    return { sessionId, version, revision, ...(typeof usedAt === "number" ? { usedAt } : {}) };
  } catch {
    return undefined;
  }
}

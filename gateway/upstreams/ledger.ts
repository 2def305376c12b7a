/**
 * Every session that this deployment has opened at an upstream, with the time until which its holder counts as there: what nobody uses any
 * longer can be ended, also when the process that opened it is gone. In the shared state, spread over a few maps.
 */
import { createHash } from "node:crypto";
import type { SharedState } from "../coordination/index.ts";
import { parseSession, type StoredSession } from "./holdings.ts";
import type { Holder } from "./types.ts";

export type LedgerEntry = {
  readonly targetId: string;
  readonly holderKey: string;
  readonly session: StoredSession;
  /** Milliseconds since 1970. */
  readonly until: number;
};

/** Each is read whole by whoever cleans up. */
export const LEDGER_PARTS = 64;
/** The maps outlast their entries, so that somebody finds them. */
const KEPT_MS = 86_400_000;

export class Ledger {
  readonly #state: SharedState;
  readonly #clock: () => number;

  /** `clock`: milliseconds since 1970. */
  constructor(state: SharedState, clock: () => number) {
    this.#state = state;
    this.#clock = clock;
  }

  /** Also when it is used on. */
  async enter(targetId: string, { key, ttlMs }: Pick<Holder, "key" | "ttlMs">, session: StoredSession): Promise<void> {
    const value = JSON.stringify({ ...session, until: this.#clock() + ttlMs });
    await this.#state.mapSet(keyOf(targetId, key), fieldOf(targetId, key), value, ttlMs + KEPT_MS);
  }

  async leave(targetId: string, holderKey: string): Promise<void> {
    await this.#state.mapDelete(keyOf(targetId, holderKey), fieldOf(targetId, holderKey));
  }

  /** Entries of one part (0 … LEDGER_PARTS - 1) whose time has run out. */
  async expired(part: number): Promise<LedgerEntry[]> {
    const now = this.#clock();
    const entries: LedgerEntry[] = [];
    for (const [field, value] of await this.#state.mapGet(partKey(part))) {
      const entry = entryOf(field, value);
      if (entry !== undefined && entry.until <= now) entries.push(entry);
    }
    return entries;
  }
}

function partKey(part: number): string {
  return `upstream:sessions:${part}`;
}

function keyOf(targetId: string, holderKey: string): string {
  const digest = createHash("sha256").update(fieldOf(targetId, holderKey)).digest();
  return partKey(digest.readUInt16BE(0) % LEDGER_PARTS);
}

function fieldOf(targetId: string, holderKey: string): string {
  return `${targetId}\n${holderKey}`;
}

function entryOf(field: string, value: string): LedgerEntry | undefined {
  const split = field.indexOf("\n");
  const session = parseSession(value);
  const { until } = JSON.parse(value) as { until?: unknown };
  if (split < 0 || session === undefined || typeof until !== "number") return undefined;
  return { targetId: field.slice(0, split), holderKey: field.slice(split + 1), session, until };
}

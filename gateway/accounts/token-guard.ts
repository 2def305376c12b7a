/**
 * What narrows the use of an API token beyond permissions: addresses, hours, how often. Checked with each request, without waiting: uses are
 * counted here and written together now and then, so that several workers may let through what comes in between.
 */
import { BlockList, isIP } from "node:net";
import { fault } from "../../contract/errors.ts";
import type { Principal } from "../../contract/principal.ts";
import type { AccountOperations, TokenLimits, TokenRecord, TokenUsage } from "../store/index.ts";
import type { Log } from "../telemetry/index.ts";
import { isWithin } from "./hours.ts";

const FLUSH_MS = 5000;
const MAX_GUARDS = 20_000;
const HOUR_MS = 3_600_000;

export type TokenGuardOptions = {
  readonly store: Pick<AccountOperations, "countUse" | "usageOf">;
  readonly now: () => number;
  readonly log: Log;
  /** A token whose guard had to make room; who remembers it has to ask again. */
  readonly dropped: (tokenId: string) => void;
};

export interface TokenGuards {
  /** From a verifier: the token was found good. */
  watch(record: TokenRecord): Promise<void>;
  /** One request. Throws MCPS_FORBIDDEN or MCPS_TOKEN_LIMIT. Nothing to do for principals of other kinds. */
  admit(principal: Principal, address: string): void;
  /** Writes what was counted. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

type Guard = {
  readonly record: TokenRecord;
  readonly addresses: BlockList | undefined;
  /** As the database knew it last, all workers together. */
  usage: TokenUsage;
  /** Of this worker, not written yet. */
  pending: number;
  /** Hour that `usage.hour` is of. */
  hour: number;
};

export function createTokenGuards({ store, now, log, dropped }: TokenGuardOptions): TokenGuards {
  const guards = new Map<string, Guard>();
  /** Counted under guards that made room meanwhile. */
  const left = new Map<string, number>();
  let flushing = Promise.resolve();

  async function write(): Promise<void> {
    const counts = new Map(left);
    left.clear();
    for (const [id, guard] of guards) {
      if (guard.pending > 0) counts.set(id, (counts.get(id) ?? 0) + guard.pending);
    }
    if (counts.size === 0) return;
    try {
      const usages = await store.countUse(counts);
      for (const [id, count] of counts) {
        const guard = guards.get(id);
        if (guard === undefined) continue;
        guard.pending = Math.max(0, guard.pending - count);
        guard.usage = usages.get(id) ?? guard.usage;
        guard.hour = hourOf(now());
      }
    } catch (error) {
      log.warn("the use of API tokens could not be written, it is kept", { reason: String(error) });
      for (const [id, count] of counts) if (!guards.has(id)) left.set(id, count);
    }
  }

  function flush(): Promise<void> {
    flushing = flushing.then(write);
    return flushing;
  }
  const timer = setInterval(() => void flush(), FLUSH_MS).unref();

  function makeRoom(): void {
    const [oldest] = guards.size > MAX_GUARDS ? guards : [];
    if (oldest === undefined) return;
    const [id, { pending }] = oldest;
    guards.delete(id);
    if (pending > 0) left.set(id, pending);
    dropped(id);
  }

  return {
    async watch(record) {
      const former = guards.get(record.id);
      const isCounted = record.limits !== null && former === undefined;
      const usage = former?.usage ?? (isCounted ? await store.usageOf(record.id) : NO_USE);
      const pending = guards.get(record.id)?.pending ?? 0;
      guards.delete(record.id);
      guards.set(record.id, { record, addresses: listOf(record.addresses), usage, pending, hour: hourOf(now()) });
      makeRoom();
    },
    admit({ kind, tokenId, id }, address) {
      if (kind !== "api-token" || tokenId === undefined) return;
      const guard = guards.get(tokenId);
      // What is remembered of the token is older than its guard: the next request finds it again.
      if (guard === undefined) {
        dropped(tokenId);
        throw fault("MCPS_UNAUTHENTICATED", { reason: "the token has to be checked again, repeat the request" });
      }
      const at = now();
      if (guard.addresses !== undefined && !isListed(guard.addresses, address))
        throw fault("MCPS_FORBIDDEN", { principal: id, action: "use this token from this address" });
      if (guard.record.hours !== null && !isWithin(guard.record.hours, at))
        throw fault("MCPS_FORBIDDEN", { principal: id, action: "use this token at this time" });
      if (guard.record.limits !== null) checkLimits(guard, guard.record.limits, at);
      guard.pending++;
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}

const NO_USE: TokenUsage = { hour: 0, day: 0, total: 0 };
const hourOf = (at: number) => Math.floor(at / HOUR_MS);

function checkLimits(guard: Guard, { perHour, perDay, total }: TokenLimits, at: number): void {
  const { usage, pending, hour } = guard;
  const thisHour = (hour === hourOf(at) ? usage.hour : 0) + pending;
  const restOfHour = Math.ceil((HOUR_MS - (at % HOUR_MS)) / 1000);
  if (perHour !== undefined && thisHour >= perHour) throw refuse(`${perHour} in an hour`, restOfHour);
  if (perDay !== undefined && usage.day + pending >= perDay) throw refuse(`${perDay} in 24 hours`, restOfHour);
  if (total !== undefined && usage.total + pending >= total) throw refuse(`${total} in all`, undefined);
}

function refuse(limit: string, seconds: number | undefined) {
  const headers = seconds === undefined ? {} : { "retry-after": String(seconds) };
  return fault("MCPS_TOKEN_LIMIT", { limit }, undefined, headers);
}

/** Addresses and networks (`10.0.0.0/8`, `2001:db8::/32`) that were checked when they came in; undefined for none. */
function listOf(addresses: readonly string[]): BlockList | undefined {
  if (addresses.length === 0) return undefined;
  const list = new BlockList();
  for (const text of addresses) {
    const [address = "", prefix] = text.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

/** A whole address, as request heads have it. Who has none, on a Unix socket, stands in no list. */
function isListed(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
}

/** Ends the sessions of holders that are gone, many at a time. */
import type { HoldingsStore } from "./holdings.ts";
import { LEDGER_PARTS, type Ledger, type LedgerEntry } from "./ledger.ts";
import type { Lines } from "./lines.ts";
import type { UpstreamTarget } from "./types.ts";

export type CleanUpParts = { readonly ledger: Ledger; readonly holdings: HoldingsStore; readonly lines: Lines };

export type CleanUpOptions = {
  /** Sessions that are ended at one time. */
  readonly concurrency: number;
  /** The definition in force of an upstream. */
  readonly target: (id: string) => UpstreamTarget | undefined;
  readonly signal?: AbortSignal;
};

/** Answers how many were ended. Rejects with MCPS_STATE. */
export async function endExpired(parts: CleanUpParts, options: CleanUpOptions): Promise<number> {
  let ended = 0;
  for (let part = 0; part < LEDGER_PARTS; part++) {
    if (options.signal?.aborted === true) break;
    const entries = (await parts.ledger.expired(part)).values();
    const work = async (): Promise<void> => {
      for (const entry of entries) {
        if (options.signal?.aborted === true) return;
        if (await endOne(parts, entry, options.target(entry.targetId))) ended++;
      }
    };
    // All take from one iterator: a slow upstream holds up one of them.
    await Promise.all(Array.from({ length: options.concurrency }, work));
  }
  return ended;
}

/** False when it is in use again, or its upstream is not the same any more. */
async function endOne(
  { ledger, holdings, lines }: CleanUpParts,
  { targetId, holderKey, session }: LedgerEntry,
  target: UpstreamTarget | undefined,
): Promise<boolean> {
  const held = (await holdings.read(holderKey)).sessions.get(targetId);
  // Its time goes by the use of it, which is renewed before the ledger is.
  if (held?.sessionId === session.sessionId) return false;
  await ledger.leave(targetId, holderKey);
  if (target?.revision !== session.revision) return false;
  lines.drop(holderKey, targetId);
  await lines.end(target, session);
  return true;
}

/** What an open session costs in memory. */
import { type Client, closeSessions, openSessions } from "./client.ts";
import type { Clock } from "./generator.ts";
import { sumOfBytes, type Watch } from "./watch.ts";

/** The memory of fewer sessions disappears in that of everything else. */
export const WEIGHABLE_SESSIONS = 100;
/** Between the load and a look at memory. */
const QUIET_MS = 1000;

/**
 * Bytes of one open legacy session: `count` sessions are opened on the warm gateway, and the growth of its workers is divided.
 * Undefined where they are too few; 0 where nothing grew.
 */
export async function weighSessions(
  client: Client,
  count: number,
  { watch, clock, signal }: { readonly watch: Watch; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<number | undefined> {
  if (count < WEIGHABLE_SESSIONS || watch.failure !== undefined) return undefined;
  await quiet(clock);
  const before = await watch.read();
  const opened = await openSessions(client, count, signal);
  await quiet(clock);
  const after = await watch.read();
  await closeSessions(client, opened);
  if (before === undefined || after === undefined || opened.length < count) return undefined;
  return Math.max(0, Math.round((sumOfBytes(after) - sumOfBytes(before)) / count));
}

function quiet(clock: Clock): Promise<void> {
  return new Promise((resolve) => void clock.after(QUIET_MS, resolve));
}

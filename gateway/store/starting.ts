/** A database that is started together with the gateway refuses for a while; it is waited for, a bounded time. */
import { setTimeout as pause } from "node:timers/promises";
import { Fault, fault } from "../../contract/errors.ts";
import type { Log } from "../telemetry/index.ts";
import { databaseFault, isPassing } from "./failures.ts";
import { driverUrl } from "./pool-options.ts";

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2000;

/** Host and port of a database URL, or the directory of its socket; never its credentials. */
export function placeOf(url: string): string {
  if (!URL.canParse(driverUrl(url))) return "the database";
  const { host, searchParams } = new URL(driverUrl(url));
  return host === "" ? (searchParams.get("host") ?? "the database") : host;
}

/**
 * Runs `work` until it does not fail for want of a database that answers, at most for `timeoutMs` (0: one try), with growing
 * pauses. Throws MCPS_DATABASE with the place and the last reason.
 */
export async function untilAnswering<T>(url: string, timeoutMs: number, log: Log, work: () => Promise<T>): Promise<T> {
  const place = placeOf(url);
  const began = performance.now();
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const failure = databaseFault(error);
      const waited = performance.now() - began;
      if (!isPassing(error) || waited >= timeoutMs) {
        if (error instanceof Fault) throw error;
        const after = tries === 0 ? "" : `, ${tries + 1} tries in ${Math.round(waited / 1000)} s`;
        throw fault("MCPS_DATABASE", { reason: `${reasonIn(failure)} at ${place}${after}` });
      }
      if (tries === 0) log.info("database.waiting", { place, reason: reasonIn(failure) });
      const wanted = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(tries, 10)) * (0.5 + Math.random() / 2);
      await pause(Math.min(wanted, timeoutMs - waited));
    }
  }
}

function reasonIn(failure: Fault): string {
  return failure.message.replace(/^[^:]*: /, "");
}

/** A shared state that tells somebody of each operation that failed, and one that may still be starting. */
import { setTimeout as pause } from "node:timers/promises";
import type { Log } from "../telemetry/index.ts";
import type { SharedState } from "./types.ts";

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2000;

/** The same state; `failed` is called for each rejection before it goes on to the caller, but not once close() was called. */
export function observedState(state: SharedState, failed: (kind: SharedState["kind"]) => void): SharedState {
  let closed = false;
  async function seen<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (error) {
      if (!closed) failed(state.kind);
      throw error;
    }
  }
  return {
    kind: state.kind,
    get: (key) => seen(state.get(key)),
    set: (key, value, ttlMs, options) => seen(state.set(key, value, ttlMs, options)),
    delete: (key) => seen(state.delete(key)),
    mapGet: (key) => seen(state.mapGet(key)),
    mapSet: (key, field, value, ttlMs, options) => seen(state.mapSet(key, field, value, ttlMs, options)),
    mapDelete: (key, field) => seen(state.mapDelete(key, field)),
    append: (log, entry, bounds) => seen(state.append(log, entry, bounds)),
    readAfter: (log, after) => seen(state.readAfter(log, after)),
    renewLog: (log, ttlMs) => seen(state.renewLog(log, ttlMs)),
    acquire: (lease, holder, ttlMs) => seen(state.acquire(lease, holder, ttlMs)),
    release: (lease, holder) => seen(state.release(lease, holder)),
    putFenced: (key, value, ttlMs, fence) => seen(state.putFenced(key, value, ttlMs, fence)),
    publish: (channel, message) => seen(state.publish(channel, message)),
    subscribe: (channel, listener) => seen(state.subscribe(channel, listener)),
    take: (key, want, bucket) => seen(state.take(key, want, bucket)),
    ping: () => seen(state.ping()),
    close() {
      closed = true;
      return state.close();
    },
  };
}

/** Resolves when the state answers; rejects with the last MCPS_STATE after `timeoutMs` (0: one try) or `maxRetries` further tries. */
export async function stateAnswers(
  state: SharedState,
  timeoutMs: number,
  log: Log,
  maxRetries = Number.POSITIVE_INFINITY,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (let tries = 0; ; tries++) {
    try {
      return await state.ping();
    } catch (error) {
      const left = end - performance.now();
      if (left <= 0 || tries >= maxRetries) throw error;
      if (tries === 0) log.info("state.waiting", { kind: state.kind, reason: String(error) });
      const wanted = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(tries, 10)) * (0.5 + Math.random() / 2);
      await pause(Math.min(wanted, left));
    }
  }
}

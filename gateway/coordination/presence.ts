/**
 * Which workers live: every worker renews a lease under its own name; a worker whose lease is gone counts as dead. A stalled worker
 * can be taken for dead while it lives, so whoever acts on it must make its act safe by a claim.
 */
import type { Log } from "../telemetry/index.ts";
import type { SharedState } from "./types.ts";

export interface WorkerPresence {
  readonly workerId: string;
  /** Takes the lease and keeps renewing it. Resolves also when the store is down: the renewals go on trying. Idempotent. */
  start(): Promise<void>;
  /** True for this worker itself. Rejects with MCPS_STATE when the store does not answer: then nobody knows. */
  isAlive(workerId: string): Promise<boolean>;
  /** Gives the lease up, so that others need not wait for its end. */
  close(): Promise<void>;
}

export type PresenceOptions = {
  /** Default 15 000; a dead worker is known as dead after at most this. */
  readonly ttlMs?: number;
  /** Default a fifth of ttlMs: less than the pause after which others look again at a lease that they missed. */
  readonly renewMs?: number;
  readonly log?: Log;
};

export function workerPresence(state: SharedState, workerId: string, options: PresenceOptions = {}): WorkerPresence {
  const ttlMs = options.ttlMs ?? 15_000;
  const key = (id: string) => `worker:${id}`;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  async function renew(): Promise<void> {
    try {
      await state.set(key(workerId), "1", ttlMs);
      // A renewal that overtook close() must not bring the dead back.
      if (closed) await state.delete(key(workerId));
    } catch (error) {
      if (!closed)
        options.log?.warn("state.lease_not_renewed", {
          workerId,
          reason: error instanceof Error ? error.message : "?",
        });
    }
  }

  return {
    workerId,
    async start() {
      if (timer !== undefined || closed) return;
      timer = setInterval(() => void renew(), options.renewMs ?? Math.ceil(ttlMs / 5));
      timer.unref();
      await renew();
    },
    async isAlive(id) {
      return id === workerId ? !closed : (await state.get(key(id))) !== undefined;
    },
    async close() {
      if (closed) return;
      closed = true;
      clearInterval(timer);
      await state.delete(key(workerId)).catch(() => undefined);
    },
  };
}

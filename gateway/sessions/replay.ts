/**
 * Resumable SSE streams of the legacy era: every event of a stream is kept for a while in the shared state, so that a client that
 * lost its connection gets the rest of that stream, and only of that stream, from any worker (MCP 2025-11-25, transports,
 * "Resumability and Redelivery").
 *
 * The owner of a stream numbers its events itself, so the live stream never waits for the store: writes go after it one by one, are repeated
 * until they succeed, and repeat harmlessly because a log ignores a sequence it has. A stream nothing was sent on costs nothing.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { LogSlice } from "../coordination/index.ts";
import { type FollowListener, followStream } from "./replay-follow.ts";
import {
  eventId,
  parseEventId,
  type ReplayOptions,
  type ReplaySettings,
  readMeta,
  type StreamKeys,
  type StreamMeta,
  streamKeys,
  workerOf,
} from "./replay-records.ts";
import { StreamWriter } from "./replay-writer.ts";

export type ReplayEvent = { readonly id: string; readonly message: string };

/** The owner's side. */
export interface ReplayStream {
  readonly streamId: string;
  /** Makes the stream known before its first event and answers the id that stands before all events (for a priming event). */
  announce(): string;
  /** Numbers an event and answers its id at once; it is stored behind the caller's back, in order. */
  append(message: string): string;
  /** No more events. Resolves when all is stored, or given up. Idempotent. */
  finish(): Promise<void>;
}

/** What is left of a stream for one client that came back. */
export interface ResumedStream {
  readonly streamId: string;
  /** The events after Last-Event-ID, in order. */
  readonly entries: readonly ReplayEvent[];
  /** True when events after Last-Event-ID are gone (more than the cap, or lost with the store). */
  readonly trimmed: boolean;
  /** True when the stream has ended; then entries is all there is. */
  readonly finished: boolean;
  readonly ownerWorker: string;
  /** Raw JSON of the id of the request that the stream answers; undefined for a GET stream. */
  readonly requestId: string | undefined;
  /** Goes on after `entries` (or after the event followed last) with what comes; one follower at a time. The answer stops it. */
  follow(listener: FollowListener): () => void;
  /**
   * Takes the stream over from an owner that is dead. Exactly one of all who try gets it, the others undefined: they follow on
   * and receive what the winner appends. Undefined too when it is finished.
   */
  claim(): Promise<ClaimedStream | undefined>;
}

/** Its writes are repeated for giveUpMs while the store is away, then they reject with MCPS_STATE. */
export interface ClaimedStream {
  append(message: string): Promise<ReplayEvent>;
  finish(): Promise<void>;
}

export type OpenStream = {
  readonly sessionId: string;
  /** Raw JSON of the request's id; absent for a GET stream. */
  readonly requestId?: string;
};

export interface Replays {
  open(stream: OpenStream): ReplayStream;
  /** Undefined when the id names no stream of this session, or one that is forgotten. Rejects with MCPS_STATE. */
  resume(sessionId: string, lastEventId: string): Promise<ResumedStream | undefined>;
  /** Stops keeping open streams alive. */
  close(): void;
}

const randomName = (bytes: number) => randomBytes(bytes).toString("hex");

/** Throws RangeError for a cap below 1. */
export function createReplays(options: ReplayOptions): Replays {
  const settings: ReplaySettings = {
    cap: 1000,
    ttlMs: 300_000,
    recheckMs: 5000,
    retryMs: 200,
    giveUpMs: 10_000,
    ...options,
  };
  if (!Number.isInteger(settings.cap) || settings.cap < 1) throw new RangeError(`cap is ${settings.cap}, least is 1`);
  const open = new Set<StreamWriter>();
  const renewal = setInterval(
    () => {
      for (const writer of open) writer.renew();
    },
    Math.ceil(settings.ttlMs / 3),
  );
  renewal.unref();

  return {
    open({ sessionId, requestId }) {
      const streamId = randomName(9);
      const opened = `${settings.workerId}:${randomName(6)} ${requestId ?? ""}`;
      const writer = new StreamWriter(settings, streamId, streamKeys(sessionId, streamId), opened);
      open.add(writer);
      void writer.done.then(() => open.delete(writer));
      return writer;
    },
    async resume(sessionId, lastEventId) {
      const event = parseEventId(lastEventId);
      if (event === undefined) return undefined;
      const keys = streamKeys(sessionId, event.streamId);
      // The end is written after the last event: who sees the end first sees all events.
      const meta = readMeta(await settings.state.mapGet(keys.meta));
      if (meta === undefined) return undefined;
      const slice = await settings.state.readAfter(keys.log, event.sequence);
      return resumed(settings, keys, event, meta, slice);
    },
    close() {
      clearInterval(renewal);
    },
  };
}

function resumed(
  settings: ReplaySettings,
  keys: StreamKeys,
  { streamId, sequence }: { streamId: string; sequence: number },
  meta: StreamMeta,
  slice: LogSlice,
): ResumedStream {
  const position = { last: slice.entries.at(-1)?.sequence ?? sequence };
  return {
    streamId,
    entries: slice.entries.map((entry) => ({ id: eventId(streamId, entry.sequence), message: entry.entry })),
    trimmed: isTrimmed(slice, sequence),
    finished: meta.finished,
    ownerWorker: workerOf(meta.owner),
    requestId: meta.requestId,
    follow: (listener) => followStream(settings, { keys, streamId, position, owner: meta.owner }, listener),
    claim: () => claimStream(settings, keys, streamId),
  };
}

function isTrimmed({ oldest, entries }: LogSlice, after: number): boolean {
  if (entries.length === 0) return oldest === 0 && after > 0;
  return entries.some((entry, index) => entry.sequence !== after + 1 + index);
}

/** The winner lets the store number its events: an owner that was not dead after all may still be writing. */
async function claimStream(
  settings: ReplaySettings,
  keys: StreamKeys,
  streamId: string,
): Promise<ClaimedStream | undefined> {
  const { state, workerId, cap, ttlMs } = settings;
  const meta = readMeta(await state.mapGet(keys.meta));
  if (meta === undefined || meta.finished) return undefined;
  const claimant = `${workerId}:${randomName(6)}`;
  if ((await state.mapSet(keys.meta, `claim ${meta.owner}`, claimant, ttlMs, { ifAbsent: true })) !== claimant)
    return undefined;
  let unsure = false;
  return {
    append: (message) =>
      persist(settings, async () => {
        // A write that failed may have been carried out.
        const stored = unsure
          ? (await state.readAfter(keys.log, 0)).entries.find(({ entry }) => entry === message)
          : undefined;
        unsure = true;
        const sequence = stored?.sequence ?? (await state.append(keys.log, message, { cap, ttlMs }));
        unsure = false;
        state.publish(keys.channel, "event").catch(() => undefined);
        return { id: eventId(streamId, sequence), message };
      }),
    finish: () =>
      persist(settings, async () => {
        await state.mapSet(keys.meta, "finished", "1", ttlMs);
        state.publish(keys.channel, "end").catch(() => undefined);
      }),
  };
}

/** Tries again for giveUpMs; then rejects with the last failure. */
async function persist<T>({ retryMs, giveUpMs }: ReplaySettings, write: () => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + giveUpMs;
  for (let delayMs = retryMs; ; delayMs = Math.min(5000, delayMs * 2)) {
    try {
      return await write();
    } catch (error) {
      if (performance.now() >= giveUpAt) throw error;
      await pause(delayMs, undefined, { ref: false });
    }
  }
}

/** How a replay stream is named and recorded in the shared state: a map about the stream, a log of its events, a channel that wakes followers. */
import type { SharedState, WorkerPresence } from "../coordination/index.ts";
import type { Log } from "../telemetry/index.ts";

export type ReplayOptions = {
  readonly state: SharedState;
  readonly workerId: string;
  /** Without it no owner is ever taken for dead. */
  readonly presence?: Pick<WorkerPresence, "isAlive">;
  /** Events kept per stream; default 1000. */
  readonly cap?: number;
  /** How long a stream can be resumed after its last sign of life; default 300 000. Streams that are open are kept alive. */
  readonly ttlMs?: number;
  /** How often a follower looks by itself, without a message; default 5000. */
  readonly recheckMs?: number;
  /** First pause before a failed write is repeated, doubled up to 5000; default 200. */
  readonly retryMs?: number;
  /** How long the writes of a finished stream are tried; default 10 000. */
  readonly giveUpMs?: number;
  readonly log?: Log;
};

export type ReplaySettings = Required<Omit<ReplayOptions, "presence" | "log">> &
  Pick<ReplayOptions, "presence" | "log">;

/** Where a stream is stored. */
export type StreamKeys = { readonly meta: string; readonly log: string; readonly channel: string };

export function streamKeys(sessionId: string, streamId: string): StreamKeys {
  const name = `${sessionId}:${streamId}`;
  return { meta: `stream:${name}`, log: `events:${name}`, channel: `stream:${name}` };
}

export function eventId(streamId: string, sequence: number): string {
  return `${streamId}_${sequence}`;
}

/** Undefined for what this gateway never gave out. */
export function parseEventId(text: string): { streamId: string; sequence: number } | undefined {
  const match = /^([A-Za-z0-9-]{1,64})_(0|[1-9]\d{0,14})$/.exec(text);
  return match?.[1] === undefined ? undefined : { streamId: match[1], sequence: Number(match[2]) };
}

/** What the meta map of a stream says. Owners are `<worker>:<random>`, so that two claims of one worker differ. */
export type StreamMeta = { readonly owner: string; readonly requestId: string | undefined; readonly finished: boolean };

export function readMeta(fields: ReadonlyMap<string, string>): StreamMeta | undefined {
  const opened = fields.get("opened");
  if (opened === undefined) return undefined;
  const split = opened.indexOf(" ");
  let owner = opened.slice(0, split);
  for (let next = fields.get(`claim ${owner}`); next !== undefined; next = fields.get(`claim ${owner}`)) owner = next;
  return { owner, requestId: opened.slice(split + 1) || undefined, finished: fields.has("finished") };
}

export function workerOf(owner: string): string {
  return owner.slice(0, owner.lastIndexOf(":"));
}

/**
 * Bounds of one HTTP/2 connection. Every frame that costs more than it cost its sender has one: RFC 9113 §10.5 names them, and
 * CVE-2023-44487 (rapid reset), CVE-2019-9512 (ping flood) and CVE-2019-9515 (settings flood) show what happens without.
 */
import type { ServerSessionOptions } from "node:http2";
import { MAX_UNREAD_BYTES } from "../unread.ts";

/** Streams open at once; RFC 9113 §6.5.2 wants at least 100, nginx allows 128. */
export const MAX_STREAMS = 128;
/** Answers that wait for a peer that does not read, of all streams of its connection. */
export const MAX_UNREAD_SESSION_BYTES = 4 * MAX_UNREAD_BYTES;
/** Bodies of one connection that are held before the application has them, in bodies of the greatest size. */
export const MAX_HELD_BODIES = 4;

/** A client that cancels calls resets streams too, so some are always allowed: a bucket of so many, refilled by so many each second. */
const RESET_BURST = 200;
const RESETS_PER_SECOND = 20;
/** PING and SETTINGS, which want an answer each. nghttp2 itself gives up when a thousand of them cannot be sent. */
const CONTROL_BURST = 500;
const CONTROLS_PER_SECOND = 100;

/** What nghttp2 holds for one connection, MB: header tables, open streams, frames that wait to be sent. */
const SESSION_MEMORY_MB = 10;
const MAX_HEADER_PAIRS = 128;
const MAX_INVALID_FRAMES = 100;
const MAX_REJECTED_STREAMS = 100;
const MAX_SETTINGS_PER_FRAME = 32;

export function sessionOptions(maxHeadBytes: number): ServerSessionOptions {
  return {
    maxSessionMemory: SESSION_MEMORY_MB,
    maxHeaderListPairs: MAX_HEADER_PAIRS,
    maxSessionInvalidFrames: MAX_INVALID_FRAMES,
    maxSessionRejectedStreams: MAX_REJECTED_STREAMS,
    maxSettings: MAX_SETTINGS_PER_FRAME,
    streamResetBurst: RESET_BURST,
    streamResetRate: RESETS_PER_SECOND,
    settings: { enablePush: false, maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: maxHeadBytes },
  };
}

/** Counts what a peer makes us do for nothing; emptied by the seconds that pass. */
export class Strikes {
  #resets = 0;
  #controls = 0;

  /** True when it is one too many. */
  reset(): boolean {
    return ++this.#resets > RESET_BURST;
  }

  control(): boolean {
    return ++this.#controls > CONTROL_BURST;
  }

  forgive(seconds: number): void {
    this.#resets = Math.max(0, this.#resets - RESETS_PER_SECOND * seconds);
    this.#controls = Math.max(0, this.#controls - CONTROLS_PER_SECOND * seconds);
  }
}

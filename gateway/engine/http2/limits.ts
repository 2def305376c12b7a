/**
 * Bounds of one HTTP/2 connection. Every frame that costs more than it cost its sender has one: RFC 9113 §10.5 names them, and
 * CVE-2023-44487 (rapid reset), CVE-2024-27316 (heads without end), CVE-2019-9512 (pings), -9513 (priorities), -9515 (settings) and -9518
 * (empty frames) show what happens without.
 */
import { MAX_UNREAD_BYTES } from "../unread.ts";
import { ERROR } from "./frames.ts";

/** Streams open at once; RFC 9113 §6.5.2 wants at least 100, nginx allows 128. */
export const MAX_STREAMS = 128;
/** Answers that wait for a peer that does not read, of all streams of its connection. */
export const MAX_UNREAD_SESSION_BYTES = 4 * MAX_UNREAD_BYTES;
/** Bodies of one connection that are held before the application has them, in bodies of the greatest size. */
export const MAX_HELD_BODIES = 4;
/** Fields of one head. */
export const MAX_FIELDS = 128;
/** Frames that one head may come in. */
export const MAX_HEAD_FRAMES = 32;
/** Settings of one frame. */
export const MAX_SETTINGS = 32;

/** What a peer may send of one body, and of all of them, before it is told to go on; beyond the 65 535 bytes of the protocol. */
export const STREAM_WINDOW = 256 * 1024;
export const CONNECTION_WINDOW = 1024 * 1024;

/** A client that cancels calls resets streams too, so some are always allowed: a bucket of so many, refilled by so many each second. */
const RESET_BURST = 200;
const RESETS_PER_SECOND = 20;
/** Frames that carry nothing, or want an answer each. */
const CONTROL_BURST = 500;
const CONTROLS_PER_SECOND = 100;

/** Counts what a peer makes us do for nothing; emptied by the seconds that pass. Answers with the error of the connection that it is by now. */
export class Strikes {
  #resets = 0;
  #controls = 0;

  /** A stream that was opened in vain. */
  reset(): number {
    return ++this.#resets > RESET_BURST ? ERROR.enhanceYourCalm : ERROR.none;
  }

  /** A frame that costs its sender nothing. */
  control(): number {
    return ++this.#controls > CONTROL_BURST ? ERROR.enhanceYourCalm : ERROR.none;
  }

  forgive(seconds: number): void {
    this.#resets = Math.max(0, this.#resets - RESETS_PER_SECOND * seconds);
    this.#controls = Math.max(0, this.#controls - CONTROLS_PER_SECOND * seconds);
  }
}

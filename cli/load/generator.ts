/**
 * The load generator. Closed loop: so many connections, each with one request after the other. Open loop: arrivals of a Poisson
 * process at a rate, whether or not earlier ones were answered. It knows neither sockets nor MCP: those are ports.
 */

import type { HttpAnswer } from "./http-reader.ts";
import { isFailure, type Link, type LinkFailure } from "./link.ts";
import { Tally } from "./tally.ts";

export interface Clock {
  /** ms, monotonic. */
  now(): number;
  /** Calls once after `ms`; answers how to take that back. */
  after(ms: number, then: () => void): () => void;
}

/** A question that knows the answer: `failure` is undefined for the right one. */
export type Question = { readonly text: string; failureOf(answer: HttpAnswer): string | undefined };

export type Ports = {
  readonly clock: Clock;
  open(): Link;
  /** The next request of the mix. */
  ask(): Question;
  /** From 0 up to 1, for the gaps between arrivals. */
  readonly random: () => number;
};

export type Load =
  | { readonly kind: "closed"; readonly connections: number; readonly seconds: number }
  | { readonly kind: "open"; readonly rps: number; readonly connections: number; readonly seconds: number };

/** How a step ended: its time was over, it was interrupted, or nothing could be reached any more (and why). */
export type Ending = { readonly how: "over" | "interrupted" } | { readonly how: "gone"; readonly why: string };

export type Generated = { readonly tally: Tally; readonly ending: Ending };

/** Nothing answers and no connection opens for so long: the server is gone. */
const GONE_AFTER_MS = 2000;
/** Between two attempts to connect, so that a closed port is not a busy loop. */
const RECONNECT_MS = 100;
/** Timers are that coarse: an arrival sent so soon after its time counts as sent at its time. */
const TIMER_MS = 2;

/** Runs one load to its end. Failures are counted and end nothing; it resolves when every link is closed. */
export function generate(load: Load, ports: Ports, signal: AbortSignal): Promise<Generated> {
  return new Promise((resolve) => new Step(load, ports, signal, resolve).start());
}

class Step {
  readonly #load: Load;
  readonly #ports: Ports;
  readonly #signal: AbortSignal;
  readonly #resolve: (generated: Generated) => void;
  readonly #tally = new Tally();
  readonly #links: Link[] = [];
  readonly #free: Link[] = [];
  readonly #begin: number;
  readonly #end: number;
  #inFlight = 0;
  #lastAnswer: number;
  /** Time of the next arrival, open loop. */
  #due: number;
  /** Arrivals wait for a link: that they are late is not the generator's doing. */
  #isStarved = false;
  #isSending = true;
  #isFinished = false;
  #cancelEnd = (): void => undefined;
  #cancelArrival = (): void => undefined;
  readonly #onAbort = () => this.#finish({ how: "interrupted" });

  constructor(load: Load, ports: Ports, signal: AbortSignal, resolve: (generated: Generated) => void) {
    this.#load = load;
    this.#ports = ports;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#begin = ports.clock.now();
    this.#end = this.#begin + load.seconds * 1000;
    this.#lastAnswer = this.#begin;
    this.#due = this.#begin;
  }

  start(): void {
    if (this.#signal.aborted) {
      this.#onAbort();
      return;
    }
    this.#signal.addEventListener("abort", this.#onAbort, { once: true });
    this.#cancelEnd = this.#ports.clock.after(this.#end - this.#begin, () => this.#timeIsOver());
    if (this.#load.kind === "open") {
      this.#due += this.#gap();
      this.#arrive();
      return;
    }
    for (let index = 0; index < this.#load.connections; index += 1) this.#send(this.#newLink(), this.#begin);
  }

  #newLink(): Link {
    const link = this.#ports.open();
    this.#links.push(link);
    return link;
  }

  /** Exponential, so that arrivals are a Poisson process of the asked rate. */
  #gap(): number {
    return this.#load.kind === "open" ? (-Math.log(1 - this.#ports.random()) * 1000) / this.#load.rps : 0;
  }

  /** Sends what is due while there is a link, and comes back for the next. */
  #arrive(): void {
    if (!this.#isSending) return;
    const now = this.#ports.clock.now();
    while (this.#due <= now && this.#due < this.#end) {
      const link = this.#free.pop() ?? (this.#links.length < this.#load.connections ? this.#newLink() : undefined);
      this.#isStarved ||= link === undefined;
      // The link that becomes free takes it, and its waiting counts.
      if (link === undefined) return;
      const late = now - this.#due;
      if (!this.#isStarved) this.#tally.lateness.record(late);
      this.#send(link, late <= TIMER_MS ? now : this.#due);
      this.#due += this.#gap();
    }
    this.#isStarved = false;
    this.#cancelArrival();
    if (this.#due < this.#end)
      this.#cancelArrival = this.#ports.clock.after(Math.max(0, this.#due - now), () => this.#arrive());
  }

  #send(link: Link, from: number): void {
    const question = this.#ports.ask();
    this.#inFlight += 1;
    this.#tally.maxInFlight = Math.max(this.#tally.maxInFlight, this.#inFlight);
    link.send(question.text, (answer) => this.#answered(link, from, question, answer));
  }

  #answered(link: Link, from: number, question: Question, answer: HttpAnswer | LinkFailure): void {
    const now = this.#ports.clock.now();
    this.#inFlight -= 1;
    if (isFailure(answer)) {
      this.#tally.failedWith(answer.kind, now - from, "");
      if (answer.unreached && now - this.#lastAnswer >= GONE_AFTER_MS) {
        this.#finish({ how: "gone", why: answer.kind });
        return;
      }
      if (answer.unreached && this.#isSending) {
        this.#ports.clock.after(RECONNECT_MS, () => this.#release(link));
        return;
      }
    } else {
      this.#lastAnswer = now;
      const failure = question.failureOf(answer);
      if (failure === undefined) this.#tally.answered(now - from, now <= this.#end);
      else this.#tally.failedWith(failure, now - from, answer.body.toString("utf8", 0, 600));
    }
    this.#release(link);
  }

  #release(link: Link): void {
    if (this.#isFinished) return;
    if (!this.#isSending) {
      if (this.#inFlight === 0) this.#finish({ how: "over" });
    } else if (this.#load.kind === "closed") this.#send(link, this.#ports.clock.now());
    else {
      this.#free.push(link);
      // Otherwise a timer stands for the next arrival.
      if (this.#isStarved) this.#arrive();
    }
  }

  #timeIsOver(): void {
    this.#isSending = false;
    // Their expected number: drawing a backlog of millions one by one would only cost time.
    if (this.#load.kind === "open" && this.#due < this.#end)
      this.#tally.unsent = Math.round(((this.#end - this.#due) * this.#load.rps) / 1000);
    if (this.#inFlight === 0) this.#finish({ how: "over" });
  }

  #finish(ending: Ending): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#isSending = false;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#cancelEnd();
    this.#cancelArrival();
    for (const link of this.#links) link.close();
    this.#tally.cut = this.#inFlight;
    this.#tally.seconds = (Math.min(this.#ports.clock.now(), this.#end) - this.#begin) / 1000;
    this.#resolve({ tally: this.#tally, ending });
  }
}

/**
 * Keeps a number of workers serving: starts them, replaces those that end, stand still or are spent, one at a time where that is by
 * choice, and ends them together. Knows nothing of what a worker does; gives up when starting again does not help.
 */
import type { Figures, Log } from "../telemetry/index.ts";
import { beatEveryMs } from "./attend.ts";
import { type ChildMessage, restartDelayMs, type StartFailure } from "./child.ts";
import { CrewFigures } from "./crew-figures.ts";
import { Hand } from "./hand.ts";
import { watchBeats } from "./heartbeat.ts";
import type { End, Hire } from "./member.ts";

export type RespawnReason = "crash" | "memory" | "stuck" | "start";

export type CrewOptions = {
  /** At least 1. */
  readonly size: number;
  readonly hire: Hire;
  /** Of the next worker: its id in logs, and its configuration, which is all it is told. */
  readonly next: () => { readonly id: string; readonly config: unknown };
  /** From its start to its ready message; one that takes longer is killed, ms. */
  readonly startTimeoutMs: number;
  /** Silence after which a worker is killed and replaced, ms; 0 waits for ever. */
  readonly beatTimeoutMs: number;
  /** What a worker may take to retire or drain; it is killed a little later, ms. */
  readonly graceMs: number;
  /** False: the end of a worker is the end of the crew. */
  readonly respawns: boolean;
  readonly restart: { readonly minMs: number; readonly maxMs: number };
  /** The first alone, the others when it is ready: they need what it has found. */
  readonly firstAlone: boolean;
  readonly log: Log;
  readonly count: {
    respawn(reason: RespawnReason): void;
    recycle(reason: string): void;
    missed(): void;
  };
  /** A worker serves. */
  readonly onReady: (message: ChildMessage) => void;
  /** What the leading worker tells, each time one has begun to lead. */
  readonly onLed: (fields: unknown) => void;
  /** The figures of everything, for a worker that is asked for them. */
  readonly scrape: () => Promise<string>;
};

/** Ends in a row, each soon after a start, after which starting again is no use. */
const MOST_FAILURES = 5;
/** Beyond its grace, for closing what it holds. */
const KILL_AFTER_GRACE_MS = 5_000;

/** The place of one worker. */
type Place = {
  readonly index: number;
  current: Hand | undefined;
  successor: Hand | undefined;
  /** Ends in a row. */
  failures: number;
  timer: NodeJS.Timeout | undefined;
};

export class Crew {
  /** Resolves with the reason when the crew gives up; the workers that are left serve on until they are told to end. */
  readonly failed: Promise<StartFailure>;
  readonly #options: CrewOptions;
  readonly #log: Log;
  readonly #places: readonly Place[];
  readonly #hands = new Set<Hand>();
  readonly #figures: CrewFigures;
  readonly #giveUp: (reason: StartFailure) => void;
  readonly #stopWatching: () => void;
  #replacing: Promise<unknown> = Promise.resolve();
  #leader: Hand | undefined;
  #wasReady = false;
  #isLeading = false;
  #isEnding = false;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#log = options.log;
    const { promise, resolve } = Promise.withResolvers<StartFailure>();
    this.failed = promise;
    this.#giveUp = resolve;
    this.#figures = new CrewFigures(options.count.missed);
    this.#places = Array.from({ length: options.size }, (_, index) => ({
      index,
      current: undefined,
      successor: undefined,
      failures: 0,
      timer: undefined,
    }));
    this.#stopWatching = watchBeats(this.#hands, options.beatTimeoutMs, (hand) => this.#isStuck(hand));
  }

  /** Workers that are there, those that retire included. */
  get size(): number {
    return this.#hands.size;
  }

  /** Resolves when all serve; rejects with StartFailure when one cannot start. */
  async start(): Promise<void> {
    const [first, ...others] = this.#places;
    const failed = this.failed.then((reason) => Promise.reject(reason));
    const fill = (place: Place) => this.#fill(place).ready.promise;
    const all = async () => {
      if (first === undefined) return;
      const ready = fill(first);
      if (this.#options.firstAlone) await ready;
      await Promise.all([ready, ...others.map(fill)]);
    };
    await Promise.race([all(), failed]);
  }

  /** From now on one worker leads; when it goes, another does. */
  lead(): void {
    this.#isLeading = true;
    if (this.#leader !== undefined) return;
    this.#leader = this.#places.map(({ current }) => current).find((hand) => hand?.state === "ready");
    this.#leader?.member.send({ type: "lead" });
  }

  /** Replaces all, one after the other; stops at the first that cannot be: the old ones serve on. Answers whether all are new. */
  async reload(): Promise<boolean> {
    for (const place of this.#places) {
      const old = place.current;
      if (old?.state === "ready" && !(await this.#inTurn(place, "reload"))) return false;
    }
    return true;
  }

  /** Of all workers, and of those that are gone; one that does not answer in time counts as it last did. */
  figures(deadlineMs: number): Promise<Figures> {
    return this.#figures.ask(this.#hands, deadlineMs);
  }

  /** Ends all in good order, because the gateway ends or because others serve; resolves when they are gone. */
  async leave(how: "drain" | "retire"): Promise<void> {
    this.#end();
    for (const hand of this.#hands) {
      // It has nothing to finish yet.
      if (hand.state === "starting") hand.member.kill();
      else this.#letGo(hand, how);
    }
    await Promise.all(Array.from(this.#hands, (hand) => hand.gone.promise));
  }

  /** Ends all now. */
  cut(): void {
    this.#end();
    for (const { member } of this.#hands) member.send({ type: "cut" });
    const kill = setTimeout(() => this.kill(), KILL_AFTER_GRACE_MS);
    kill.unref();
  }

  kill(): void {
    this.#end();
    for (const { member } of this.#hands) member.kill();
  }

  #end(): void {
    this.#isEnding = true;
    this.#stopWatching();
    for (const place of this.#places) clearTimeout(place.timer);
  }

  #fill(place: Place): Hand {
    const hand = this.#hire(place);
    place.current = hand;
    return hand;
  }

  #hire(place: Place): Hand {
    const { id, config } = this.#options.next();
    const hand: Hand = new Hand((events) => this.#options.hire(id, events), {
      message: (message) => this.#heard(place, hand, message),
      ended: (end) => this.#ended(place, hand, end),
    });
    this.#hands.add(hand);
    hand.member.send({ type: "start", config, beatMs: this.#beatMs });
    hand.startTimer = setTimeout(() => {
      hand.killedFor = { kind: "start", reason: `not ready within ${this.#options.startTimeoutMs} ms` };
      hand.member.kill();
    }, this.#options.startTimeoutMs);
    return hand;
  }

  get #beatMs(): number {
    const { beatTimeoutMs } = this.#options;
    return beatTimeoutMs === 0 ? 0 : beatEveryMs(beatTimeoutMs);
  }

  #heard(place: Place, hand: Hand, message: ChildMessage): void {
    hand.lastHeard = performance.now();
    if (message.type === "ready") this.#ready(hand, message);
    else if (message.type === "failed") hand.told = message;
    else if (message.type === "figures") this.#figures.told(hand, message);
    else if (message.type === "led") this.#options.onLed(message.fields);
    else if (message.type === "scrape") void this.#scrape(hand, message.id);
    else if (message.type === "trouble")
      this.#log.error(String(message.event), { worker: hand.member.id, reason: String(message.reason) });
    else if (message.type === "spent") this.#spent(place, hand, String(message.reason));
  }

  #ready(hand: Hand, message: ChildMessage): void {
    if (hand.state !== "starting") return;
    clearTimeout(hand.startTimer);
    hand.state = "ready";
    hand.readyAt = performance.now();
    this.#wasReady = true;
    this.#log.info("worker.ready", { worker: hand.member.id, pid: hand.member.pid });
    this.#options.onReady(message);
    hand.ready.resolve();
    if (this.#isLeading) this.lead();
  }

  async #scrape(hand: Hand, id: unknown): Promise<void> {
    const text = await this.#options.scrape();
    hand.member.send({ type: "scraped", id, text });
  }

  #isStuck(hand: Hand): void {
    const reason = `its event loop has not turned for ${this.#options.beatTimeoutMs} ms`;
    this.#log.error("worker.stuck", { worker: hand.member.id, pid: hand.member.pid, reason });
    hand.killedFor = { kind: "stuck", reason };
    hand.member.kill();
  }

  #ended(place: Place, hand: Hand, end: End): void {
    clearTimeout(hand.startTimer);
    clearTimeout(hand.killTimer);
    hand.state = "gone";
    this.#hands.delete(hand);
    this.#figures.gone(hand);
    if (this.#leader === hand) {
      this.#leader = undefined;
      if (this.#isLeading && !this.#isEnding) this.lead();
    }
    const failure = hand.failure(end);
    hand.ready.reject(failure);
    hand.gone.resolve();
    if (place.current !== hand) return;
    place.current = undefined;
    if (this.#isEnding) return;
    this.#lost(place, hand, failure, hand.killedFor?.kind ?? end.kind);
  }

  /** A worker is gone that should be there. */
  #lost(place: Place, hand: Hand, failure: StartFailure, kind: RespawnReason): void {
    const { restart, respawns } = this.#options;
    if (hand.readyAt !== undefined && performance.now() - hand.readyAt >= restart.maxMs) place.failures = 0;
    place.failures++;
    const fields = { worker: hand.member.id, pid: hand.member.pid, reason: failure.reason, failures: place.failures };
    if (!this.#wasReady || !respawns || place.failures >= MOST_FAILURES) {
      this.#log.error("worker.ended", fields);
      this.#giveUp(failure);
      return;
    }
    this.#options.count.respawn(hand.readyAt === undefined ? "start" : kind);
    // Its successor starts already.
    if (place.successor !== undefined) return;
    const delayMs = restartDelayMs(place.failures, restart.minMs, restart.maxMs, Math.random());
    this.#log.error("worker.ended", { ...fields, restartInMs: delayMs });
    place.timer = setTimeout(() => this.#fill(place), delayMs);
  }

  #spent(place: Place, hand: Hand, reason: string): void {
    if (place.current !== hand || hand.state !== "ready") return;
    void this.#inTurn(place, reason).then((isReplaced) => {
      if (isReplaced || this.#isEnding || place.current !== hand) return;
      const again = setTimeout(() => this.#spent(place, hand, reason), this.#options.restart.maxMs);
      again.unref();
    });
  }

  /** One worker at a time is replaced by choice, and the next when the one before is gone. */
  #inTurn(place: Place, reason: string): Promise<boolean> {
    const replaced = this.#replacing.then(() => this.#replace(place, reason));
    this.#replacing = replaced;
    return replaced;
  }

  async #replace(place: Place, reason: string): Promise<boolean> {
    const old = place.current;
    if (this.#isEnding || old?.state !== "ready") return true;
    const successor = this.#hire(place);
    place.successor = successor;
    try {
      await successor.ready.promise;
    } catch (error) {
      place.successor = undefined;
      if (this.#isEnding) return true;
      if (place.current === undefined) this.#fill(place);
      this.#log.error("worker.successor_failed", { worker: old.member.id, reason: String(error) });
      return false;
    }
    place.successor = undefined;
    place.current = successor;
    this.#options.count.recycle(reason);
    this.#log.info("worker.replaced", { worker: old.member.id, by: successor.member.id, reason });
    if (this.#isEnding) return true;
    if (this.#leader === old) {
      this.#leader = undefined;
      this.lead();
    }
    if (this.#hands.has(old)) this.#letGo(old, "retire");
    await old.gone.promise;
    return true;
  }

  #letGo(hand: Hand, how: "retire" | "drain"): void {
    hand.state = "leaving";
    hand.member.send({ type: how });
    hand.killTimer ??= setTimeout(() => hand.member.kill(), this.#options.graceMs + KILL_AFTER_GRACE_MS);
  }
}

/**
 * Keeps a number of workers serving: starts them, replaces those that end, stand still or are spent, one at a time where that is by
 * choice, and ends them together. Knows nothing of what a worker does; gives up when starting again does not help.
 */
import type { Figures, Log } from "../telemetry/index.ts";
import { beatEveryMs } from "./attend.ts";
import { type ChildMessage, restartDelayMs, type StartFailure } from "./child.ts";
import { CrewFigures } from "./crew-figures.ts";
import type { CrewOptions, RespawnReason } from "./crew-options.ts";
import { Hand } from "./hand.ts";
import { watchBeats } from "./heartbeat.ts";
import type { End } from "./member.ts";

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

  /**
   * Replaces all, one after the other; stops at the first that cannot be: the old ones serve on. Answers whether all are new. `proven` is
   * called before the first new one takes its place, or once there is nobody to replace: from then on all others may be started like it.
   */
  async reload(proven: () => void = () => undefined): Promise<boolean> {
    for (const place of this.#places) if (!(await this.#inTurn(() => this.#renew(place, proven)))) return false;
    proven();
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
    const hand = this.#hire(place, false);
    place.current = hand;
    return hand;
  }

  #hire(place: Place, isReload: boolean): Hand {
    const { id, config } = this.#options.next(isReload);
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
    void this.#inTurn(() => this.#relieve(place, reason)).then((isReplaced) => {
      if (isReplaced || this.#isEnding || place.current !== hand) return;
      const again = setTimeout(() => this.#spent(place, hand, reason), this.#options.restart.maxMs);
      again.unref();
    });
  }

  /** One worker at a time is replaced by choice, and the next when the one before is gone. */
  #inTurn(replace: () => Promise<boolean>): Promise<boolean> {
    const replaced = this.#replacing.then(replace);
    this.#replacing = replaced;
    return replaced;
  }

  async #renew(place: Place, proven: () => void): Promise<boolean> {
    // One that starts is not of the reload.
    await place.current?.ready.promise.catch(() => undefined);
    return await this.#replace(place, "reload", proven);
  }

  /** Where memory has run out there is none for one more: the old worker goes first, as long as another one listens meanwhile. */
  #relieve(place: Place, reason: string): Promise<boolean> {
    const isServed = this.#places.some((other) => other !== place && other.current?.state === "ready");
    return reason === "memory" && isServed ? this.#refill(place, reason) : this.#replace(place, reason);
  }

  /** The old worker first, then the new one, which is restarted like any other if it fails. */
  async #refill(place: Place, reason: string): Promise<boolean> {
    const old = place.current;
    if (this.#isEnding || old?.state !== "ready") return true;
    place.current = undefined;
    this.#options.count.recycle(reason);
    this.#log.info("worker.retiring", { worker: old.member.id, reason });
    this.#retire(old);
    await old.gone.promise;
    if (this.#isEnding) return true;
    const { ready, member } = this.#fill(place);
    this.#log.info("worker.replaced", { worker: old.member.id, by: member.id, reason });
    // The next in turn may be the only other that serves.
    await ready.promise.catch(() => undefined);
    return true;
  }

  /** The new worker first; the old one serves on if that fails. */
  async #replace(place: Place, reason: string, proven?: () => void): Promise<boolean> {
    const old = place.current;
    if (this.#isEnding || old?.state !== "ready") return true;
    const successor = this.#hire(place, proven !== undefined);
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
    proven?.();
    place.successor = undefined;
    place.current = successor;
    this.#options.count.recycle(reason);
    this.#log.info("worker.replaced", { worker: old.member.id, by: successor.member.id, reason });
    if (this.#isEnding) return true;
    this.#retire(old);
    await old.gone.promise;
    return true;
  }

  #retire(hand: Hand): void {
    if (this.#hands.has(hand)) this.#letGo(hand, "retire");
    if (this.#leader !== hand) return;
    this.#leader = undefined;
    if (this.#isLeading) this.lead();
  }

  #letGo(hand: Hand, how: "retire" | "drain"): void {
    hand.state = "leaving";
    hand.member.send({ type: how });
    hand.killTimer ??= setTimeout(() => hand.member.kill(), this.#options.graceMs + KILL_AFTER_GRACE_MS);
  }
}

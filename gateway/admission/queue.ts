/**
 * Requests that wait for a slot, in order, each until its deadline: what cannot start in time is dropped, never served late. A caller's
 * waiting requests count among what it holds, so that nobody fills the queue for the others.
 */
import type { Admitted, RequestHead } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Lane } from "./lane.ts";
import type { Party } from "./shares.ts";
import { Ticket } from "./ticket.ts";
import type { Refusal } from "./types.ts";

/** What becomes of a request that waits: exactly one of the two is called, unless it leaves before. */
export type Turn = { readonly start: () => void; readonly drop: (refusal: Refusal) => void };

export class Queue {
  readonly lane: Lane;
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #waiting = new Set<QueuedTicket>();
  #isServing = false;

  /** `timeoutMs` more than 0. */
  constructor(lane: Lane, timeoutMs: number, now: () => number) {
    this.lane = lane;
    this.#timeoutMs = timeoutMs;
    this.#now = now;
    lane.freed = () => this.#serve();
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** As many as there are slots may wait, and of one caller its share of both. */
  mayAdd(party: Party | undefined): boolean {
    const { limit, shares, isShared, isFullOfStrangers } = this.lane;
    if (this.#waiting.size >= limit) return false;
    if (party?.isStranger && isFullOfStrangers) return false;
    return party === undefined || shares === undefined || !isShared || shares.mayTake(party, 2 * limit);
  }

  add(party: Party | undefined): QueuedTicket {
    const ticket = new QueuedTicket(this, party, this.#now() + this.#timeoutMs);
    this.#waiting.add(ticket);
    return ticket;
  }

  remove(ticket: QueuedTicket): void {
    this.#waiting.delete(ticket);
  }

  /** Drops what has waited too long. */
  beat(): void {
    const now = this.#now();
    for (const ticket of this.#waiting) {
      if (ticket.deadline > now) return;
      this.#waiting.delete(ticket);
      ticket.drop(this.lane.refuse("late"));
    }
  }

  /** Nothing waits any longer: the process stops. */
  drain(): void {
    for (const ticket of this.#waiting) {
      this.#waiting.delete(ticket);
      ticket.drop(this.lane.refuse("draining"));
    }
  }

  /** What starts may end at once and free its slot again: that is seen by the loop, not by a call within it. */
  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    this.beat();
    for (const ticket of this.#waiting) {
      if (this.lane.isFull) break;
      this.#waiting.delete(ticket);
      ticket.start();
    }
    this.#isServing = false;
  }
}

type State = "waiting" | "started" | "dropped" | "left";

export class QueuedTicket implements Admitted {
  readonly ok = true;
  readonly deadline: number;
  /** Set by who knows the route. */
  maxBodyBytes: number | undefined = undefined;
  readonly #queue: Queue;
  #party: Party | undefined;
  #isStranger: boolean;
  #state: State = "waiting";
  #slot: Ticket | undefined;
  #turn: Turn | undefined;
  #refusal: Refusal | undefined;

  constructor(queue: Queue, party: Party | undefined, deadline: number) {
    this.#queue = queue;
    this.#party = party;
    this.deadline = deadline;
    this.#isStranger = party?.isStranger ?? false;
    if (this.#isStranger) queue.lane.strangers++;
    if (party !== undefined) queue.lane.shares?.take(party);
  }

  get bodyWithinMs(): number | undefined {
    if (this.#slot !== undefined) return this.#slot.bodyWithinMs;
    return this.#isStranger ? this.#queue.lane.strangersBodyMs : undefined;
  }

  /** Calls one of the turn's functions, at once where it is decided already. */
  onTurn(turn: Turn): void {
    if (this.#state === "started") turn.start();
    else if (this.#state === "dropped" && this.#refusal !== undefined) turn.drop(this.#refusal);
    else if (this.#state === "waiting") this.#turn = turn;
  }

  start(): void {
    this.#queue.lane.occupy();
    this.#slot = new Ticket(this.#queue.lane, this.#party, undefined, this.#isStranger);
    this.#party = undefined;
    this.#isStranger = false;
    this.#state = "started";
    this.#turn?.start();
    this.#turn = undefined;
  }

  drop(refusal: Refusal): void {
    this.#giveShare();
    this.#state = "dropped";
    this.#refusal = refusal;
    this.#turn?.drop(refusal);
    this.#turn = undefined;
  }

  identify(head: RequestHead, principal: Principal): void {
    this.#slot?.identify(head, principal);
  }

  deny(head: RequestHead): void {
    this.#slot?.deny(head);
  }

  /** Gives the slot, or the place in the queue, back. Idempotent. */
  leave(): void {
    if (this.#state === "waiting") {
      this.#queue.remove(this);
      this.#giveShare();
      this.#state = "left";
    }
    this.#slot?.leave();
    this.#turn = undefined;
  }

  #giveShare(): void {
    if (this.#party !== undefined) this.#queue.lane.shares?.give(this.#party);
    this.#party = undefined;
    if (this.#isStranger) this.#queue.lane.strangers--;
    this.#isStranger = false;
  }
}

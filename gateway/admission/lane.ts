/** One counter with its cap: the slots of a class of requests. Entering and leaving are a handful of additions. */
import type { RequestHead } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import { grown, shrunk } from "./governor.ts";
import { Refusals } from "./refusals.ts";
import { ServiceRate } from "./service-rate.ts";
import type { Party, Shares } from "./shares.ts";
import { REFUSAL_REASONS, type Refusal, type RefusalReason, type Watched } from "./types.ts";

/**
 * Of the slots, for callers whom nobody has checked yet. A slot is theirs from the head until the body is there and their token proven,
 * which is a moment for those who can prove one: half of the slots is far more than they need, and leaves the others half.
 */
const STRANGERS_MOST = 0.5;

/** Counts what several lanes hold together, against what was planned for. */
export class Watch {
  readonly #beyond: number;
  readonly #exceeded: () => void;
  #busy = 0;

  constructor({ limit, exceeded }: Watched) {
    this.#beyond = limit + 1;
    this.#exceeded = exceeded;
  }

  enter(): void {
    if (++this.#busy === this.#beyond) this.#exceeded();
  }

  leave(): void {
    this.#busy--;
  }
}

export type LaneOptions = {
  /** Plural, as in "Too many calls at once". */
  readonly what: string;
  /** 0 = none. */
  readonly cap: number;
  readonly passesDrain: boolean;
  /** Who holds how much, and from which share of the slots on that counts. */
  readonly fairness?: { readonly shares: Shares; readonly from: number } | undefined;
  /** Set where callers have to say who they are: time for the body of one of whom that is not known yet, ms. */
  readonly strangersBodyMs?: number | undefined;
  readonly watch?: Watch | undefined;
};

export class Lane {
  readonly cap: number;
  readonly passesDrain: boolean;
  readonly shares: Shares | undefined;
  /** Slots now; Infinity without a cap. */
  limit: number;
  busy = 0;
  /** Of those that hold a slot or wait for one: whose caller nobody has checked yet. */
  strangers = 0;
  readonly strangersBodyMs: number | undefined;
  admitted = 0;
  readonly refused: Record<RefusalReason, number> = { full: 0, pressure: 0, share: 0, late: 0, draining: 0 };
  /** Called with each slot that becomes free. */
  freed: (() => void) | undefined;
  readonly #fairFrom: number;
  #scarceAt: number;
  readonly #watch: Watch | undefined;
  readonly #refusals: Refusals;
  readonly #rate = new ServiceRate();
  #peak = 0;
  #finished = 0;
  #refusedBefore = 0;

  constructor(options: LaneOptions) {
    this.cap = options.cap;
    this.limit = options.cap === 0 ? Infinity : options.cap;
    this.passesDrain = options.passesDrain;
    // Without a cap nothing is scarce.
    this.shares = options.cap === 0 ? undefined : options.fairness?.shares;
    this.#fairFrom = options.fairness?.from ?? 1;
    this.#scarceAt = this.#fairFrom * this.limit;
    this.strangersBodyMs = options.strangersBodyMs;
    this.#watch = options.watch;
    this.#refusals = new Refusals(options.what, options.cap);
  }

  get isFull(): boolean {
    return this.busy >= this.limit;
  }

  get isFullOfStrangers(): boolean {
    return this.strangers >= this.#strangersLimit;
  }

  get #strangersLimit(): number {
    return Math.max(1, Math.floor(STRANGERS_MOST * this.limit));
  }

  /** Does a caller's share ever count here? */
  get isShared(): boolean {
    return this.shares !== undefined && this.#fairFrom < 1;
  }

  /** Does this caller hold its share, and is that what counts now? */
  isBeyondShare(shares: Shares, party: Party): boolean {
    if (party.isStranger) {
      const limit = this.#strangersLimit;
      return this.strangers >= this.#fairFrom * limit && !shares.mayTake(party, limit);
    }
    return this.busy >= this.#scarceAt && !shares.mayTake(party, this.limit);
  }

  /** Takes a slot; whether there is one has been asked before. */
  occupy(): void {
    if (++this.busy > this.#peak) this.#peak = this.busy;
    this.admitted++;
    this.#watch?.enter();
  }

  vacate(): void {
    this.busy--;
    this.#finished++;
    this.#watch?.leave();
    this.freed?.();
  }

  refuse(reason: RefusalReason): Refusal {
    this.refused[reason]++;
    return this.#refusals.of(reason, this.#rate.next());
  }

  /** Why a full lane is full: by its configuration, or because it has fewer slots than that now. */
  get fullness(): "full" | "pressure" {
    return this.busy >= this.cap ? "full" : "pressure";
  }

  /** Once a second. */
  beat(): void {
    let refused = 0;
    for (const reason of REFUSAL_REASONS) refused += this.refused[reason];
    this.#rate.beat(this.#finished, refused - this.#refusedBefore);
    this.#refusedBefore = refused;
    this.#finished = 0;
    this.shares?.beat();
  }

  /** After a window in which a signal stayed beyond its bound. */
  shrink(): void {
    if (this.cap > 0) this.#resize(shrunk(this.cap, this.limit, this.#peak));
    this.#peak = this.busy;
  }

  /** After a window; `isCalm`: every signal was well within its bound. */
  settle(isCalm: boolean): void {
    if (isCalm && this.limit < this.cap) this.#resize(grown(this.cap, this.limit));
    this.#peak = this.busy;
  }

  #resize(limit: number): void {
    this.limit = limit;
    this.#scarceAt = this.#fairFrom * limit;
    // A larger lane may have room for those who wait.
    if (this.busy < limit) this.freed?.();
  }
}

export function partyOf(lane: Lane, head: RequestHead | undefined, principal?: Principal): Party | undefined {
  return head === undefined ? undefined : lane.shares?.find(head, principal);
}

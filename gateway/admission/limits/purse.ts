/**
 * Tokens of one bucket that this process holds ahead of need. Spending is arithmetic while there are some; the shared bucket is asked in the
 * background before they run out, and waited for only when they have.
 */

const RECHECK_MS = 10_000;

/** Where tokens come from: a bucket that all processes share. */
export interface Supply {
  /** Tokens that one process holds of one bucket, at most; 1 for limits so low that holding more would starve the others. */
  readonly batch: number;
  /** Whole tokens, up to `want`; below 0 gives them back. `waitMs`: until one more may be there. Rejects when nobody answers. */
  take(key: string, want: number): Promise<{ readonly taken: number; readonly waitMs: number }>;
  /** Nobody answers: what this process may let in on its own. 0, or the milliseconds to wait. */
  alone(purse: Purse, now: number): number;
  /** True while nobody answers. Then buckets are asked behind the back of requests, one at a time. */
  isAway(now: number): boolean;
  /** Told of each answer and of each that did not come. */
  heard(ok: boolean, now: number): void;
}

/** What a spender gets: 0 for a token, else the milliseconds until there may be one. */
export type Spent = number | Promise<number>;

export class Purse {
  readonly key: string;
  held = 0;
  lastUsed = 0;
  /** The shared bucket was empty: nothing flows in before. */
  closedUntil = 0;
  /** Until then nobody is asked again; what others give back may be there sooner than `closedUntil`. */
  private quietUntil = 0;
  /** The bucket of this process while nobody answers, and when there is something in it again. */
  own: { readonly tokens: number; readonly at: number } | undefined = undefined;
  private aloneUntil = 0;
  private asking = false;
  private readonly waiting: ((waitMs: number) => void)[] = [];
  private readonly supply: Supply;
  private readonly now: () => number;

  constructor(key: string, supply: Supply, now: () => number) {
    this.key = key;
    this.supply = supply;
    this.now = now;
  }

  /** Milliseconds for which it is known that there is nothing; 0 when nobody knows. Takes nothing. */
  closedFor(now: number): number {
    if (now < this.aloneUntil && this.held === 0 && this.supply.isAway(now)) return this.aloneUntil - now;
    return this.held > 0 || this.asking || now >= this.quietUntil ? 0 : this.closedUntil - now;
  }

  spend(now: number): Spent {
    this.lastUsed = now;
    if (this.held > 0) {
      this.held--;
      if (this.held <= this.supply.batch >> 1 && !this.asking && now >= this.quietUntil) this.ask();
      return 0;
    }
    if (now < this.quietUntil) return this.closedUntil - now;
    if (this.supply.isAway(now)) return this.spendOwn(now);
    const answer = new Promise<number>((resolve) => this.waiting.push(resolve));
    if (!this.asking) this.ask();
    return answer;
  }

  private spendOwn(now: number): number {
    const waitMs = this.supply.alone(this, now);
    this.aloneUntil = waitMs > 0 ? now + waitMs : 0;
    return waitMs;
  }

  /** A request that another limit refused has not spent it. */
  unspend(): void {
    this.held++;
  }

  /** What nobody needed for a while goes back, so that it is not missing elsewhere. */
  giveBack(): void {
    const { held } = this;
    if (held === 0 || this.asking) return;
    this.held = 0;
    this.supply.take(this.key, -held).catch(() => undefined);
  }

  get isIdle(): boolean {
    return this.held === 0 && !this.asking;
  }

  private ask(): void {
    this.asking = true;
    const want = Math.max(1, this.supply.batch - this.held) + Math.max(0, this.waiting.length - 1);
    this.supply.take(this.key, want).then(
      ({ taken, waitMs }) => {
        const at = this.now();
        this.supply.heard(true, at);
        this.asking = false;
        this.own = undefined;
        this.aloneUntil = 0;
        this.held += taken;
        this.closedUntil = taken < want ? at + waitMs : 0;
        this.quietUntil = taken < want ? at + Math.min(waitMs, RECHECK_MS) : 0;
        this.handOut(at);
      },
      () => {
        const at = this.now();
        this.supply.heard(false, at);
        this.asking = false;
        for (const told of this.waiting.splice(0)) told(this.spendOwn(at));
      },
    );
  }

  private handOut(at: number): void {
    while (this.held > 0 && this.waiting.length > 0) {
      this.held--;
      this.waiting.shift()?.(0);
    }
    if (this.waiting.length === 0) return;
    if (at >= this.quietUntil) this.ask();
    else for (const told of this.waiting.splice(0)) told(Math.max(1, this.closedUntil - at));
  }
}

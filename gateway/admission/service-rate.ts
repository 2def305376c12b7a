/**
 * How long until a slot is likely free, from what one lane has finished in the seconds before: those who were turned away lately come
 * back first, so the wait is their number over the rate. RFC 9110 §10.2.3: whole seconds.
 */
const SHORTEST_S = 1;
const LONGEST_S = 30;
/** Weight of the newest second. */
const NEWEST = 0.3;

export class ServiceRate {
  #perSecond = 0;
  #seconds = SHORTEST_S;
  #turn = 0;

  /** Once a second: what ended within it, and how many were refused. */
  beat(finished: number, refused: number): void {
    this.#perSecond = this.#perSecond === 0 ? finished : this.#perSecond + NEWEST * (finished - this.#perSecond);
    if (refused === 0) this.#seconds = SHORTEST_S;
    // Nothing ends and nobody knows when something will: each second of it doubles the guess.
    else if (this.#perSecond < 0.01) this.#seconds = Math.min(LONGEST_S, 2 * this.#seconds);
    else this.#seconds = Math.min(LONGEST_S, Math.max(SHORTEST_S, Math.ceil((refused + 1) / this.#perSecond)));
  }

  /** What to tell the next one who is refused: between the wait and twice as long, in turn, so that they do not come back as one. */
  next(): number {
    this.#turn = this.#turn >= this.#seconds ? 0 : this.#turn + 1;
    return Math.min(LONGEST_S, this.#seconds + this.#turn);
  }

  /** Without the spread; 1…30. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Requests per second, smoothed. */
  get perSecond(): number {
    return this.#perSecond;
  }
}

/** Which request stands behind which: one pair of links per request serves every queue, since a request waits in one place at a time. */

export const NOBODY = -1;

export class Links {
  #next = new Int32Array(1024);
  #previous = new Int32Array(1024);

  next(request: number): number {
    return this.#next[request] ?? NOBODY;
  }

  previous(request: number): number {
    return this.#previous[request] ?? NOBODY;
  }

  setNext(request: number, other: number): void {
    this.#next[request] = other;
  }

  setPrevious(request: number, other: number): void {
    this.#previous[request] = other;
  }

  /** Makes room for at least so many requests. */
  grow(atLeast: number): void {
    const [next, previous] = [this.#next, this.#previous];
    if (atLeast <= next.length) return;
    const capacity = Math.max(atLeast, 2 * next.length);
    this.#next = new Int32Array(capacity);
    this.#previous = new Int32Array(capacity);
    this.#next.set(next);
    this.#previous.set(previous);
  }
}

/** Requests that have no whole answer yet, and the wait for the last of them. */

export class InFlight {
  #count = 0;
  #settled: (() => void) | undefined;

  get count(): number {
    return this.#count;
  }

  enter(): void {
    this.#count++;
  }

  leave(): void {
    this.#count--;
    if (this.#count === 0) this.#settled?.();
  }

  /** Resolves when nothing is in flight, or after so many ms with the number of requests that still are. */
  async settle(deadlineMs: number): Promise<number> {
    if (this.#count === 0) return 0;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      this.#settled = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return this.#count;
  }
}

/** Requests that have no whole answer yet, and the wait for the last of them. */
import { setTimeout as pause } from "node:timers/promises";

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

  /** As settle, but not before `idleMs` have passed: what comes meanwhile is waited for too. */
  async drain(deadlineMs: number, idleMs: number): Promise<number> {
    const end = performance.now() + deadlineMs;
    const cut = await this.settle(deadlineMs);
    if (idleMs === 0 || cut > 0) return cut;
    await pause(Math.min(idleMs, deadlineMs), undefined, { ref: false });
    return await this.settle(Math.max(0, end - performance.now()));
  }
}

/** Watches the workers while a load runs: CPU at the borders of the steps, memory in between. */
import type { Clock } from "./generator.ts";
import type { Probe, WorkerReading } from "./probe.ts";

export class Watch {
  readonly #probe: Probe;
  readonly #clock: Clock;
  #failure: string | undefined;
  #peakBytes = 0;
  #cancel = (): void => undefined;
  #isStopped = false;

  constructor(probe: Probe, clock: Clock) {
    this.#probe = probe;
    this.#clock = clock;
  }

  get source(): string {
    return this.#probe.source;
  }

  /** Why the workers cannot be read (any more). */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Samples memory from now on. */
  start(): void {
    this.#cancel = this.#clock.after(this.#probe.everyMs, () => {
      void this.read().then(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  /** One reading per worker. After the first failure always undefined: figures from before and after it do not belong together. */
  async read(): Promise<readonly WorkerReading[] | undefined> {
    if (this.#failure !== undefined) return undefined;
    const readings = await this.#probe.read();
    if (typeof readings === "string") {
      this.#failure ??= readings;
      return undefined;
    }
    this.#peakBytes = Math.max(this.#peakBytes, sumOfBytes(readings));
    return readings;
  }

  /** The greatest memory since the last call, bytes. */
  takePeak(): number {
    const peak = this.#peakBytes;
    this.#peakBytes = 0;
    return peak;
  }
}

/** Resident memory of all workers together. */
export function sumOfBytes(readings: readonly WorkerReading[]): number {
  return readings.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
}

/** CPU seconds of each worker between two readings; undefined when one of them is missing. */
export function cpuBetween(
  before: readonly WorkerReading[] | undefined,
  after: readonly WorkerReading[] | undefined,
): Readonly<Record<string, number>> | undefined {
  if (before === undefined || after === undefined) return undefined;
  return Object.fromEntries(
    after.map(({ worker, cpuSeconds }, index) => [worker, cpuSeconds - (before[index]?.cpuSeconds ?? 0)]),
  );
}

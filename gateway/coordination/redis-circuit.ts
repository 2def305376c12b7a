/**
 * The circuit breaker before Redis: after some failures in a row nobody waits for it any more, until it answers a probe in the background or a
 * connection to it comes anew. Only silence and lost connections are failures; an error that Redis answers is an answer.
 */
import type { Log } from "../telemetry/index.ts";

export type CircuitOptions = {
  /** Failures in a row that open it, ≥ 1; default 3. */
  readonly circuitFailures?: number | undefined;
  /** Longest pause between two probes while it is open; default 30 000. */
  readonly circuitOpenMs?: number | undefined;
  /** Told of every change. */
  readonly circuitChanged?: ((isOpen: boolean) => void) | undefined;
};

const FIRST_PROBE_MS = 250;

export class RedisCircuit {
  readonly #failuresToOpen: number;
  readonly #longestMs: number;
  readonly #changed: ((isOpen: boolean) => void) | undefined;
  readonly #probe: () => Promise<unknown>;
  readonly #log: Log;
  #failures = 0;
  #isOpen = false;
  #timer: NodeJS.Timeout | undefined;

  /** `probe` asks Redis directly and ends within the time of a command. */
  constructor(options: CircuitOptions, probe: () => Promise<unknown>, log: Log) {
    this.#failuresToOpen = options.circuitFailures ?? 3;
    this.#longestMs = options.circuitOpenMs ?? 30_000;
    this.#changed = options.circuitChanged;
    this.#probe = probe;
    this.#log = log;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  answered(): void {
    this.#failures = 0;
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    this.#log.info("state.redis_circuit_closed");
    this.#changed?.(false);
  }

  failed(): void {
    if (++this.#failures < this.#failuresToOpen || this.#isOpen) return;
    this.#isOpen = true;
    this.#log.warn("state.redis_circuit_open", { failures: this.#failures });
    this.#changed?.(true);
    this.#probeIn(Math.min(FIRST_PROBE_MS, this.#longestMs));
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #probeIn(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#probe().then(
        () => this.answered(),
        () => {
          if (this.#isOpen) this.#probeIn(Math.min(ms * 2, this.#longestMs));
        },
      );
    }, ms);
    this.#timer.unref();
  }
}

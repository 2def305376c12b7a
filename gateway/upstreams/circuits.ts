/**
 * Circuit breakers: an upstream that could not be reached several times in a row is left alone for a while, then asked once. Only opening
 * counts (connecting, the handshake, a session): a slow tool is no dead upstream. Upstreams without trouble have no entry.
 */
import { type Fault, fault } from "../../contract/errors.ts";
import { isOpeningFailure } from "./failures.ts";
import type { UpstreamTarget } from "./types.ts";

export type CircuitState = "closed" | "open" | "half-open";

export type CircuitOptions = {
  /** Failures in a row that open a circuit; 0 = none is ever opened. */
  readonly threshold: number;
  /** How long an open circuit refuses, ms. */
  readonly resetMs: number;
  readonly now: () => number;
};

/** Told of every change; `hinted`: another worker saw it first. */
export type CircuitListener = (id: string, revision: string, state: "closed" | "open", hinted: boolean) => void;

type Circuit = {
  readonly target: UpstreamTarget;
  failures: number;
  /** When the next attempt may be made; undefined while it is closed. */
  openUntil: number | undefined;
  isProbed: boolean;
};

/** What is known of a circuit that is not at rest. */
export type CircuitView = {
  readonly id: string;
  readonly slug: string;
  readonly state: CircuitState;
  readonly failures: number;
  /** Until the next attempt. */
  readonly retryMs: number;
};

export class Circuits {
  readonly #options: CircuitOptions;
  readonly #troubled = new Map<string, Circuit>();
  readonly #listeners = new Set<CircuitListener>();
  /** One failure may come by on several ways. */
  readonly #seen = new WeakSet<Fault>();

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  /**
   * False: go on. True: go on, and nobody else does until `settle` was called with what came of it. Throws MCPS_UPSTREAM_CIRCUIT, with
   * Retry-After, while the upstream is left alone.
   */
  enter(target: UpstreamTarget): boolean {
    if (this.#troubled.size === 0) return false;
    const circuit = this.#of(target);
    if (circuit?.openUntil === undefined) return false;
    const waitMs = circuit.openUntil - this.#options.now();
    if (waitMs > 0 || circuit.isProbed) throw circuitFault(target, circuit.failures, waitMs);
    circuit.isProbed = true;
    return true;
  }

  isOpen(target: UpstreamTarget): boolean {
    return this.#troubled.size > 0 && this.#of(target)?.openUntil !== undefined;
  }

  /** Opening ended: well without a fault, or with one that says that somebody answers there. */
  settle(target: UpstreamTarget, failure?: Fault): void {
    if (failure !== undefined && isOpeningFailure(failure)) {
      if (!this.#seen.has(failure)) this.#failed(target);
      this.#seen.add(failure);
    } else if (this.#troubled.size > 0) this.#close(target.id, target.revision, false);
  }

  /** The target of an open circuit. */
  openTarget(id: string): UpstreamTarget | undefined {
    const circuit = this.#troubled.get(id);
    return circuit?.openUntil === undefined ? undefined : circuit.target;
  }

  /** Another worker has opened or closed a circuit: taken over where nothing better is known. */
  hint(target: UpstreamTarget, state: "closed" | "open"): void {
    if (this.#options.threshold === 0) return;
    const known = this.#of(target);
    if (state === "closed") this.#close(target.id, target.revision, true);
    else if (known?.openUntil === undefined) {
      const circuit = known ?? this.#add(target);
      circuit.failures = Math.max(circuit.failures, this.#options.threshold);
      this.#open(target, circuit, true);
    }
  }

  forget(id: string): void {
    const circuit = this.#troubled.get(id);
    if (circuit !== undefined) this.#close(id, circuit.target.revision, true);
  }

  onChange(listener: CircuitListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Those that have failed last; all others are closed. */
  views(): CircuitView[] {
    const now = this.#options.now();
    return [...this.#troubled].map(([id, { target, failures, openUntil, isProbed }]) => {
      const retryMs = openUntil === undefined ? 0 : Math.max(0, openUntil - now);
      const state = openUntil === undefined ? "closed" : retryMs > 0 && !isProbed ? "open" : "half-open";
      return { id, slug: target.slug, state, failures, retryMs };
    });
  }

  #of({ id, revision }: UpstreamTarget): Circuit | undefined {
    const circuit = this.#troubled.get(id);
    return circuit?.target.revision === revision ? circuit : undefined;
  }

  #add(target: UpstreamTarget): Circuit {
    const circuit: Circuit = { target, failures: 0, openUntil: undefined, isProbed: false };
    this.#troubled.set(target.id, circuit);
    return circuit;
  }

  #failed(target: UpstreamTarget): void {
    const { threshold, now } = this.#options;
    if (threshold === 0) return;
    const circuit = this.#of(target) ?? this.#add(target);
    // What was under way when the circuit opened says nothing new.
    if (circuit.openUntil !== undefined && !circuit.isProbed && now() < circuit.openUntil) return;
    circuit.failures++;
    circuit.isProbed = false;
    if (circuit.failures >= threshold) this.#open(target, circuit, false);
  }

  #open({ id, revision }: UpstreamTarget, circuit: Circuit, hinted: boolean): void {
    circuit.openUntil = this.#options.now() + this.#options.resetMs;
    this.#tell(id, revision, "open", hinted);
  }

  #close(id: string, revision: string, hinted: boolean): void {
    const circuit = this.#troubled.get(id);
    if (circuit?.target.revision !== revision) return;
    this.#troubled.delete(id);
    if (circuit.openUntil !== undefined) this.#tell(id, revision, "closed", hinted);
  }

  #tell(id: string, revision: string, state: "closed" | "open", hinted: boolean): void {
    for (const listener of this.#listeners) listener(id, revision, state, hinted);
  }
}

function circuitFault({ slug }: UpstreamTarget, failures: number, waitMs: number): Fault {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  const values = { upstream: slug, failures, seconds };
  return fault("MCPS_UPSTREAM_CIRCUIT", values, { retryAfterSeconds: seconds }, { "retry-after": String(seconds) });
}

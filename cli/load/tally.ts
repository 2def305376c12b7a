/** What happened in one step of a load test, counted. */
import { Histogram } from "./histogram.ts";

export class Tally {
  /** Of good answers and of timeouts, ms; a refusal comes quickly and would flatter. */
  readonly latency = new Histogram();
  /** How late the generator itself was with arrivals at a rate, ms. */
  readonly lateness = new Histogram();
  readonly failures = new Map<string, number>();
  /** The first failure of all, cut to what a person reads. */
  firstFailure: string | undefined;
  good = 0;
  /** Good answers before the step's end: its throughput. */
  goodInTime = 0;
  failed = 0;
  /** Failures with HTTP 503: the gateway said that it cannot now. */
  shed = 0;
  /** Arrivals that found no connection before the step ended. */
  unsent = 0;
  /** In flight when the run was interrupted. */
  cut = 0;
  maxInFlight = 0;
  seconds = 0;

  answered(ms: number, isInTime: boolean): void {
    this.latency.record(ms);
    this.good += 1;
    if (isInTime) this.goodInTime += 1;
  }

  failedWith(kind: string, ms: number, detail: string): void {
    this.failed += 1;
    this.failures.set(kind, (this.failures.get(kind) ?? 0) + 1);
    if (kind.startsWith("HTTP 503")) this.shed += 1;
    if (kind === "timeout") this.latency.record(ms);
    this.firstFailure ??= `${kind}${detail === "" ? "" : `: ${detail.slice(0, 400)}`}`;
  }

  get requests(): number {
    return this.good + this.failed;
  }

  get throughput(): number {
    return this.seconds > 0 ? this.goodInTime / this.seconds : 0;
  }

  add(other: Tally): void {
    this.latency.add(other.latency);
    this.lateness.add(other.lateness);
    for (const [kind, count] of other.failures) this.failures.set(kind, (this.failures.get(kind) ?? 0) + count);
    this.firstFailure ??= other.firstFailure;
    this.good += other.good;
    this.goodInTime += other.goodInTime;
    this.failed += other.failed;
    this.shed += other.shed;
    this.unsent += other.unsent;
    this.cut += other.cut;
    this.maxInFlight = Math.max(this.maxInFlight, other.maxInFlight);
    this.seconds += other.seconds;
  }
}

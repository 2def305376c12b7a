/**
 * The HorizontalPodAutoscaler's arithmetic (Kubernetes documentation, "Horizontal Pod Autoscaling" and its `behavior`): a proposal from the
 * utilisation, held back by tolerance, stabilisation and the policies.
 */
import type { Plan } from "../../contract/plan.ts";

/** --horizontal-pod-autoscaler-sync-period and -tolerance, their defaults. */
export const SYNC_S = 15;
export const TOLERANCE = 0.1;

export type Observed = {
  readonly atS: number;
  /** As many as were asked for last. */
  readonly replicas: number;
  readonly ready: number;
  readonly starting: number;
  /** Processor use of the ready ones, percent of their requests. */
  readonly usePercent: number;
};

export class Autoscaler {
  readonly #rules: Plan["autoscaling"];
  readonly #proposals: { readonly atS: number; readonly replicas: number }[] = [];
  readonly #changes: { readonly atS: number; readonly by: number }[] = [];

  constructor(rules: Plan["autoscaling"]) {
    this.#rules = rules;
  }

  /** Replicas to ask for from now on. */
  decide(observed: Observed): number {
    const { atS, replicas } = observed;
    const stabilised = this.#stabilise(atS, this.#propose(observed));
    const allowed = Math.min(this.#mostAfter(atS, replicas), Math.max(this.#fewestAfter(atS, replicas), stabilised));
    const next = Math.min(this.#rules.max, Math.max(this.#rules.min, allowed));
    if (next !== replicas) this.#changes.push({ atS, by: next - replicas });
    return next;
  }

  /** ⌈ready · use ÷ target⌉ outside the tolerance; replicas that still start count as idle when it is about adding. */
  #propose({ replicas, ready, starting, usePercent }: Observed): number {
    if (ready === 0) return replicas;
    const ratio = usePercent / this.#rules.targetCpuPercent;
    if (Math.abs(ratio - 1) <= TOLERANCE) return replicas;
    if (ratio < 1 || starting === 0) return Math.ceil(ready * ratio);
    const withStarting = (ratio * ready) / (ready + starting);
    if (withStarting <= 1 + TOLERANCE) return replicas;
    return Math.ceil((ready + starting) * withStarting);
  }

  /** Never below what was proposed within the stabilisation window of scaling down. */
  #stabilise(atS: number, proposed: number): number {
    this.#proposals.push({ atS, replicas: proposed });
    const since = atS - this.#rules.scaleDownStabilisationS;
    return Math.max(...this.#proposals.filter((one) => one.atS > since).map(({ replicas }) => replicas));
  }

  #mostAfter(atS: number, replicas: number): number {
    const { scaleUpPods, scaleUpPercent, scaleUpPeriodS } = this.#rules;
    const base = replicas - this.#changed(atS - scaleUpPeriodS, 1);
    return Math.max(base + scaleUpPods, Math.ceil(base * (1 + scaleUpPercent / 100)));
  }

  #fewestAfter(atS: number, replicas: number): number {
    const { scaleDownPercent, scaleDownPeriodS } = this.#rules;
    const base = replicas - this.#changed(atS - scaleDownPeriodS, -1);
    return Math.floor(base * (1 - scaleDownPercent / 100));
  }

  /** Sum of the changes in one direction since a time. */
  #changed(since: number, direction: 1 | -1): number {
    return this.#changes
      .filter(({ atS, by }) => atS > since && Math.sign(by) === direction)
      .reduce((sum, { by }) => sum + by, 0);
  }
}

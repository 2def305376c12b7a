/**
 * When a failed request is sent again: only where that is safe, not more often than a share of the requests to that upstream, later each
 * time, and when the upstream says when, then.
 */
import type { Fault } from "../../contract/errors.ts";
import { refusalOf } from "./failures.ts";

export type RetryOptions = {
  /** Attempts of one request, the first included; 1 = none is repeated. */
  readonly attempts: number;
  readonly baseMs: number;
  readonly maxMs: number;
  /** Of the delay, how much is added by chance at most; 0.5 = up to half of it. */
  readonly jitter: number;
  /** Of the requests to an upstream, how many may be repeated: 0.2 = one in five. */
  readonly budget: number;
  /** 0 ≤ value < 1. */
  readonly random?: () => number;
};

/** Repetitions that an upstream with little traffic has in stock, and the most that calm times save up. */
const RESERVE = 10;
/** Statuses by which servers and proxies say that they could not serve just now (RFC 9110 §15.6, RFC 6585 §4). */
const PASSING = new Set([429, 502, 503, 504]);

export type Attempt = {
  readonly upstreamId: string;
  readonly failure: Fault;
  /** From 1. */
  readonly number: number;
  /** Nothing of the request has left the gateway. */
  readonly unsent: boolean;
  readonly repeatable: boolean;
  /** Until the request has to be answered; Infinity without a limit. */
  readonly remainingMs: number;
};

export class Retries {
  readonly #options: RetryOptions;
  readonly #random: () => number;
  /** Repetitions left, by upstream. */
  readonly #left = new Map<string, number>();

  constructor(options: RetryOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  /** A request goes to an upstream for the first time: part of a repetition is earned. */
  began(upstreamId: string): void {
    if (this.#options.attempts <= 1) return;
    const left = this.#left.get(upstreamId) ?? RESERVE;
    if (left < RESERVE) this.#left.set(upstreamId, Math.min(RESERVE, left + this.#options.budget));
  }

  /** How long to wait before the next attempt, ms; undefined: there is none. Spends from the budget. */
  next(attempt: Attempt): number | undefined {
    const { attempts, budget } = this.#options;
    if (attempt.number >= attempts || !isPassing(attempt)) return undefined;
    const waitMs = this.#delay(attempt);
    if (waitMs === undefined || waitMs >= attempt.remainingMs) return undefined;
    const left = this.#left.get(attempt.upstreamId) ?? RESERVE;
    if (left < 1 || budget === 0) return undefined;
    this.#left.set(attempt.upstreamId, left - 1);
    return waitMs;
  }

  forget(upstreamId: string): void {
    this.#left.delete(upstreamId);
  }

  /** Undefined: the upstream wants more time than we would give it. */
  #delay({ number, failure }: Attempt): number | undefined {
    const { baseMs, maxMs, jitter } = this.#options;
    const backOffMs = Math.min(maxMs, baseMs * 2 ** (number - 1));
    const wantedMs = refusalOf(failure)?.retryAfterMs;
    if (wantedMs !== undefined && wantedMs > maxMs) return undefined;
    return Math.max(wantedMs ?? 0, backOffMs) + backOffMs * jitter * this.#random();
  }
}

function isPassing({ failure, unsent, repeatable }: Attempt): boolean {
  if (!unsent && !repeatable) return false;
  if (failure.code === "MCPS_UPSTREAM_UNREACHABLE") return true;
  return failure.code === "MCPS_UPSTREAM_STATUS" && PASSING.has(refusalOf(failure)?.status ?? 0);
}

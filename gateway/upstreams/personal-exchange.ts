/** A request to a target that goes with an access token: it begins when there is one, and again, once, when the upstream refuses that one. */
import { Fault } from "../../contract/errors.ts";
import type { Envelope } from "../mcp/index.ts";
import { refusalOf } from "./failures.ts";
import type { Personal } from "./personal.ts";
import type { Exchange, ReplySink, UpstreamTarget } from "./types.ts";
import { faultOf } from "./wire.ts";

const UNAUTHORIZED = 401;

export class PersonalExchange implements Exchange, ReplySink {
  readonly #personal: Personal;
  readonly #target: UpstreamTarget;
  readonly #sink: ReplySink;
  readonly #launch: (fitted: UpstreamTarget, sink: ReplySink) => Exchange;
  #inner: Exchange | undefined;
  #fitted: UpstreamTarget | undefined;
  #isAgain = false;
  #paused = false;
  #begun = false;
  #over = false;

  constructor(
    personal: Personal,
    target: UpstreamTarget,
    sink: ReplySink,
    launch: (fitted: UpstreamTarget, sink: ReplySink) => Exchange,
  ) {
    this.#personal = personal;
    this.#target = target;
    this.#sink = sink;
    this.#launch = launch;
  }

  start(): this {
    try {
      const fitted = this.#personal.fit(this.#target);
      if (fitted instanceof Promise) this.#later(fitted);
      else this.#begin(fitted);
    } catch (error) {
      this.fail(faultOf(this.#target, error));
    }
    return this;
  }

  #later(pending: Promise<UpstreamTarget>): void {
    pending.then(
      (fitted) => this.#begin(fitted),
      (error: unknown) => this.fail(faultOf(this.#target, error)),
    );
  }

  #begin(fitted: UpstreamTarget): void {
    if (this.#over) return;
    this.#fitted = fitted;
    this.#inner = this.#launch(fitted, this);
    if (this.#paused) this.#inner.pause?.();
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#inner?.cancel();
  }

  pause(): void {
    this.#paused = true;
    this.#inner?.pause?.();
  }

  resume(): void {
    this.#paused = false;
    this.#inner?.resume?.();
  }

  streaming(): void {
    this.#begun = true;
    if (!this.#over) this.#sink.streaming?.();
  }

  interrupted(retryMs: number): void {
    if (!this.#over) this.#sink.interrupted?.(retryMs);
  }

  message(raw: Buffer, status: number, envelope: Envelope): void {
    this.#begun = true;
    if (!this.#over) this.#sink.message(raw, status, envelope);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink.end();
  }

  fail(failure: Fault): void {
    if (this.#over) return;
    const used = this.#fitted;
    if (used !== undefined && !this.#begun && !this.#isAgain && isUnauthorised(failure)) {
      this.#isAgain = true;
      this.#later(this.#personal.refit(this.#target, used));
      return;
    }
    this.#over = true;
    this.#sink.fail(failure);
  }
}

/** Work with a fitted target, once more when the upstream refuses the token. */
export async function withToken<T>(
  personal: Personal,
  target: UpstreamTarget,
  work: (fitted: UpstreamTarget) => Promise<T>,
): Promise<T> {
  const fitted = await personal.fit(target);
  try {
    return await work(fitted);
  } catch (error) {
    if (target.oauth === undefined || !isUnauthorised(error)) throw error;
    return work(await personal.refit(target, fitted));
  }
}

function isUnauthorised(failure: unknown): boolean {
  return failure instanceof Fault && refusalOf(failure)?.status === UNAUTHORIZED;
}

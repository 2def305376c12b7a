/**
 * One HTTP exchange on a pool, without promises, streams or signals: undici calls the handler, the handler calls the
 * receiver. It retries once when a kept-alive socket was closed under the request before anything came back.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { type PoolPair, wasKeptAlive } from "./origins.ts";

export type HttpRequest = {
  readonly pair: PoolPair;
  readonly method: "POST" | "GET" | "DELETE" | "PUT";
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Buffer | null;
  /** True for streams that stay open: they use connections of their own. */
  readonly stream: boolean;
};

/** head, data*, then end or failed. `failed` may come at any time before end. Nothing comes after abort(). */
export type HttpReceiver = {
  head(status: number, headers: IncomingHttpHeaders): void;
  data(chunk: Buffer): void;
  end(): void;
  /** `begun`: a part of the response had arrived. */
  failed(error: Error, begun: boolean): void;
};

/**
 * A server that closes an idle socket does it before it reads our request, so the news is here within a round trip. A socket
 * that dies later may have died in the middle of the work; sending again could do that work twice.
 */
const RACE_WINDOW_MS = 1000;
const ABORTED = new Error("the exchange was ended by the gateway");

export class Flight implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #receiver: HttpReceiver;
  readonly #onRetry: (() => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #over = false;
  #begun = false;
  #retried = false;
  #startedAt = 0;

  constructor(request: HttpRequest, receiver: HttpReceiver, onRetry?: () => void) {
    this.#request = request;
    this.#receiver = receiver;
    this.#onRetry = onRetry;
  }

  /** Throws MCPS_OVERLOADED; every other failure goes to the receiver. */
  start(): this {
    const { pair, stream } = this.#request;
    const pool = pair.enter(stream);
    this.#dispatch(pool);
    return this;
  }

  /** Destroys the connection when the response is not complete. Idempotent. */
  abort(): void {
    if (this.#over) return;
    this.#finish();
    this.#controller?.abort(ABORTED);
  }

  #dispatch(pool: Dispatcher): void {
    const { path, method, headers, body } = this.#request;
    // undici's type asks for a mutable array, but it only reads it.
    pool.dispatch({ path, method, headers: headers as string[], body }, this);
  }

  #finish(): void {
    this.#over = true;
    this.#request.pair.leave(this.#request.stream);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#over) {
      controller.abort(ABORTED);
      return;
    }
    this.#controller = controller;
    this.#startedAt = performance.now();
  }

  onResponseStarted(): void {
    this.#begun = true;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.#over || status < 200) return;
    this.#begun = true;
    this.#receiver.head(status, headers);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over) this.#receiver.data(chunk);
  }

  onResponseEnd(): void {
    if (this.#over) return;
    this.#finish();
    this.#receiver.end();
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#over) return;
    if (this.#mayRetry(error)) {
      this.#retried = true;
      this.#controller = undefined;
      this.#request.pair.leave(this.#request.stream);
      this.#onRetry?.();
      const pool = this.#request.pair.enter(this.#request.stream);
      this.#dispatch(pool);
      return;
    }
    this.#finish();
    this.#receiver.failed(error, this.#begun);
  }

  #mayRetry(error: Error): boolean {
    if (this.#begun || this.#retried || this.#controller === undefined) return false;
    if (performance.now() - this.#startedAt > RACE_WINDOW_MS) return false;
    const code = "code" in error ? error.code : undefined;
    if (code !== "UND_ERR_SOCKET" && code !== "ECONNRESET" && code !== "EPIPE") return false;
    return wasKeptAlive(error);
  }
}

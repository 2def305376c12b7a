/**
 * One HTTP exchange on a pool, without promises, streams or signals: the lean client, or undici where more than a plain socket is
 * needed, calls the flight, the flight calls the receiver. It retries once when a kept-alive socket was closed under the request
 * before anything came back.
 */
import type { Dispatcher } from "undici";
import type { Connection, Transfer } from "./lean/connection.ts";
import type { ConnectionPool } from "./lean/pool.ts";
import { headOf } from "./lean/request-head.ts";
import type { AnswerHeaders } from "./lean/response-head.ts";
import { type PoolPair, wasKeptAlive } from "./origins.ts";

export type HttpRequest = {
  readonly pair: PoolPair;
  readonly method: "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Buffer | null;
  /** True for streams that stay open: they use connections of their own. */
  readonly stream: boolean;
  /** It may be carried out twice. What may not is sent again only while none of it has left this process. */
  readonly repeatable: boolean;
  /** The server is any HTTP server, not one of MCP: undici knows all that such ones do (HEAD, codings). */
  readonly general?: true;
};

/** head, data*, then end or failed. `failed` may come at any time before end. Nothing comes after abort(). */
export type HttpReceiver = {
  head(status: number, headers: AnswerHeaders): void;
  data(chunk: Buffer): void;
  end(): void;
  /** `begun`: a part of the response had arrived. */
  failed(error: Error, begun: boolean): void;
  /** The request is sent once more. */
  retried?(): void;
};

/**
 * A server that closes an idle socket does it before it reads our request, so the news is here within a round trip. A socket
 * that dies later may have died in the middle of the work; sending again could do that work twice. A server may also take the request
 * and die at once, so within the window too only what may be done twice is sent twice.
 */
const RACE_WINDOW_MS = 1000;
const NOTHING = Buffer.alloc(0);
const ABORTED = new Error("the exchange was ended by the gateway");

export class Flight implements Dispatcher.DispatchHandler, Transfer {
  /** The lean client's: the request and where it is. */
  head: Buffer = NOTHING;
  readonly body: Buffer | null;
  connection: Connection | undefined = undefined;
  readonly #request: HttpRequest;
  readonly #receiver: HttpReceiver;
  #pool: ConnectionPool | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #over = false;
  #begun = false;
  #retried = false;
  #paused = false;
  #startedAt = 0;

  constructor(request: HttpRequest, receiver: HttpReceiver) {
    this.#request = request;
    this.body = request.body;
    this.#receiver = receiver;
  }

  /** Throws MCPS_OVERLOADED; every other failure goes to the receiver. */
  start(): this {
    const { pair, stream } = this.#request;
    if (pair.isPlain && this.#request.general === undefined) this.#send(pair.enterPlain(stream));
    else this.#dispatch(pair.enter(stream));
    return this;
  }

  /** False while it waits for one. */
  get hasConnection(): boolean {
    return this.connection !== undefined || this.#controller !== undefined || this.#over;
  }

  /** Destroys the connection when the response is not complete. Idempotent. */
  abort(): void {
    if (this.#over) return;
    this.#finish();
    this.#pool?.abandon(this);
    this.#controller?.abort(ABORTED);
  }

  /** Stops reading from the socket; at most what has been read already still comes. The time limits of a call go on. */
  pause(): void {
    this.#paused = true;
    this.connection?.pause();
    this.#controller?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.connection?.resume();
    this.#controller?.resume();
  }

  #finish(): void {
    this.#over = true;
    this.#request.pair.leave(this.#request.stream);
  }

  #fail(error: Error): void {
    this.#finish();
    this.#receiver.failed(error, this.#begun);
  }

  #send(pool: ConnectionPool): void {
    const { pair, method, path, headers, body } = this.#request;
    this.#pool = pool;
    try {
      this.head = headOf(method, path, pair.host, headers, body !== null);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    pool.send(this, performance.now());
  }

  responseHead(status: number, headers: AnswerHeaders): void {
    if (this.#paused) this.connection?.pause();
    this.#receiver.head(status, headers);
  }

  responseData(chunk: Buffer): void {
    this.#receiver.data(chunk);
  }

  responseEnd(): void {
    if (this.#over) return;
    this.#finish();
    try {
      this.#receiver.end();
    } catch (error) {
      this.#receiver.failed(error instanceof Error ? error : new Error(String(error)), true);
    }
  }

  responseFailed(error: Error, begun: boolean, reusedAt: number | undefined, written: boolean): void {
    if (this.#over) return;
    this.#begun = begun;
    if (reusedAt === undefined || !this.#mayRetry(error, reusedAt, written)) {
      this.#fail(error);
      return;
    }
    this.#retried = true;
    this.#receiver.retried?.();
    this.#pool?.sendAfresh(this);
  }

  #dispatch(pool: Dispatcher): void {
    const { path, method, headers, body } = this.#request;
    // undici's type asks for a mutable array, but it only reads it.
    pool.dispatch({ path, method, headers: headers as string[], body }, this);
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

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    if (this.#over || status < 200) return;
    this.#begun = true;
    if (this.#paused) this.#controller?.pause();
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
    if (this.#controller === undefined || !this.#mayRetry(error, this.#startedAt, true) || !wasKeptAlive(error)) {
      this.#fail(error);
      return;
    }
    this.#retried = true;
    this.#controller = undefined;
    this.#request.pair.leave(this.#request.stream);
    this.#receiver.retried?.();
    const pool = this.#request.pair.enter(this.#request.stream);
    this.#dispatch(pool);
  }

  #mayRetry(error: Error, sentAt: number, written: boolean): boolean {
    if (written && !this.#request.repeatable) return false;
    if (this.#begun || this.#retried || performance.now() - sentAt > RACE_WINDOW_MS) return false;
    const code = "code" in error ? error.code : undefined;
    return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
  }
}

/** One HTTP request of a REST tool and its whole answer: bounded in time and bytes, ended when the caller cancels. */
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, zstdDecompress } from "node:zlib";
import { Fault } from "../../../contract/errors.ts";
import type { Prepared } from "../address.ts";
import type { CallParts } from "../call.ts";
import type { Expiring } from "../deadlines.ts";
import { busyFault, networkFault, protocolFault, timeoutFault, tooLargeFault } from "../failures.ts";
import { Flight, type HttpReceiver } from "../flight.ts";
import type { AnswerHeaders } from "../lean/response-head.ts";
import { first, mediaType } from "../messages.ts";
import type { PoolPair } from "../origins.ts";
import { isIdempotent } from "./operation.ts";
import type { RestRequest } from "./request.ts";
import type { HttpAnswer } from "./result.ts";

export type RestReceiver = { answered(answer: HttpAnswer): void; failed(fault: Fault): void };

const DECODERS: Readonly<Record<string, (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
};

export class RestExchange implements HttpReceiver, Expiring {
  before: Expiring | undefined = undefined;
  after: Expiring | undefined = undefined;
  expiresAt = 0;
  readonly #parts: CallParts;
  readonly #prepared: Prepared;
  readonly #receiver: RestReceiver;
  readonly #flight: Flight;
  readonly #pair: PoolPair;
  readonly #timeoutMs: number;
  #turn: Expiring | undefined;
  #status = 0;
  #headers: AnswerHeaders = {};
  #chunks: Buffer[] = [];
  #bytes = 0;
  #over = false;

  /** `timeoutMs` 0 = none: the caller cancels. */
  constructor(
    parts: CallParts,
    prepared: Prepared,
    pair: PoolPair,
    request: RestRequest,
    headers: readonly string[],
    timeoutMs: number,
    receiver: RestReceiver,
  ) {
    this.#parts = parts;
    this.#prepared = prepared;
    this.#pair = pair;
    this.#receiver = receiver;
    this.#timeoutMs = timeoutMs;
    const { method, path, body } = request;
    this.#flight = new Flight(
      { pair, method, path, headers, body, stream: false, repeatable: isIdempotent(method), general: true },
      this,
    );
  }

  start(): this {
    const { deadlines, connectionWaitMs } = this.#parts;
    if (this.#timeoutMs > 0) deadlines.add(this, this.#timeoutMs);
    if (this.#pair.isBusy && connectionWaitMs > 0) {
      const expired = () => this.#waited(connectionWaitMs);
      this.#turn = { before: undefined, after: undefined, expiresAt: 0, expired };
      deadlines.add(this.#turn, connectionWaitMs);
    }
    try {
      this.#flight.start();
    } catch (error) {
      this.#fail(error instanceof Fault ? error : this.#network(error, false));
    }
    return this;
  }

  cancel(): void {
    if (this.#over) return;
    this.#settle();
    this.#flight.abort();
  }

  pause(): void {
    if (!this.#over) this.#flight.pause();
  }

  resume(): void {
    if (!this.#over) this.#flight.resume();
  }

  retried(): void {
    this.#parts.retried(this.#prepared.target);
  }

  expired(): void {
    this.#fail(timeoutFault(this.#prepared.target, "tools/call", this.#timeoutMs));
  }

  #waited(ms: number): void {
    if (!this.#flight.hasConnection) this.#fail(busyFault(this.#prepared.target, ms));
  }

  head(status: number, headers: AnswerHeaders): void {
    this.#status = status;
    this.#headers = headers;
  }

  data(chunk: Buffer): void {
    if (this.#over) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#parts.maxMessageBytes) {
      this.#fail(tooLargeFault(this.#prepared.target, this.#parts.maxMessageBytes));
    } else this.#chunks.push(chunk);
  }

  end(): void {
    if (this.#over) return;
    const only = this.#chunks[0];
    const body = this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
    const coding = (first(this.#headers["content-encoding"]) ?? "").trim().toLowerCase();
    if (coding === "" || coding === "identity" || body.length === 0) this.#answer(body);
    else this.#decode(body, coding);
  }

  failed(error: Error, begun: boolean): void {
    this.#fail(this.#network(error, begun));
  }

  /** It was asked for none; some servers compress all the same. */
  #decode(body: Buffer, coding: string): void {
    const { target } = this.#prepared;
    const { maxMessageBytes } = this.#parts;
    const decoder = DECODERS[coding];
    if (decoder === undefined) {
      this.#fail(protocolFault(target, `Content-Encoding of its answer is ${coding.slice(0, 100)}`));
      return;
    }
    decoder(body, { maxOutputLength: maxMessageBytes }).then(
      (plain) => this.#answer(plain),
      (error: unknown) => {
        const isLarge = error instanceof RangeError;
        const reason = `its answer is no valid ${coding}`;
        this.#fail(isLarge ? tooLargeFault(target, maxMessageBytes) : protocolFault(target, reason));
      },
    );
  }

  #answer(body: Buffer): void {
    if (this.#over) return;
    this.#settle();
    const retryAfter = first(this.#headers["retry-after"]);
    const location = first(this.#headers.location);
    this.#receiver.answered({ status: this.#status, type: mediaType(this.#headers), body, retryAfter, location });
  }

  #network(error: unknown, begun: boolean): Fault {
    return networkFault(this.#prepared.target, error instanceof Error ? error : new Error(String(error)), begun);
  }

  #fail(fault: Fault): void {
    if (this.#over) return;
    this.#settle();
    this.#flight.abort();
    this.#receiver.failed(fault);
  }

  #settle(): void {
    this.#over = true;
    this.#chunks = [];
    if (this.expiresAt > 0) this.#parts.deadlines.delete(this);
    if (this.#turn !== undefined && this.#turn.expiresAt > 0) this.#parts.deadlines.delete(this.#turn);
  }
}

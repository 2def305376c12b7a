/**
 * One connection of the HTTP+SSE transport (MCP 2024-11-05): an event stream that names an endpoint, messages posted there, answers
 * on the stream. The upstream's session lives exactly as long as the stream.
 */

import { Fault, fault } from "../../contract/errors.ts";
import { type Envelope, memberAt, scanMessage, sliceAt } from "../mcp/index.ts";
import { type Prepared, withMessageHeaders } from "./address.ts";
import { networkFault, protocolFault, redirectFault, statusFault, timeoutFault, tooLargeFault } from "./failures.ts";
import { Flight } from "./flight.ts";
import {
  type Greeting,
  INITIALIZED,
  type Introduction,
  initializeBody,
  readGreeting,
  refusedFault,
  requestBody,
} from "./handshake.ts";
import type { AnswerHeaders } from "./lean/response-head.ts";
import { ACCEPT_STREAM } from "./line.ts";
import { first, isMalformedNotification, mediaType } from "./messages.ts";
import { isRepeatable } from "./repeatable.ts";
import { SseParser } from "./sse-parser.ts";
import type { Exchange, Holder, ReplySink } from "./types.ts";
import type { Answer, Wire } from "./wire.ts";

const MAX_PENDING = 10_000;
const LINGER_MS = 1000;

type Pending = { readonly sink: ReplySink; readonly method: string; timer: NodeJS.Timeout | undefined };

export type SseConnectionOptions = {
  readonly wire: Wire;
  readonly prepared: Prepared;
  readonly idSource: () => string;
  /** Whose headers are passed on with what the gateway itself sends. */
  readonly from: Pick<Holder, "passed">;
  /** Once, when the connection is of no use any more. */
  readonly onClosed: (reason: Fault) => void;
};

export class SseConnection {
  readonly #options: SseConnectionOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #listeners = new Set<ReplySink>();
  readonly #endpoint = Promise.withResolvers<string>();
  #path = "";
  #version: string | undefined;
  #flight: Flight | undefined;
  #parser: SseParser | undefined;
  #closed: Fault | undefined;

  constructor(options: SseConnectionOptions) {
    this.#options = options;
    this.#endpoint.promise.catch(() => undefined);
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Nobody waits for anything. */
  get idle(): boolean {
    return this.#pending.size === 0 && this.#listeners.size === 0;
  }

  /** Opens the stream and does the handshake. Closes the connection when it rejects. */
  async open(introduction: Introduction): Promise<Greeting> {
    const { prepared, idSource } = this.#options;
    const { target } = prepared;
    const timer = setTimeout(
      () => this.close(timeoutFault(target, "GET", target.requestTimeoutMs)),
      target.requestTimeoutMs,
    );
    try {
      this.#connect();
      this.#path = await this.#endpoint.promise;
      const id = idSource();
      const answer = await this.#ask(id, "initialize", initializeBody(id, introduction));
      const greeting = readGreeting(target, answer.raw, answer.envelope);
      this.#version = greeting.protocolVersion;
      await this.post(INITIALIZED);
      return greeting;
    } catch (error) {
      const reason = error instanceof Fault ? error : protocolFault(target, "its handshake failed");
      this.close(reason);
      throw reason;
    } finally {
      clearTimeout(timer);
    }
  }

  #connect(): void {
    const { wire, prepared } = this.#options;
    const pair = wire.pair(prepared);
    const headers = withMessageHeaders([...prepared.plain, ...ACCEPT_STREAM], prepared, this.#options.from);
    const request = {
      pair,
      method: "GET",
      path: prepared.path,
      headers,
      body: null,
      stream: true,
      repeatable: true,
    } as const;
    this.#flight = new Flight(request, {
      head: (status, answer) => this.#head(status, answer),
      data: (chunk) => {
        if (this.#parser?.push(chunk) === false)
          this.close(tooLargeFault(prepared.target, wire.options.maxMessageBytes));
      },
      end: () => this.close(this.#unreachable("its event stream ended")),
      failed: (error, begun) =>
        this.close(begun ? this.#unreachable("its event stream broke") : networkFault(prepared.target, error, false)),
    });
    this.#flight.start();
  }

  #unreachable(reason: string): Fault {
    return fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: this.#options.prepared.target.slug, reason });
  }

  #head(status: number, headers: AnswerHeaders): void {
    const { wire, prepared } = this.#options;
    const { target } = prepared;
    if (status >= 400) this.close(statusFault(target, "GET", status));
    else if (status >= 300) this.close(redirectFault(target, status, first(headers.location)));
    else if (mediaType(headers) !== "text/event-stream") {
      this.close(protocolFault(target, "it answers GET with no event stream, as HTTP+SSE needs"));
    } else {
      this.#parser = new SseParser(wire.options.maxMessageBytes, (data, type) => this.#event(data, type));
    }
  }

  #event(data: Buffer, type: string): void {
    if (this.closed) return;
    if (type === "endpoint") this.#enter(data.toString());
    else if ((type === "" || type === "message") && data.length > 0) this.#message(data);
  }

  /** The endpoint has to be of the same origin: messages carry the credentials of this upstream. */
  #enter(text: string): void {
    const { prepared } = this.#options;
    const base = `${prepared.address.origin}${prepared.path}`;
    const url = URL.canParse(text, base) ? new URL(text, base) : undefined;
    if (url?.origin === prepared.address.origin) this.#endpoint.resolve(`${url.pathname}${url.search}`);
    else this.close(protocolFault(prepared.target, "its endpoint for messages is of another origin"));
  }

  #message(raw: Buffer): void {
    let envelope: Envelope;
    try {
      envelope = scanMessage(raw);
    } catch (error) {
      if (isMalformedNotification(raw)) return;
      // Nobody can say whose answer this was.
      const reason = error instanceof Fault ? error.message : "unreadable";
      this.close(protocolFault(this.#options.prepared.target, `on its event stream: ${reason}`));
      return;
    }
    if (envelope.kind === "response") this.#response(raw, envelope);
    else this.#route(raw, envelope);
  }

  #response(raw: Buffer, envelope: Envelope): void {
    if (envelope.id === undefined) return;
    const pending = this.#take(raw.toString("utf8", envelope.id.start, envelope.id.end));
    // Answers to what has been cancelled or timed out come here as well.
    if (pending === undefined) return;
    pending.sink.message(raw, 200, envelope);
    pending.sink.end();
  }

  /** Progress goes to its request; what names no request to the oldest one under way, else to the listener. */
  #route(raw: Buffer, envelope: Envelope): void {
    const token = memberAt(raw, envelope.params, "progressToken");
    const named = token === undefined ? undefined : this.#pending.get(sliceAt(raw, token).toString());
    const oldest = this.#pending.values().next();
    const listener = this.#listeners.values().next();
    const sink = named?.sink ?? (oldest.done === true ? undefined : oldest.value.sink) ?? listener.value;
    if (sink !== undefined) sink.message(raw, 200, envelope);
    else if (envelope.kind === "request") this.#refuse(raw, envelope);
  }

  /** A request that nobody can answer: the upstream shall not wait for it. */
  #refuse(raw: Buffer, envelope: Envelope): void {
    const id = envelope.id === undefined ? "null" : sliceAt(raw, envelope.id).toString();
    const rest =
      envelope.method === "ping" ? '"result":{}' : '"error":{"code":-32601,"message":"No client is listening"}';
    this.post(Buffer.from(`{"jsonrpc":"2.0","id":${id},${rest}}`)).catch(() => undefined);
  }

  /** Sends a request; the answer comes on the stream. */
  request(
    id: string,
    method: string,
    body: Buffer,
    timeoutMs: number,
    sink: ReplySink,
    headers?: readonly string[],
    declared?: boolean,
  ): Exchange {
    const { target } = this.#options.prepared;
    const key = id;
    const pending: Pending = { sink, method, timer: undefined };
    if (this.#closed !== undefined) sink.fail(this.#closed);
    else if (this.#pending.size >= MAX_PENDING) {
      sink.fail(fault("MCPS_OVERLOADED", { what: `calls to ${target.slug}`, limit: MAX_PENDING }));
    } else {
      this.#pending.set(key, pending);
      if (timeoutMs > 0) {
        pending.timer = setTimeout(() => this.#failOne(key, timeoutFault(target, method, timeoutMs)), timeoutMs);
      }
      this.post(body, headers, method, isRepeatable(method, id, declared)).catch((error: Fault) =>
        this.#failOne(key, error),
      );
    }
    return {
      cancel: () => {
        if (this.#pending.get(key) === pending) this.#take(key);
      },
    };
  }

  #take(key: string): Pending | undefined {
    const pending = this.#pending.get(key);
    this.#pending.delete(key);
    clearTimeout(pending?.timer);
    return pending;
  }

  #failOne(key: string, reason: Fault): void {
    this.#take(key)?.sink.fail(reason);
  }

  /** Posts a message to the endpoint; resolves on 2xx and rejects with a Fault. */
  post(body: Buffer, extra?: readonly string[], method = "POST", repeatable = true): Promise<void> {
    const { wire, prepared } = this.#options;
    const { target } = prepared;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const version = this.#version === undefined ? [] : ["mcp-protocol-version", this.#version];
    const headers = [...(extra ?? withMessageHeaders(prepared.post, prepared, this.#options.from)), ...version];
    return new Promise((resolve, reject) => {
      let timer = setTimeout(() => {
        flight.abort();
        reject(timeoutFault(target, method, target.requestTimeoutMs));
      }, target.requestTimeoutMs);
      const flight = new Flight(
        { pair: wire.pair(prepared), method: "POST", path: this.#path, headers, body, stream: false, repeatable },
        {
          head: (status, answer) => {
            clearTimeout(timer);
            // What the answer holds is of no interest; it must not keep the connection.
            timer = setTimeout(() => flight.abort(), LINGER_MS);
            if (status < 300) resolve();
            else if (status < 400) reject(redirectFault(target, status, first(answer.location)));
            else reject(statusFault(target, method, status));
          },
          data: () => undefined,
          end: () => clearTimeout(timer),
          failed: (error, begun) => {
            clearTimeout(timer);
            reject(networkFault(target, error, begun));
          },
          retried: () => wire.options.metrics?.retried(target.slug),
        },
      );
      try {
        flight.start();
      } catch (error) {
        clearTimeout(timer);
        reject(error);
      }
    });
  }

  #ask(id: string, method: string, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.request(JSON.stringify(id), method, body, this.#options.prepared.target.requestTimeoutMs, {
        message: (raw, _, envelope) => {
          if (envelope.kind === "response") resolve({ raw, envelope, headers: {} });
        },
        end: () => undefined,
        fail: reject,
      });
    });
  }

  /** A request of the gateway's own. */
  ask(method: string, params: unknown): Promise<Answer> {
    const id = this.#options.idSource();
    return this.#ask(id, method, requestBody(id, method, params));
  }

  /** The same, where only success counts; rejects with MCPS_UPSTREAM_REFUSED. */
  async command(method: string, params: unknown): Promise<void> {
    const { raw, envelope } = await this.ask(method, params);
    if (envelope.error !== undefined) throw refusedFault(this.#options.prepared.target, method, raw, envelope);
  }

  listen(sink: ReplySink): () => void {
    this.#listeners.add(sink);
    return () => this.#listeners.delete(sink);
  }

  /** Ends the connection, and with it the upstream's session. Requests under way and listeners fail with the reason. */
  close(reason: Fault): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#parser?.stop();
    this.#flight?.abort();
    this.#endpoint.reject(reason);
    const sinks = [...this.#listeners];
    this.#listeners.clear();
    for (const key of [...this.#pending.keys()]) this.#failOne(key, reason);
    for (const sink of sinks) sink.fail(reason);
    this.#options.onClosed(reason);
  }
}

/**
 * Sends single messages and plain HTTP requests to a target, whatever its transport over HTTP is. For stdio it makes sure that the
 * stdio host knows the definition of the child before the message is given up.
 */

import { asFault, type Fault, fault } from "../../contract/errors.ts";
import { type Envelope, scanMessage } from "../mcp/index.ts";
import type { Log } from "../telemetry/index.ts";
import { type Prepared, prepare } from "./address.ts";
import { Call, type CallParts, type Refusal, type Sending } from "./call.ts";
import { Deadlines } from "./deadlines.ts";
import { networkFault, statusFault, timeoutFault } from "./failures.ts";
import { Flight } from "./flight.ts";
import type { AnswerHeaders } from "./lean/response-head.ts";
import { first } from "./messages.ts";
import type { UpstreamMetrics } from "./options.ts";
import { type OriginOptions, Origins } from "./origins.ts";
import type { Exchange, ReplySink, UpstreamTarget } from "./types.ts";

export type WireOptions = OriginOptions & {
  readonly maxMessageBytes: number;
  readonly connectionWaitMs?: number;
  readonly stdioSocket: () => string | undefined;
  readonly log: Log;
  readonly metrics: UpstreamMetrics | undefined;
};

export type Answer = {
  readonly raw: Buffer;
  readonly envelope: Envelope;
  readonly headers: AnswerHeaders;
};

export type PlainResponse = { readonly status: number; readonly headers: AnswerHeaders; readonly body: Buffer };

const MAX_PLAIN_BODY = 65_536;
const DEFINITION_HEADER = "x-mcp-stack-definition";

const UNDEFINE_MS = 5000;

export class Wire {
  readonly options: WireOptions;
  readonly #origins: Origins;
  readonly #calls: CallParts;
  readonly #prepared = new WeakMap<UpstreamTarget, Prepared>();
  readonly #defining = new Map<string, Promise<void>>();

  constructor(options: WireOptions) {
    this.options = options;
    this.#origins = new Origins(options);
    this.#calls = {
      maxMessageBytes: options.maxMessageBytes,
      deadlines: new Deadlines(),
      connectionWaitMs: options.connectionWaitMs ?? 0,
      retried: ({ slug }) => options.metrics?.retried(slug),
    };
  }

  get waiting(): number {
    return this.#origins.waiting;
  }

  /** Throws MCPS_UPSTREAM_UNREACHABLE for a target without a usable address. */
  prepared(target: UpstreamTarget): Prepared {
    let prepared = this.#prepared.get(target);
    const socket = target.transport === "stdio" ? this.options.stdioSocket() : undefined;
    if (prepared === undefined || prepared.address.socketPath !== socket) {
      prepared = prepare(target, socket, this.options.guard);
      this.#prepared.set(target, prepared);
    }
    return prepared;
  }

  /** What requests that are no JSON-RPC message share with calls: limits, deadlines, who hears of a retry. */
  get limits(): CallParts {
    return this.#calls;
  }

  pair(prepared: Prepared) {
    return this.#origins.pair(prepared.address, prepared.target.id);
  }

  /** Sends a message; failures go to the sink, never out of here. */
  call(prepared: Prepared, sending: Sending, sink: ReplySink): Exchange {
    if (prepared.target.transport === "stdio") return new HostedCall(this, prepared, sending, sink);
    return this.start(prepared, sending, sink);
  }

  /** Throws MCPS_DRAINING. */
  start(prepared: Prepared, sending: Sending, sink: ReplySink): Call {
    return new Call(this.#calls, prepared, this.pair(prepared), sending, sink).start();
  }

  /** Sends a message and waits for its response, or for any 2xx when it has no id. Messages before the response are dropped. */
  ask(prepared: Prepared, sending: Sending): Promise<Answer | undefined> {
    return new Promise((resolve, reject) => {
      let answer: Answer | undefined;
      let headers: AnswerHeaders = {};
      const onHead = (status: number, head: AnswerHeaders) => {
        headers = head;
        sending.onHead?.(status, head);
      };
      this.call(
        prepared,
        { ...sending, onHead },
        {
          message: (raw, _, envelope) => {
            if (envelope.kind === "response") answer = { raw, envelope, headers };
          },
          end: () => resolve(answer),
          fail: reject,
        },
      );
    });
  }

  /** A request that is no JSON-RPC message. Rejects with a Fault when no complete answer comes within the time. */
  plain(
    prepared: Prepared,
    request: { method: "DELETE" | "PUT"; path?: string; headers: readonly string[]; body?: Buffer; timeoutMs: number },
  ): Promise<PlainResponse> {
    const target = prepared.target;
    return new Promise((resolve, reject) => {
      let status = 0;
      let headers: AnswerHeaders = {};
      const chunks: Buffer[] = [];
      let bytes = 0;
      const { method, path = prepared.path, body = null } = request;
      const timer = setTimeout(() => {
        flight.abort();
        reject(timeoutFault(target, method, request.timeoutMs));
      }, request.timeoutMs);
      const flight = new Flight(
        { pair: this.pair(prepared), method, path, headers: request.headers, body, stream: false, repeatable: true },
        {
          head: (code, head) => {
            status = code;
            headers = head;
          },
          data: (chunk) => {
            bytes += chunk.length;
            if (bytes <= MAX_PLAIN_BODY) chunks.push(chunk);
          },
          end: () => {
            clearTimeout(timer);
            resolve({ status, headers, body: Buffer.concat(chunks) });
          },
          failed: (error, begun) => {
            clearTimeout(timer);
            reject(networkFault(target, error, begun));
          },
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

  /** Tells the stdio host what to run; one request at a time per definition. */
  define(prepared: Prepared): Promise<void> {
    const { target } = prepared;
    const key = `${target.id}\n${target.revision}`;
    let defining = this.#defining.get(key);
    if (defining === undefined) {
      defining = this.#define(prepared).finally(() => this.#defining.delete(key));
      this.#defining.set(key, defining);
    }
    return defining;
  }

  async #define(prepared: Prepared): Promise<void> {
    const { target } = prepared;
    if (target.stdio === undefined) {
      throw fault("MCPS_UPSTREAM_LIMIT", { upstream: target.slug, reason: "it has no command" });
    }
    const response = await this.plain(prepared, {
      method: "PUT",
      path: `/definitions/${encodeURIComponent(target.id)}`,
      headers: ["content-type", "application/json"],
      body: Buffer.from(JSON.stringify({ revision: target.revision, name: target.slug, ...target.stdio })),
      timeoutMs: target.requestTimeoutMs,
    });
    if (response.status === 503) throw limitFault(target, response.body);
    if (response.status >= 300) throw statusFault(target, "PUT definition", response.status);
  }

  /** Ends what the stdio host runs for a target. */
  async undefine(target: UpstreamTarget): Promise<void> {
    await this.plain(this.prepared(target), {
      method: "DELETE",
      path: `/definitions/${encodeURIComponent(target.id)}`,
      headers: [],
      timeoutMs: UNDEFINE_MS,
    });
  }

  forget(targetId: string): void {
    this.#origins.forget(targetId);
  }

  close(): Promise<void> {
    this.#calls.deadlines.close();
    return this.#origins.close();
  }
}

/** A call by way of the stdio host. */
class HostedCall implements Exchange {
  readonly #wire: Wire;
  readonly #prepared: Prepared;
  readonly #sending: Sending;
  readonly #sink: ReplySink;
  #inner: Exchange | undefined;
  #defined = false;
  #cancelled = false;

  constructor(wire: Wire, prepared: Prepared, sending: Sending, sink: ReplySink) {
    this.#wire = wire;
    this.#prepared = prepared;
    this.#sending = { ...sending, onRefused: (refusal) => this.#refused(refusal, sending.onRefused) };
    this.#sink = sink;
    this.#inner = wire.start(prepared, this.#sending, sink);
  }

  cancel(): void {
    this.#cancelled = true;
    this.#inner?.cancel();
  }

  pause(): void {
    this.#inner?.pause?.();
  }

  resume(): void {
    this.#inner?.resume?.();
  }

  #refused(refusal: Refusal, next: Sending["onRefused"]): boolean {
    const prepared = this.#prepared;
    const sink = this.#sink;
    const definition = first(refusal.headers[DEFINITION_HEADER]);
    if (refusal.status === 404 && definition !== undefined && !this.#defined) {
      this.#defined = true;
      this.#wire.define(prepared).then(
        () => {
          if (!this.#cancelled) this.#inner = this.#wire.start(prepared, this.#sending, sink);
        },
        (error: unknown) => {
          if (!this.#cancelled) sink.fail(faultOf(prepared.target, error));
        },
      );
      return true;
    }
    if (refusal.status === 503) {
      sink.fail(limitFault(prepared.target, refusal.body));
      return true;
    }
    return next?.(refusal) ?? false;
  }
}

/** The host's reason: the message of a JSON error body, or its text. */
function limitFault(target: UpstreamTarget, body: Buffer): Fault {
  const text = body.toString("utf8", 0, 2000);
  let reason = text;
  try {
    const value: unknown = JSON.parse(text);
    reason = reasonIn(value) ?? text;
  } catch {
    // It is plain text.
  }
  return fault("MCPS_UPSTREAM_LIMIT", {
    upstream: target.slug,
    reason: reason === "" ? "the stdio host is full" : reason,
  });
}

function reasonIn(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const inner = "data" in value ? reasonIn(value.data) : undefined;
  if (inner !== undefined) return inner;
  for (const key of ["reason", "message"]) {
    const text: unknown = key in value ? Reflect.get(value, key) : undefined;
    if (typeof text === "string") return text;
  }
  return "error" in value ? (typeof value.error === "string" ? value.error : reasonIn(value.error)) : undefined;
}

/** Anything thrown in this room as a Fault. */
export function faultOf(target: UpstreamTarget, error: unknown): Fault {
  return asFault(error, `upstream ${target.slug}`);
}

/** The raw id of a message; undefined for notifications. Throws MCPS_PARSE or MCPS_ENVELOPE for what is no message. */
export function rawIdOf(body: Buffer): string | undefined {
  const envelope = scanMessage(body);
  if (envelope.kind !== "request" || envelope.id === undefined) return undefined;
  return body.toString("utf8", envelope.id.start, envelope.id.end);
}

/**
 * The conversation with one child: gives every request an id of its own, puts the caller's id and progress token back, and
 * finds where a message of the server belongs. Messages stay raw bytes; only ids and tokens are spliced.
 *
 * Three kinds of link. `session`: one lane, the server may ask the client. `shared`: many legacy lanes; the server's own
 * requests are refused, because nobody could say whose client it means. `modern`: MCP 2026-07-28, no sessions, one lane.
 */
import { Fault, fault } from "../../../contract/errors.ts";
import {
  type Edit,
  type Envelope,
  elements,
  isArray,
  memberAt,
  pathAt,
  type Span,
  scanJson,
  scanMessage,
  sliceAt,
  splice,
  stringAt,
  valueAt,
} from "../../mcp/index.ts";
import type { Log } from "../../telemetry/index.ts";
import { type Call, Calls, type Lane } from "./calls.ts";
import { onOneLine } from "./lines.ts";
import { errorBody, type Reply } from "./reply.ts";

export type LinkKind = "session" | "shared" | "modern";

/** What a link needs of a process; ServerProcess in life. */
export type Wire = { send(line: Buffer): void; readonly unsentBytes: number };

export type LinkOptions = {
  readonly kind: LinkKind;
  readonly wire: Wire;
  /** For messages. */
  readonly upstream: string;
  readonly maxMessageBytes: number;
  readonly log: Log;
  /** A request has been answered; `error` is its JSON-RPC code or undefined. */
  onAnswer?(method: string, error: number | undefined): void;
};

/** Requests waiting for one child; over it, callers are refused. */
const MAX_CALLS = 1024;
const META_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

/** HTTP status of an error response in the modern era (MCP 2026-07-28 streamable HTTP); legacy is always 200. */
const MODERN_STATUS: Readonly<Record<number, number>> = { [-32601]: 404, [-32020]: 400, [-32021]: 400, [-32022]: 400 };

export class Link {
  readonly lanes = new Set<Lane>();
  #options: LinkOptions;
  #calls = new Calls();

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get kind(): LinkKind {
    return this.#options.kind;
  }

  /** Requests whose caller is still there; of one lane when given. */
  waiting(lane?: Lane): number {
    return this.#calls.waiting(lane);
  }

  /** Sends a request. Throws MCPS_OVERLOADED when the child is too far behind. Answers a function that gives the call up. */
  request(lane: Lane, body: Buffer, envelope: Envelope, reply: Reply): () => void {
    const { id } = envelope;
    if (id === undefined) throw fault("MCPS_ENVELOPE", { reason: "a request needs an id" });
    this.#makeRoom();
    this.#checkBacklog();
    const call = this.#calls.add(lane, sliceAt(body, id), body, envelope, reply);
    const text = String(call.number);
    const token = pathAt(body, envelope.params, "_meta", "progressToken");
    const edits: Edit[] = [{ ...id, text }];
    if (token !== undefined) edits.push({ ...token, text });
    this.#noteSubscription(lane, body, envelope);
    this.#options.wire.send(onOneLine(splice(body, edits)));
    return () => this.#giveUp(call);
  }

  /** A notification of a client. The id in `notifications/cancelled` is mapped; one that names no running call is dropped. */
  notify(lane: Lane, body: Buffer, envelope: Envelope): void {
    this.#checkBacklog();
    if (envelope.method !== "notifications/cancelled") {
      this.#options.wire.send(onOneLine(body));
      return;
    }
    const target = memberAt(body, envelope.params, "requestId");
    const call = target === undefined ? undefined : this.#calls.find(lane, sliceAt(body, target));
    if (target === undefined || call === undefined || call.method === "initialize") return;
    this.#calls.remove(call);
    this.#options.wire.send(onOneLine(splice(body, [{ ...target, text: String(call.number) }])));
    call.reply.finish(undefined, 200);
  }

  /** A client's answer to a request of the server; those exist on session links only. */
  respond(body: Buffer): void {
    if (this.kind !== "session") return;
    this.#checkBacklog();
    this.#options.wire.send(onOneLine(body));
  }

  /** One line of the server: a message or a batch of them (MCP 2025-03-26). What is neither is logged and skipped. */
  receive(line: Buffer): void {
    try {
      const root = scanJson(line);
      if (isArray(line, root)) for (const element of elements(line, root)) this.#receiveOne(sliceAt(line, element));
      else this.#receiveOne(line);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const reason = error.message;
      this.#options.log.warn("stdio.garbage", { upstream: this.#options.upstream, bytes: line.length, reason });
    }
  }

  #receiveOne(line: Buffer): void {
    const envelope = scanMessage(line);
    if (envelope.kind === "response") this.#answered(line, envelope);
    else if (envelope.kind === "request") this.#asked(line, envelope);
    else this.#told(line, envelope);
  }

  /**
   * The child is gone: every waiting request is answered with this, and all lanes end. Without a status it is that of the
   * fault for initialize, 200 for a call: the call was taken, and its answer is the JSON-RPC error.
   */
  fail(reason: Fault, status?: number): void {
    for (const { id, method, reply } of this.#calls.drain()) {
      reply.finish(errorBody(reason, id), status ?? (method === "initialize" ? reason.status : 200));
    }
    for (const lane of this.lanes) lane.stream.end();
    this.lanes.clear();
  }

  /** A client leaves: its calls are cancelled, and on a shared link what only it subscribed to is given back. */
  leave(lane: Lane): void {
    this.lanes.delete(lane);
    for (const call of this.#calls) if (call.lane === lane) this.#giveUp(call);
    for (const uri of lane.subscriptions) if (!this.#subscribed(uri)) this.#unsubscribe(uri);
    lane.stream.end();
  }

  /** True when a resources/unsubscribe of this lane must not reach the server, because another client still listens. */
  keepsSubscription(lane: Lane, uri: string): boolean {
    if (this.kind !== "shared") return false;
    lane.subscriptions.delete(uri);
    return this.#subscribed(uri);
  }

  /** Calls whose client has left make room, the oldest first: a server that never answers must not fill the table for good. */
  #makeRoom(): void {
    if (this.#calls.size < MAX_CALLS) return;
    const abandoned = this.#calls.abandoned();
    if (abandoned === undefined) {
      throw fault("MCPS_OVERLOADED", { what: `requests to ${this.#options.upstream}`, limit: MAX_CALLS });
    }
    this.#giveUp(abandoned);
  }

  #checkBacklog(): void {
    const limit = 2 * this.#options.maxMessageBytes;
    if (this.#options.wire.unsentBytes <= limit) return;
    throw fault("MCPS_OVERLOADED", { what: `bytes that ${this.#options.upstream} has not read`, limit });
  }

  /** stdio cancellation (MCP 2026-07-28: closing the response stream cancels; on stdio that is a notification). */
  #giveUp(call: Call): void {
    if (!this.#calls.remove(call) || call.method === "initialize") return;
    const params = { requestId: call.number, reason: "the caller is gone" };
    const message = { jsonrpc: "2.0", method: "notifications/cancelled", params };
    this.#options.wire.send(Buffer.from(JSON.stringify(message)));
    call.reply.finish(undefined, 200);
  }

  #answered(line: Buffer, envelope: Envelope): void {
    const { id } = envelope;
    const call = this.#callAt(line, id);
    if (id === undefined || call === undefined) {
      this.#options.log.debug("stdio.stray_response", { upstream: this.#options.upstream });
      return;
    }
    this.#calls.remove(call);
    const code = envelope.error === undefined ? undefined : this.#errorCode(line, envelope);
    const status = this.kind === "modern" && code !== undefined ? (MODERN_STATUS[code] ?? 200) : 200;
    const edits: Edit[] = [{ ...id, text: call.id }];
    const subscription = pathAt(line, envelope.result, "_meta", META_SUBSCRIPTION);
    if (this.kind === "modern" && subscription !== undefined) edits.push({ ...subscription, text: call.id });
    call.reply.finish(splice(line, edits), status);
    this.#options.onAnswer?.(call.method, code);
  }

  /** The call an id or token of ours names. A server may have turned the number into a string. */
  #callAt(line: Buffer, span: Span | undefined): Call | undefined {
    if (span === undefined) return undefined;
    const text = stringAt(line, span) ?? line.toString("latin1", span.start, span.end);
    return /^\d{1,15}$/.test(text) ? this.#calls.get(Number(text)) : undefined;
  }

  #errorCode(line: Buffer, envelope: Envelope): number {
    const code = memberAt(line, envelope.error, "code");
    const value = code === undefined ? undefined : valueAt(line, code);
    return typeof value === "number" ? value : 0;
  }

  #asked(line: Buffer, envelope: Envelope): void {
    const id = envelope.id === undefined ? "null" : sliceAt(line, envelope.id);
    if (envelope.method === "ping") {
      this.#options.wire.send(
        Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":'), Buffer.from(id), Buffer.from(',"result":{}}')]),
      );
      return;
    }
    if (this.kind === "session" && this.#deliver(line)) return;
    this.#options.wire.send(errorBody(fault("MCPS_METHOD", { method: envelope.method }), id));
  }

  /** To the oldest waiting call of the session, else to its GET stream. */
  #deliver(line: Buffer): boolean {
    for (const call of this.#calls) if (call.reply.open && call.reply.message(line)) return true;
    for (const lane of this.lanes) if (lane.stream.push(line)) return true;
    return false;
  }

  #told(line: Buffer, envelope: Envelope): void {
    const taken =
      envelope.method === "notifications/progress" ? this.#progress(line, envelope) : this.#routed(line, envelope);
    if (!taken) this.#options.log.debug("stdio.dropped", { upstream: this.#options.upstream, method: envelope.method });
  }

  #progress(line: Buffer, envelope: Envelope): boolean {
    const token = memberAt(line, envelope.params, "progressToken");
    const call = this.#callAt(line, token);
    if (token === undefined || call?.progressToken === undefined) return false;
    return call.reply.message(splice(line, [{ ...token, text: call.progressToken }]));
  }

  #routed(line: Buffer, envelope: Envelope): boolean {
    if (this.kind === "modern") return this.#routedModern(line, envelope);
    const ofStream = /^notifications\/(\w+\/list_changed|resources\/updated)$/.test(envelope.method);
    if (this.kind === "session" && !ofStream) return this.#deliver(line);
    if (envelope.method === "notifications/message") return this.#sharedLog(line);
    if (!ofStream) return false;
    const uri = stringAt(line, memberAt(line, envelope.params, "uri"));
    let taken = false;
    for (const lane of this.lanes) {
      if (this.kind === "session" || uri === undefined || covers(lane.subscriptions, uri)) {
        taken = lane.stream.push(line) || taken;
      }
    }
    return taken;
  }

  #routedModern(line: Buffer, envelope: Envelope): boolean {
    const subscription = pathAt(line, envelope.params, "_meta", META_SUBSCRIPTION);
    if (subscription !== undefined) {
      const call = this.#callAt(line, subscription);
      return call?.reply.message(splice(line, [{ ...subscription, text: call.id }])) ?? false;
    }
    if (envelope.method !== "notifications/message") return false;
    // Callers of one modern child may be different people: a log line goes out only when there is no doubt whose it is.
    const askers = [...this.#calls].filter((call) => call.logs);
    return askers.length === 1 && (askers[0]?.reply.message(line) ?? false);
  }

  /** Shared legacy child: as above, only when a single client has calls running. */
  #sharedLog(line: Buffer): boolean {
    const calls = [...this.#calls];
    if (new Set(calls.map((call) => call.lane)).size !== 1) return false;
    return calls.some((call) => call.reply.message(line));
  }

  #noteSubscription(lane: Lane, body: Buffer, envelope: Envelope): void {
    if (this.kind !== "shared" || envelope.method !== "resources/subscribe") return;
    const uri = stringAt(body, memberAt(body, envelope.params, "uri"));
    if (uri !== undefined) lane.subscriptions.add(uri);
  }

  #subscribed(uri: string): boolean {
    for (const lane of this.lanes) if (lane.subscriptions.has(uri)) return true;
    return false;
  }

  #unsubscribe(uri: string): void {
    const message = { jsonrpc: "2.0", id: this.#calls.nextNumber(), method: "resources/unsubscribe", params: { uri } };
    this.#options.wire.send(Buffer.from(JSON.stringify(message)));
  }
}

/** A server may name a part of what was subscribed to (MCP 2025-11-25 resources/updated). */
function covers(subscriptions: ReadonlySet<string>, uri: string): boolean {
  if (subscriptions.has(uri)) return true;
  for (const subscribed of subscriptions) if (uri.startsWith(subscribed)) return true;
  return false;
}

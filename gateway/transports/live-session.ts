/**
 * A legacy session that lives on one connection (WebSocket, HTTP+SSE): messages in, messages out, ended with its connection.
 * The connection's transport gives it bytes and takes bytes; modern messages on the same connection are served one by one.
 */
import { fault } from "../../contract/errors.ts";
import type { RequestHead } from "../../contract/http.ts";
import type { Caller } from "../federation/index.ts";
import { type Envelope, errorMessage, memberAt, resultMessage, scanMessage } from "../mcp/index.ts";
import type { ClientReply, Running, SessionFacts, SessionStream } from "../sessions/index.ts";
import { isModernRequest, modernCaller, sessionCaller } from "./callers.ts";
import type { Endpoint, TransportParts } from "./context.ts";
import { isCall } from "./edge.ts";
import { clientOf } from "./initialize.ts";
import { faultOf, rawId } from "./streamable-http.ts";

/** Requests of one connection that may wait for their answers at once. */
const MAX_IN_FLIGHT = 256;

export class LiveSession {
  readonly id: string;
  private readonly parts: TransportParts;
  private readonly endpoint: Endpoint;
  private readonly head: RequestHead;
  private readonly send: (raw: Buffer) => void;
  private facts: SessionFacts | undefined;
  private stream: SessionStream | undefined;
  private hasOpened = false;
  private inFlight = 0;
  private closed = false;
  private left: (() => void) | undefined;
  /** Modern requests in flight by raw id: this transport cancels by notification, not by closing. */
  private readonly modern = new Map<string, Running>();

  constructor(parts: TransportParts, endpoint: Endpoint, head: RequestHead, id: string, send: (raw: Buffer) => void) {
    this.parts = parts;
    this.endpoint = endpoint;
    this.head = head;
    this.id = id;
    this.send = send;
  }

  /** Takes one message; every problem becomes an answer, never an exception. */
  receive(body: Buffer): void {
    let envelope: Envelope;
    try {
      envelope = scanMessage(body);
    } catch (error) {
      this.reply(errorMessage("null", faultOf(this.parts, error)));
      return;
    }
    try {
      this.dispatch(body, envelope);
    } catch (error) {
      if (envelope.kind === "request") this.reply(errorMessage(rawId(body, envelope), faultOf(this.parts, error)));
    }
  }

  private dispatch(body: Buffer, envelope: Envelope): void {
    if (envelope.kind === "request" && isModernRequest({ ...this.head, headers: {} }, body, envelope)) {
      this.receiveModern(body, envelope);
      return;
    }
    if (envelope.method === "notifications/cancelled" && this.cancelModern(body, envelope)) return;
    if (envelope.method === "initialize") {
      this.initialize(body, envelope);
      return;
    }
    if (this.facts === undefined) {
      if (envelope.kind === "request") throw fault("MCPS_SESSION_MISSING", { method: envelope.method });
      return;
    }
    const caller = sessionCaller(this.facts, this.endpoint.principal, this.head, this.parts);
    if (envelope.kind === "request")
      this.parts.conversations.request(this.endpoint.view, caller, body, envelope, this.clientReply(envelope));
    else this.tell(caller, body, envelope);
  }

  /** Takes a place among the requests of this connection, and a slot of a call where it is one. Throws MCPS_OVERLOADED. */
  private clientReply(envelope: Envelope, onFinish: () => void = () => undefined): ClientReply {
    if (this.left !== undefined) throw fault("MCPS_DRAINING");
    if (this.inFlight >= MAX_IN_FLIGHT)
      throw fault("MCPS_OVERLOADED", { what: "requests on this connection", limit: MAX_IN_FLIGHT });
    const needsSlot = isCall(envelope) && envelope.method !== "subscriptions/listen";
    const slot = needsSlot ? this.parts.enterCall(this.head, this.endpoint.principal) : undefined;
    if (slot instanceof Error) throw slot;
    this.inFlight++;
    let isOver = false;
    const over = () => {
      if (isOver) return;
      isOver = true;
      this.inFlight--;
      slot?.leave();
      onFinish();
    };
    return {
      canAsk: true,
      streaming: () => undefined,
      message: (raw) => this.reply(raw),
      finish: (raw) => {
        over();
        this.reply(raw);
        this.leaveIfIdle();
      },
      abandon: () => {
        over();
        this.leaveIfIdle();
      },
    };
  }

  /** Refuses new requests; `done` is called once those in flight have their answers, which may be at once. */
  leave(done: () => void): void {
    this.left = done;
    this.leaveIfIdle();
  }

  private leaveIfIdle(): void {
    if (this.inFlight === 0) this.left?.();
  }

  private receiveModern(body: Buffer, envelope: Envelope): void {
    const caller = modernCaller(body, envelope, this.endpoint.principal, this.head, this.parts, false);
    const key = rawId(body, envelope).toString();
    let finished = false;
    let running: Running | undefined;
    const reply = this.clientReply(envelope, () => {
      finished = true;
      if (this.modern.get(key) === running) this.modern.delete(key);
    });
    running = this.parts.conversations.request(this.endpoint.view, caller, body, envelope, reply);
    if (!finished) this.modern.set(key, running);
  }

  private cancelModern(body: Buffer, envelope: Envelope): boolean {
    const span = memberAt(body, envelope.params, "requestId");
    const running = span === undefined ? undefined : this.modern.get(body.toString("utf8", span.start, span.end));
    running?.cancel("cancelled by the client");
    return running !== undefined;
  }

  private initialize(body: Buffer, envelope: Envelope): void {
    if (envelope.kind !== "request") return;
    if (this.facts !== undefined) throw fault("MCPS_ALREADY_INITIALIZED");
    const facts: SessionFacts = { id: this.id, ...clientOf(body, envelope) };
    this.facts = facts;
    this.parts.federation.initializeResult(this.endpoint.view(), facts.protocolVersion).then(
      (result) => this.reply(resultMessage(rawId(body, envelope), result)),
      (error: unknown) => {
        this.facts = undefined;
        this.reply(errorMessage(rawId(body, envelope), faultOf(this.parts, error)));
      },
    );
  }

  private tell(caller: Caller, body: Buffer, envelope: Envelope): void {
    if (envelope.method === "notifications/initialized") this.openStream(caller);
    const work =
      envelope.kind === "response"
        ? this.parts.conversations.answer(caller, body, envelope)
        : this.parts.conversations.notification(this.endpoint.view, caller, body, envelope);
    work.catch((error: unknown) =>
      this.parts.log.warn("a client's message was lost", { method: envelope.method, reason: String(error) }),
    );
  }

  private openStream(caller: Caller): void {
    if (this.hasOpened || this.closed) return;
    this.hasOpened = true;
    this.parts.conversations
      .openStream(this.endpoint.view, caller, (raw) => this.reply(raw))
      .then((stream) => {
        if (this.closed) stream.close();
        else this.stream = stream;
      })
      .catch((error: unknown) => {
        this.hasOpened = false;
        this.parts.log.warn("a session's stream cannot be opened", { reason: String(error) });
      });
  }

  private reply(raw: Buffer): void {
    if (!this.closed) this.send(raw);
  }

  /** The connection is gone, and the session with it. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.stream?.close();
    for (const running of this.modern.values()) running.cancel("the client closed its connection");
    if (this.facts === undefined) return;
    const caller = sessionCaller(this.facts, this.endpoint.principal, this.head, this.parts);
    try {
      this.parts.conversations.end(this.endpoint.view(), caller).catch((error: unknown) => {
        this.parts.log.debug("a session's upstream sessions could not be ended", { reason: String(error) });
      });
    } catch (error) {
      this.parts.log.debug("a session's view is gone", { reason: String(error) });
    }
  }
}

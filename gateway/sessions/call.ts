/**
 * One request on its way through: sent to its upstream in that upstream's era, its notifications, questions and result
 * brought back in the caller's. Four combinations of eras, one state machine.
 */
import { randomUUID } from "node:crypto";
import { type Fault, fault } from "../../contract/errors.ts";
import type { Ringed } from "../../contract/ring.ts";
import { type Caller, errorOf, outbound, protocolFault, type Route, type View } from "../federation/index.ts";
import {
  type Edit,
  type Envelope,
  errorMessage,
  INPUT_METHODS,
  legacyResultEdits,
  memberAt,
  metaOf,
  modernResultEdits,
  notificationMessage,
  prefixUri,
  requestMessage,
  resultMessage,
  resultType,
  resultUriEdits,
  type Span,
  scanMessage,
  splice,
  stringAt,
  updatedUriEdits,
} from "../mcp/index.ts";
import type { Exchange, ReplySink, UpstreamProfile } from "../upstreams/index.ts";
import { codeEdit, errorWith, isLoudEnough, modernStatus, outcomeOf, outcomeOfError } from "./answers.ts";
import type { Asks } from "./asks.ts";
import type { Questions } from "./questions.ts";
import { askedCapability } from "./questions.ts";
import type { ClientReply, ConversationParts } from "./types.ts";

/** URLElicitationRequiredError (MCP 2025-11-25 elicitation); the modern era has input_required in its place. */
const URL_REQUIRED = -32042;
/** A modern upstream may ask this often for one call of a legacy client before the call is given up. */
const MAX_ROUNDS = 8;

export type CallSpec = {
  readonly view: View;
  readonly caller: Caller;
  readonly route: Route;
  readonly body: Buffer;
  readonly envelope: Envelope;
  readonly reply: ClientReply;
  /** The request carries a requestState that is not ours: only a modern upstream can have made it. */
  readonly foreignState: boolean;
};

/** What happens to a call of a modern client when its legacy upstream asks something (see parked.ts). */
export interface Parking {
  /** Can the question be put to the client as input_required? Not for every method, and not without bound. */
  mayPark(call: Call): boolean;
  park(call: Call, rawId: string, method: string, params: Buffer | undefined): void;
  settled(call: Call): void;
}

export type CallParts = ConversationParts & {
  readonly asks: Asks;
  readonly questions: Questions;
  readonly parking: Parking;
  /** The log level that a holder has set. */
  readonly logLevel: (holderKey: string) => Promise<string | undefined>;
  /** Called once when the call is over, however it ended. */
  readonly over: (call: Call) => void;
};

export class Call implements ReplySink, Ringed<Call> {
  before: Call | undefined = undefined;
  after: Call | undefined = undefined;
  readonly spec: CallSpec;
  /** Swapped when a modern client comes back to a parked call with a new request. */
  reply: ClientReply;
  deadlineAt: number;
  private readonly parts: CallParts;
  private readonly startedAt: number;
  private exchange: Exchange | undefined;
  private upstreamId = "";
  private ownClientId: Buffer | undefined;
  private progressToken: Buffer | undefined;
  /** Of the present exchange: something has come, the answer has. */
  private opened = false;
  private answered = false;
  private profile: UpstreamProfile | undefined;
  private logLevel: string | undefined;
  private rounds = 0;
  private done = false;
  private ownId: string | undefined;
  /** Raw upstream id → id under which the client was asked; for an upstream that takes a question back. */
  private asked: Map<string, string> | undefined;
  private endings: (() => void)[] | undefined;
  private place: { leave(): void } | undefined;

  constructor(parts: CallParts, spec: CallSpec) {
    this.parts = parts;
    this.spec = spec;
    this.reply = spec.reply;
    this.startedAt = parts.now();
    this.deadlineAt = this.startedAt + spec.route.upstream.target.requestTimeoutMs;
    const { body, envelope } = spec;
    if (envelope.routing._meta !== undefined) this.adoptProgress(body, envelope);
  }

  /** Names the call to its client and to other workers; only a call that asks its client something has one. */
  get id(): string {
    this.ownId ??= randomUUID();
    return this.ownId;
  }

  /** Raw id of the client's request the answer is for; another one once he has come back to a parked call. */
  get clientId(): Buffer {
    const { body, envelope } = this.spec;
    this.ownClientId ??=
      envelope.id === undefined ? Buffer.from("null") : body.subarray(envelope.id.start, envelope.id.end);
    return this.ownClientId;
  }

  set clientId(id: Buffer) {
    this.ownClientId = id;
  }

  get isDone(): boolean {
    return this.done;
  }

  adoptProgress(body: Buffer, envelope: Envelope): void {
    const token = metaOf(body, envelope).progressToken;
    this.progressToken = token === undefined ? undefined : body.subarray(token.start, token.end);
  }

  /** Sends the request, where it may. Synchronous when the upstream's era is known and nobody has to be asked. */
  start(): void {
    const refused = this.parts.watch.mayBegin(this.spec);
    if (refused instanceof Promise)
      refused.then(
        (failure) => this.begin(failure),
        (error: unknown) => this.fail(asUpstreamFault(this, error)),
      );
    else this.begin(refused);
  }

  private begin(refused: Fault | undefined): void {
    if (this.done) return;
    if (refused !== undefined) {
      this.fail(refused);
      return;
    }
    const { upstream } = this.spec.route;
    try {
      // What the gateway hosts itself is no upstream that could be slow.
      if (upstream.target.transport !== "builtin")
        this.place = this.parts.places.ofUpstream(upstream.record.id, upstream.record.slug);
    } catch (error) {
      this.fail(asUpstreamFault(this, error));
      return;
    }
    const warm = this.parts.federation.warmProfile(upstream, this.spec.caller.era);
    if (warm !== undefined && !this.needsLevel(warm)) {
      try {
        this.send(warm, this.spec.body, this.spec.envelope);
      } catch (error) {
        this.fail(asUpstreamFault(this, error));
      }
      return;
    }
    this.parts.federation
      .profile(upstream, this.spec.caller.era)
      .then(async (profile) => {
        if (this.needsLevel(profile)) this.logLevel = await this.parts.logLevel(this.spec.caller.holder.key);
        if (!this.done) this.send(profile, this.spec.body, this.spec.envelope);
      })
      .catch((error: unknown) => this.fail(asUpstreamFault(this, error)));
  }

  /** The level a legacy client has set travels with each request to a modern upstream (MCP 2026-07-28 logging). */
  private needsLevel(profile: UpstreamProfile): boolean {
    return this.spec.caller.era === "legacy" && this.spec.caller.sessionId !== undefined && profile.era === "modern";
  }

  private send(profile: UpstreamProfile, body: Buffer, envelope: Envelope): void {
    const { caller, route, foreignState } = this.spec;
    this.profile = profile;
    if (foreignState && profile.era === "legacy") {
      this.fail(fault("MCPS_REQUEST_STATE", { reason: "it is altered, or was made by another gateway" }));
      return;
    }
    this.upstreamId = this.parts.federation.nextId();
    const speaker =
      this.logLevel === undefined ? caller : { ...caller, identity: { ...caller.identity, logLevel: this.logLevel } };
    this.opened = false;
    this.answered = false;
    // Its own clock (deadlineAt) stops while the client is asked something; this one only bounds what is forgotten.
    const timeoutMs = route.upstream.target.requestTimeoutMs + MAX_ROUNDS * this.parts.clientTimeoutMs;
    const sent = outbound(body, envelope, speaker, route, profile, this.upstreamId, timeoutMs);
    this.exchange = this.parts.federation.upstreams.request(route.upstream.target, caller.holder, sent, this);
  }

  // ---- what the exchange tells ----

  streaming(): void {
    this.reply.streaming();
  }

  interrupted(retryMs: number): void {
    this.reply.interrupted?.(retryMs);
  }

  message(raw: Buffer, status: number, envelope: Envelope): void {
    if (!this.opened && this.profile !== undefined) {
      this.opened = true;
      this.parts.federation.sinks.opened(this.spec.route.upstream, this.spec.caller, this.profile);
    }
    if (envelope.kind === "response") this.answered = true;
    else this.followClient();
    this.receive(raw, status, envelope);
  }

  /** A client that reads slowly is not written to faster: its upstream has to wait, like any server behind a full socket. */
  private followClient(): void {
    this.reply.onFlow ??= (isSlow) => {
      if (isSlow) this.exchange?.pause?.();
      else this.exchange?.resume?.();
    };
  }

  end(): void {
    // After input_required the call goes on with another request.
    if (this.answered) return;
    const { slug } = this.spec.route.upstream.record;
    this.fail(fault("MCPS_UPSTREAM_PROTOCOL", { upstream: slug, reason: "its answer ended without a response" }));
  }

  /** The client has cancelled, or (modern) closed its stream. Idempotent. */
  cancel(reason: string | undefined): void {
    if (this.done) return;
    this.stopUpstream(reason);
    this.finishAs("cancelled");
    this.reply.abandon();
  }

  /** Past its deadline: the upstream is told, the client gets an error. */
  expire(): void {
    if (this.done) return;
    this.stopUpstream("timeout");
    const { target, record } = this.spec.route.upstream;
    this.answerError(
      fault("MCPS_UPSTREAM_TIMEOUT", {
        upstream: record.slug,
        method: this.spec.envelope.method,
        ms: target.requestTimeoutMs,
      }),
    );
  }

  fail(failure: Fault): void {
    if (this.done) return;
    this.exchange?.cancel();
    if (failure.code !== "MCPS_UPSTREAM_AUTHORIZE" || !this.askedToAuthorise(failure)) this.answerError(failure);
  }

  /** A client that can open addresses is asked to, in the words of its era. */
  private askedToAuthorise(failure: Fault): boolean {
    const { caller, envelope } = this.spec;
    if (!this.parts.questions.mayAsk(caller, "elicitation.url")) return false;
    const raw = errorMessage(this.clientId, failure, URL_REQUIRED);
    if (caller.era === "modern")
      return INPUT_METHODS.has(envelope.method) && this.parts.questions.urlElicitations(this, raw, scanMessage(raw));
    this.finish(raw, 200, failure.code);
    return true;
  }

  private stopUpstream(reason: string | undefined): void {
    const { caller, route } = this.spec;
    if (this.profile?.era === "legacy" && this.upstreamId !== "") {
      const why = reason === undefined ? "" : `,"reason":${JSON.stringify(reason)}`;
      const body = notificationMessage("notifications/cancelled", `{"requestId":${this.upstreamId}${why}}`);
      this.parts.federation.upstreams
        .notify(route.upstream.target, caller.holder, { body, method: "notifications/cancelled" })
        .catch((error: unknown) =>
          this.parts.log.debug("cancellation did not reach the upstream", { reason: String(error) }),
        )
        .finally(() => this.exchange?.cancel());
      return;
    }
    this.exchange?.cancel();
  }

  private receive(raw: Buffer, status: number, envelope: Envelope): void {
    if (this.done) return;
    try {
      if (envelope.kind === "response") this.receiveResponse(raw, envelope, status);
      else if (envelope.kind === "notification") this.receiveNotification(raw, envelope);
      else this.receiveQuestion(raw, envelope);
    } catch (error) {
      this.fail(protocolFault(this.spec.route.upstream.target, error));
    }
  }

  // ---- the result ----

  private receiveResponse(raw: Buffer, envelope: Envelope, status: number): void {
    const { caller, envelope: asked } = this.spec;
    const profile = this.profile;
    if (profile === undefined) return;
    if (envelope.error !== undefined) {
      this.receiveError(raw, envelope, status);
      return;
    }
    const result = envelope.result;
    if (result === undefined || envelope.id === undefined) return;
    if (caller.era === "legacy" && profile.era === "modern" && resultType(raw, result) === "input_required") {
      this.askLegacyClient(raw.subarray(result.start, result.end));
      return;
    }
    const unfit = this.parts.watch.mayAnswer?.(this.spec, raw, result);
    if (unfit !== undefined) {
      this.answerError(unfit);
      return;
    }
    const rewrite = this.prefixing();
    const edits = rewrite === undefined ? [] : resultUriEdits(raw, result, asked.method, rewrite);
    const { start, end } = envelope.id;
    edits.push({ start, end, text: this.clientId });
    if (caller.era !== profile.era) edits.push(...this.translation(raw, result, profile));
    this.finish(splice(raw, edits), 200, outcomeOf(raw, envelope));
  }

  private translation(raw: Buffer, result: Span, { serverInfo }: UpstreamProfile): Edit[] {
    const { caller, envelope } = this.spec;
    return caller.era === "modern"
      ? modernResultEdits(raw, result, envelope.method, serverInfo)
      : legacyResultEdits(raw, result, envelope.method);
  }

  private receiveError(raw: Buffer, envelope: Envelope, status: number): void {
    const { caller } = this.spec;
    const { code, text } = errorOf(raw, envelope);
    if (envelope.error === undefined) return;
    if (caller.era === "modern" && this.profile?.era === "legacy") {
      if (
        code === -32042 &&
        INPUT_METHODS.has(this.spec.envelope.method) &&
        this.parts.questions.urlElicitations(this, raw, envelope)
      )
        return;
      const modern = code === -32002 || code === -32042 ? -32602 : code;
      const error = splice(raw.subarray(envelope.error.start, envelope.error.end), codeEdit(raw, envelope, modern));
      this.finish(errorWith(this.clientId, error), modernStatus(modern), outcomeOfError(code));
      return;
    }
    const error = raw.subarray(envelope.error.start, envelope.error.end);
    const shown = caller.era === "modern" ? (status >= 400 && status < 500 ? status : modernStatus(code)) : 200;
    this.parts.log.debug("upstream refused", { upstream: this.spec.route.upstream.record.slug, code, text });
    this.finish(errorWith(this.clientId, error), shown, outcomeOfError(code));
  }

  // ---- what comes before it ----

  private receiveNotification(raw: Buffer, envelope: Envelope): void {
    const { caller } = this.spec;
    const { method, params } = envelope;
    if (method === "notifications/progress") {
      const token = memberAt(raw, params, "progressToken");
      const own = token !== undefined && raw.toString("utf8", token.start, token.end) === this.upstreamId;
      if (own && token !== undefined && this.progressToken !== undefined)
        this.reply.message(splice(raw, [{ ...token, text: this.progressToken }]));
      return;
    }
    if (method === "notifications/cancelled") {
      this.questionWithdrawn(raw, envelope);
      return;
    }
    if (caller.era === "modern") {
      if (
        method === "notifications/message" &&
        isLoudEnough(stringAt(raw, memberAt(raw, params, "level")), caller.identity.logLevel)
      )
        this.reply.message(raw);
      return;
    }
    const rewrite = method === "notifications/resources/updated" ? this.prefixing() : undefined;
    this.reply.message(rewrite === undefined ? raw : splice(raw, updatedUriEdits(raw, params, rewrite)));
  }

  private receiveQuestion(raw: Buffer, envelope: Envelope): void {
    const { caller, route } = this.spec;
    if (envelope.id === undefined) return;
    const rawId = raw.toString("utf8", envelope.id.start, envelope.id.end);
    const upstreamId = route.upstream.record.id;
    const deliver = (work: Promise<void>) =>
      work.catch((error: unknown) =>
        this.parts.log.warn("an answer did not reach the upstream", {
          upstream: route.upstream.record.slug,
          reason: String(error),
        }),
      );
    if (envelope.method === "ping") {
      void deliver(this.parts.asks.deliver(upstreamId, caller.holder, resultMessage(rawId, "{}")));
      return;
    }
    const needed = askedCapability(raw, envelope);
    const canTravel = caller.era === "legacy" || this.parts.parking.mayPark(this);
    if (needed === undefined || !canTravel || !this.reply.canAsk || !this.parts.questions.mayAsk(caller, needed)) {
      void deliver(this.parts.asks.refuse(upstreamId, caller, rawId, envelope.method));
      return;
    }
    this.deadlineAt = this.parts.now() + this.parts.clientTimeoutMs + route.upstream.target.requestTimeoutMs;
    if (caller.era === "modern") {
      const params =
        envelope.params === undefined ? undefined : raw.subarray(envelope.params.start, envelope.params.end);
      this.parts.parking.park(this, rawId, envelope.method, params);
      return;
    }
    const id = this.parts.asks.forUpstream(caller, upstreamId, rawId);
    this.asked ??= new Map();
    this.asked.set(rawId, id);
    this.reply.message(splice(raw, [{ ...envelope.id, text: id }]));
  }

  private questionWithdrawn(raw: Buffer, envelope: Envelope): void {
    const span = memberAt(raw, envelope.params, "requestId");
    const id = span === undefined ? undefined : this.asked?.get(raw.toString("utf8", span.start, span.end));
    if (span !== undefined && id !== undefined) this.reply.message(splice(raw, [{ ...span, text: id }]));
  }

  // ---- a modern upstream asks a legacy client ----

  private askLegacyClient(result: Buffer): void {
    this.rounds++;
    const slug = this.spec.route.upstream.record.slug;
    if (this.rounds > MAX_ROUNDS) {
      this.answerError(
        fault("MCPS_UPSTREAM_PROTOCOL", { upstream: slug, reason: `it asked for input more than ${MAX_ROUNDS} times` }),
      );
      return;
    }
    this.deadlineAt = this.parts.now() + this.parts.clientTimeoutMs + this.spec.route.upstream.target.requestTimeoutMs;
    this.parts.questions.askAll(this, result).then(
      (params) => {
        if (this.done || this.profile === undefined) return;
        const retry = requestMessage("0", this.spec.envelope.method, params);
        this.send(this.profile, retry, scanMessage(retry));
      },
      (error: unknown) => this.fail(asUpstreamFault(this, error)),
    );
  }

  // ---- endings ----

  answerError(failure: Fault): void {
    const status = this.spec.caller.era === "modern" ? failure.status : 200;
    this.finish(errorMessage(this.clientId, failure), status, failure.code, failure.headers);
  }

  /** Answers the client's present request and leaves the call running (a parked call asks for input). */
  answerInterim(raw: Buffer): void {
    this.leavePlace();
    this.reply.finish(raw, 200);
  }

  finish(raw: Buffer, status: number, outcome: string, headers?: Readonly<Record<string, string>>): void {
    if (this.done) return;
    this.finishAs(outcome);
    this.reply.finish(raw, status, headers);
  }

  /** Called before the last message goes out: what is still asked is taken back. */
  whenOver(listener: () => void): void {
    this.endings ??= [];
    this.endings.push(listener);
  }

  private finishAs(outcome: string): void {
    this.done = true;
    this.leavePlace();
    for (const listener of this.endings?.splice(0) ?? []) listener();
    const { caller, envelope } = this.spec;
    const ms = this.parts.now() - this.startedAt;
    this.parts.counters.request(envelope.method, caller.era, outcome, ms);
    this.parts.watch.ended(this.spec, outcome, ms);
    if (this.ownId !== undefined) this.parts.parking.settled(this);
    this.parts.over(this);
  }

  /** Its upstream can do nothing for it now: it is over, or waits for its client without a request of it. */
  private leavePlace(): void {
    this.place?.leave();
    this.place = undefined;
  }

  private prefixing(): ((uri: string) => string) | undefined {
    if (!this.spec.view.prefixed) return undefined;
    const { slug } = this.spec.route.upstream.record;
    return (uri) => prefixUri(slug, uri);
  }
}

function asUpstreamFault(call: Call, error: unknown): Fault {
  return error instanceof Error && "rpc" in error && "code" in error
    ? (error as Fault)
    : protocolFault(call.spec.route.upstream.target, error);
}

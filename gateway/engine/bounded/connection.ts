/**
 * One connection of the bounded engine: reads a head, asks for admission, reads the body, has it served, and only then looks at what
 * comes next. What the strict reader does not know goes, with the connection, to another server before anybody was asked.
 */
import type { Socket } from "node:net";
import type { Admitted, BodyRefusal, Refused, RequestHead } from "../../../contract/http.ts";
import { Body } from "../body.ts";
import type { Timed } from "../deadlines.ts";
import { Reads } from "../reads.ts";
import { Intake } from "./intake.ts";
import { RequestHeads, type RequestOnWire } from "./request-heads.ts";
import { WireSink } from "./sink.ts";
import type { Surroundings } from "./surroundings.ts";
import { Wire } from "./wire.ts";

/** Of a refused request: a body up to this size is skipped; for a longer one the connection ends. */
const MAX_SKIPPED_BYTES = 64 * 1024;
/** How long a peer may go on sending what nobody reads after the last answer, so that it gets to see that answer. */
const LINGER_MS = 2000;
const MAX_LINGERED_BYTES = 1024 * 1024;
const LF = 0x0a;
const EMPTY = Buffer.alloc(0);

/** A request that was admitted: what it is, how much body it has, where its answer goes. */
type Current = { readonly head: RequestHead; readonly sink: WireSink; readonly admitted: Admitted };

/**
 * `head`: between requests or within a head. `body`: admitted, bytes are missing. `answer`: the application has it. `flush`: the
 * answer is written and the peer slow to take it. `linger`: the last answer is written. `over`: closed, or somebody else's.
 */
type Phase = "head" | "body" | "answer" | "flush" | "linger" | "over";

export class Connection implements Timed {
  deadline: number;
  private readonly socket: Socket;
  private readonly around: Surroundings;
  private readonly reads: Reads;
  private readonly heads: RequestHeads;
  private readonly wire: Wire;
  private readonly intake = new Intake();
  private phase: Phase = "head";
  private isWithinHead = false;
  private isProceeding = false;
  private lingered = 0;
  /** Of the body that is being read. */
  private missing = 0;
  /** Bytes of a refused request's body that are still to come. */
  private toSkip = 0;
  private body: Body | undefined;
  private current: Current | undefined;

  constructor(socket: Socket, around: Surroundings) {
    const { options, connections, deadlines } = around;
    this.socket = socket;
    this.around = around;
    this.reads = new Reads(socket, (chunk) => this.received(chunk));
    this.heads = new RequestHeads(options, socket);
    this.wire = new Wire(socket, {
      isEnding: () => around.isDraining,
      answered: () => this.answered(),
    });
    this.deadline = deadlines.after(options.headTimeoutMs);
    connections.add(this);
    deadlines.add(this);
    for (const [event, listener] of this.listeners()) socket.on(event, listener);
    const early = this.reads.early();
    if (early !== undefined) this.received(early);
  }

  /** Nothing of a request has come, and nothing is owed. */
  get isIdle(): boolean {
    return this.phase === "head" && !this.isWithinHead && this.toSkip === 0;
  }

  readonly destroy = (): void => {
    this.socket.destroy();
  };

  /** Sends what is left and closes. */
  end(): void {
    const { deadlines, options } = this.around;
    this.phase = "linger";
    this.wire.release();
    this.deadline = deadlines.after(this.socket.writableLength > 0 ? options.bodyTimeoutMs : LINGER_MS);
    // Closed with bytes that nobody read, a connection is reset, and the peer may lose the answer with it (RFC 9112 §9.6).
    if (this.toSkip > 0 || this.intake.length > 0) this.socket.end();
    else this.socket.destroySoon();
    this.intake.skip(this.intake.length);
    this.reads.resume();
  }

  expire(): void {
    const { current, phase } = this;
    if (phase === "answer" || phase === "flush") this.look();
    else if (phase === "linger" || this.toSkip > 0) this.destroy();
    else if (this.isIdle) this.end();
    else if (phase === "body" && current?.admitted.bodyWithinMs !== undefined) this.refuseBody(current, "late");
    else {
      this.current = undefined;
      this.toSkip = this.body?.missing ?? 0;
      this.wire.begin("GET", true);
      this.wire.respond(408, {}, undefined);
      if (current !== undefined) this.abandon(current, phase);
    }
  }

  /** An answer takes its time; its peer has to take what is there of it. */
  private look(): void {
    if (this.wire.isStuck()) this.destroy();
    this.deadline = this.around.deadlines.after(this.around.options.bodyTimeoutMs);
  }

  private received(chunk: Buffer): void {
    const { intake, phase } = this;
    const { maxHeadBytes } = this.around.options;
    if (phase === "linger") {
      this.lingered += chunk.length;
      if (this.lingered > MAX_LINGERED_BYTES) this.destroy();
      return;
    }
    intake.append(chunk);
    if (phase === "head" || phase === "body") {
      // What was incomplete stays so until a line ends.
      if (this.isWithinHead && intake.length < maxHeadBytes && !chunk.includes(LF)) return;
      this.proceed();
    } else if (intake.length > maxHeadBytes) {
      // What is sent ahead of the answer waits in the kernel.
      this.reads.pause();
    }
  }

  private proceed(): void {
    if (this.isProceeding) return;
    this.isProceeding = true;
    try {
      while (this.phase === "head" ? this.readHead() : this.phase === "body" && this.readBody());
    } catch {
      // An error of the application ends this connection, never the process.
      this.destroy();
    }
    this.isProceeding = false;
    this.wire.uncork();
  }

  /** False: more bytes are needed, or the connection has become somebody else's. */
  private readHead(): boolean {
    const { intake, around } = this;
    if (this.toSkip > 0 && !this.skip()) return false;
    if (intake.length === 0) return false;
    const request = this.heads.read(intake.bytes, intake.at);
    if (request === "incomplete") {
      if (!this.isWithinHead) this.deadline = around.deadlines.after(around.options.headTimeoutMs);
      this.isWithinHead = true;
      return false;
    }
    if (request === "hand-over") {
      this.giveAway();
      return false;
    }
    this.isWithinHead = false;
    intake.skip(request.parsed.size);
    this.ask(request);
    return true;
  }

  private skip(): boolean {
    const skipped = Math.min(this.toSkip, this.intake.length);
    this.intake.skip(skipped);
    this.toSkip -= skipped;
    if (this.toSkip > 0) return false;
    this.deadline = this.around.deadlines.after(this.around.options.keepAliveMs);
    return true;
  }

  private ask({ head, parsed }: RequestOnWire): void {
    const { method, contentLength, isLast, size } = parsed;
    const { application, options, inFlight } = this.around;
    this.wire.begin(method, isLast);
    const admitted = application.admit(head);
    if (!admitted.ok) {
      this.refuse(admitted, contentLength);
      return;
    }
    const sink = new WireSink(this.wire, admitted);
    this.current = { head, sink, admitted };
    inFlight.enter();
    this.missing = contentLength;
    this.phase = "body";
    const limit = Math.min(application.maxBodyBytes, admitted.maxBodyBytes ?? Infinity);
    if (contentLength <= Math.min(limit, options.maxBufferBytes - size)) return;
    this.refuseBody(this.current, "too-large");
  }

  private refuseBody({ head, sink }: Current, reason: BodyRefusal): void {
    this.phase = "answer";
    this.deadline = this.around.deadlines.after(this.around.options.bodyTimeoutMs);
    this.wire.isLast = true;
    this.toSkip = this.body?.missing ?? this.missing;
    this.body = undefined;
    this.around.application.refuseBody(head, sink, reason);
  }

  /** In one write. Its body is skipped when it is short or here already. */
  private refuse({ status, headers, body }: Refused, contentLength: number): void {
    if (contentLength - this.intake.length > MAX_SKIPPED_BYTES) this.wire.isLast = true;
    this.toSkip = contentLength;
    this.wire.respond(status, headers, body);
  }

  private readBody(): boolean {
    const { intake, around } = this;
    if (this.body === undefined) {
      const size = this.missing;
      if (intake.length >= size) {
        this.serve(size === 0 ? EMPTY : intake.take(size));
        return true;
      }
      this.body = new Body(size);
      this.deadline = around.deadlines.after(this.current?.admitted.bodyWithinMs ?? around.options.bodyTimeoutMs);
    }
    const { body } = this;
    body.append(intake.take(Math.min(body.missing, intake.length)));
    if (body.missing > 0) return false;
    this.body = undefined;
    this.serve(body.whole());
    return true;
  }

  private serve(body: Buffer): void {
    const { current, around } = this;
    if (current === undefined) return;
    this.phase = "answer";
    this.deadline = this.around.deadlines.after(this.around.options.bodyTimeoutMs);
    if (!around.options.pipelineFlush) this.wire.release();
    else if (this.intake.length > 0) this.wire.cork();
    const { method, path, query, headers, remoteAddress, client } = current.head;
    const request = { method, path, query, headers, remoteAddress, client, body };
    around.application.serve(request, current.sink, current.admitted);
  }

  private answered(): void {
    this.phase = "flush";
    this.deadline = this.around.deadlines.after(this.around.options.bodyTimeoutMs);
    if (!this.socket.writableNeedDrain) this.complete();
  }

  private readonly drained = (): void => {
    if (this.phase === "flush") this.complete();
    else this.current?.sink.drain();
  };

  private complete(): void {
    const { current, around } = this;
    const { deadlines, options } = around;
    this.current = undefined;
    this.phase = "head";
    this.deadline = deadlines.after(this.toSkip > 0 ? options.bodyTimeoutMs : options.keepAliveMs);
    if (current !== undefined) {
      around.inFlight.leave();
      current.sink.finish("complete");
    }
    if (this.wire.isLast || around.isDraining) this.end();
    else {
      this.reads.resume();
      if (this.intake.length > 0) this.proceed();
    }
  }

  /** A peer that has closed its side while it is owed an answer is gone: nobody closes one side to wait at the other. */
  private readonly halfClosed = (): void => {
    if (this.phase === "flush") this.wire.isLast = true;
    else if (this.phase === "head") this.end();
    else if (this.phase !== "linger") this.destroy();
  };

  private readonly closed = (): void => {
    const { current, phase } = this;
    this.leave();
    this.current = undefined;
    this.body = undefined;
    if (current !== undefined) this.abandon(current, phase);
  };

  private abandon({ head, sink }: Current, phase: Phase): void {
    sink.finish("gone");
    this.around.inFlight.leave();
    if (phase === "body") this.around.application.refuseBody(head, sink, "aborted");
  }

  private giveAway(): void {
    const { intake, socket } = this;
    this.wire.giveBack();
    this.leave();
    for (const [event, listener] of this.listeners()) socket.off(event, listener);
    this.reads.giveBack(intake.take(intake.length));
    this.around.handOver.accept(socket);
  }

  private listeners(): readonly (readonly [string, () => void])[] {
    return [
      ["drain", this.drained],
      ["end", this.halfClosed],
      ["error", this.destroy],
      ["close", this.closed],
    ];
  }

  private leave(): void {
    this.phase = "over";
    this.heads.close();
    this.around.connections.delete(this);
    this.around.deadlines.delete(this);
  }
}

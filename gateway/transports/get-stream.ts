/**
 * The GET stream of a legacy session and the resumption of any stream by Last-Event-ID. A session has one GET stream: a newer
 * one takes the place of an older, on whichever worker that is. When its client goes away it collects for a while longer, so
 * that nothing is lost between two connections.
 */
import type { GatewayRequest, ResponseSink } from "../../contract/http.ts";
import type { EventLog, ResumableStream, SessionFacts, SessionStream } from "../sessions/index.ts";
import { sessionCaller } from "./callers.ts";
import type { Endpoint, TransportParts } from "./context.ts";
import { eventFrame, partingFrame, primingFrame, SSE_HEADERS } from "./sse-frames.ts";
import { enterStream } from "./streamable-http.ts";

/** Waits this long for an older holder to hand over before going on without it. */
const HANDOVER_MS = 2000;

export async function openGetStream(
  parts: TransportParts,
  endpoint: Endpoint,
  request: GatewayRequest,
  session: SessionFacts,
  sink: ResponseSink,
): Promise<void> {
  const place = enterStream(parts, "get", sink);
  let closed = false;
  const cleanups: (() => void)[] = [
    () => {
      parts.keepalive.delete(sink);
      place.leave();
    },
  ];
  const onGone = () => {
    closed = true;
    for (const cleanup of cleanups.splice(0)) cleanup();
  };
  sink.onClose(onGone);
  const finish = () => {
    if (!sink.closed) sink.end();
    onGone();
  };

  const lastEventId = request.headers["last-event-id"];
  let resumed: ResumableStream | undefined;
  try {
    // Before the answer begins, so that a store that is away is told as such.
    resumed = lastEventId === undefined ? undefined : await parts.replay.resume(session.id, lastEventId);
  } catch (error) {
    onGone();
    throw error;
  }
  if (closed) return;
  sink.open(200, SSE_HEADERS);
  place.holdBy(endpoint.principal, finish);
  parts.keepalive.add(sink);
  const write = (id: string, raw: Buffer) => {
    if (!sink.closed) sink.write(eventFrame(raw, id));
  };

  const complete = Promise.withResolvers<void>();
  if (resumed?.kind === "post") {
    cleanups.push(resumed.deliver(write, complete.resolve), complete.resolve);
    await complete.promise;
    finish();
    return;
  }
  // The older holder lets go first, so that its stream has an end to be read to.
  await parts.takeover.announce(session.id);
  if (resumed !== undefined && !closed) {
    const stop = resumed.deliver(write, complete.resolve);
    await Promise.race([complete.promise, timeout(HANDOVER_MS)]);
    stop();
  }
  if (closed) return;
  new HeldStream(parts, endpoint, request, session, sink, finish).start(cleanups);
}

/** The stream of a session while this worker holds it, with and without its client. */
class HeldStream {
  private readonly parts: TransportParts;
  private readonly endpoint: Endpoint;
  private readonly request: GatewayRequest;
  private readonly session: SessionFacts;
  private readonly sink: ResponseSink;
  private readonly finish: () => void;
  private readonly log: EventLog;
  private stream: SessionStream | undefined;
  private over = false;
  private leaveTakeover: (() => void) | undefined;
  private linger: NodeJS.Timeout | undefined;

  constructor(
    parts: TransportParts,
    endpoint: Endpoint,
    request: GatewayRequest,
    session: SessionFacts,
    sink: ResponseSink,
    finish: () => void,
  ) {
    this.parts = parts;
    this.endpoint = endpoint;
    this.request = request;
    this.session = session;
    this.sink = sink;
    this.finish = finish;
    this.log = parts.replay.open(session.id, undefined);
  }

  start(cleanups: (() => void)[]): void {
    const { parts, session } = this;
    if (session.protocolVersion >= "2025-11-25")
      this.sink.write(primingFrame(this.log.announce(), parts.streams.retryMs));
    cleanups.push(() => this.clientGone());
    this.leaveTakeover = parts.takeover.hold(session.id, () => this.end());
    const caller = sessionCaller(session, this.endpoint.principal, this.request, parts);
    const out = (raw: Buffer) => {
      if (this.over) return;
      const id = this.log.append(raw);
      if (!this.sink.closed) this.sink.write(eventFrame(raw, id));
    };
    parts.conversations.openStream(this.endpoint.view, caller, out).then(
      (stream) => {
        if (this.over) stream.close();
        else this.stream = stream;
      },
      (error: unknown) => {
        parts.log.warn("a session's stream cannot be opened", { reason: String(error) });
        this.end();
      },
    );
  }

  private clientGone(): void {
    if (this.over) return;
    this.linger = setTimeout(() => this.end(), this.parts.streams.lingerMs).unref();
  }

  /** Another connection has taken over, the session has ended, or its client has stayed away too long. */
  private end(): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.linger);
    this.leaveTakeover?.();
    this.stream?.close();
    this.log.finish();
    if (!this.sink.closed) this.sink.write(partingFrame(this.parts.streams.retryMs));
    this.finish();
  }
}

function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

/**
 * HTTP+SSE of 2024-11-05: GET opens the stream and names where to POST; answers come on the stream. The stream's worker runs
 * the session; a POST that arrives at another worker is handed to it over the session's channel.
 */
import { fault } from "../../contract/errors.ts";
import type { GatewayRequest, ResponseSink } from "../../contract/http.ts";
import type { SharedState } from "../coordination/index.ts";
import { scanMessage } from "../mcp/index.ts";
import { respondFault } from "./answers.ts";
import type { Endpoint, TransportParts } from "./context.ts";
import { isJson } from "./edge.ts";
import { LiveSession } from "./live-session.ts";
import { eventFrame, partingFrame, SSE_HEADERS } from "./sse-frames.ts";
import { enterStream, faultOf } from "./streamable-http.ts";

const EMPTY = Buffer.from("{}");

function channelOf(sessionId: string): string {
  return `sse-in:${sessionId}`;
}

export function createHttpSse(parts: TransportParts, state: SharedState) {
  const open = new Map<
    string,
    { readonly live: LiveSession; readonly sink: ResponseSink; readonly gone: () => void }
  >();

  return {
    /** GET …/sse. `messagePath` is the path to POST to, relative to this server. */
    async openStream(
      endpoint: Endpoint,
      request: GatewayRequest,
      messagePath: string,
      sink: ResponseSink,
    ): Promise<void> {
      const place = enterStream(parts, "sse", sink);
      const { token, facts } = parts.sessions.mint(endpoint.name, endpoint.principal.id, "2024-11-05", EMPTY, EMPTY);
      const live = new LiveSession(parts, endpoint, request, facts.id, (raw) => {
        if (!sink.closed) sink.write(eventFrame(raw));
      });
      let leave: (() => Promise<void>) | undefined;
      let isGone = false;
      const unsubscribe = () => {
        leave?.().catch((error: unknown) => parts.log.debug("unsubscribe failed", { reason: String(error) }));
      };
      const gone = () => {
        if (isGone) return;
        isGone = true;
        open.delete(facts.id);
        parts.keepalive.delete(sink);
        place.leave();
        live.close();
        unsubscribe();
        // What is posted to it from now on is refused by every worker instead of vanishing.
        parts.sessions.end(facts.id).catch((error: unknown) => {
          parts.log.debug("the end of a session was not told", { reason: String(error) });
        });
      };
      sink.onClose(gone);
      try {
        if (state.kind !== "memory")
          leave = await state.subscribe(channelOf(facts.id), (body) => live.receive(Buffer.from(body, "base64")));
      } catch (error) {
        gone();
        respondFault(sink, faultOf(parts, error));
        return;
      }
      if (isGone) {
        unsubscribe();
        return;
      }
      open.set(facts.id, { live, sink, gone });
      sink.open(200, SSE_HEADERS);
      place.holdBy(endpoint.principal, () => {
        gone();
        if (!sink.closed) sink.end();
      });
      parts.keepalive.add(sink);
      sink.write(`event: endpoint\ndata: ${messagePath}?session_id=${encodeURIComponent(token)}\n\n`);
    },

    /** POST …/message?session_id=…: 202, the answer comes on the stream. */
    async receive(endpoint: Endpoint, request: GatewayRequest, sink: ResponseSink): Promise<void> {
      if (!isJson(request.headers["content-type"]))
        throw fault("MCPS_CONTENT_TYPE", { value: request.headers["content-type"] ?? "missing" });
      const query = new URLSearchParams(request.query);
      const token = query.get("session_id") ?? query.get("sessionId");
      if (token === null) throw fault("MCPS_SESSION_MISSING", { method: "POST …/message" });
      const session = parts.sessions.open(token, endpoint.name, endpoint.principal.id);
      if (session === undefined || (await parts.sessions.ended(session.id))) throw fault("MCPS_SESSION_UNKNOWN");
      scanMessage(request.body);
      const here = open.get(session.id);
      if (here !== undefined) {
        sink.respond(202, {}, "Accepted");
        here.live.receive(request.body);
        return;
      }
      if (state.kind === "memory") throw fault("MCPS_SESSION_UNKNOWN");
      await state.publish(channelOf(session.id), request.body.toString("base64"));
      sink.respond(202, {}, "Accepted");
    },

    /** Ends each stream once its calls are answered; resolves when all have ended. */
    async drain(): Promise<void> {
      const leave = ({ live, sink, gone }: { live: LiveSession; sink: ResponseSink; gone: () => void }) =>
        new Promise<void>((resolve) => {
          sink.onClose(resolve);
          live.leave(() => {
            gone();
            sink.write(partingFrame(parts.streams.retryMs));
            sink.end();
            resolve();
          });
        });
      await Promise.all(Array.from(open.values(), leave));
    },
  };
}

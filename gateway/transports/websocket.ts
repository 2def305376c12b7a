/** WebSocket: one JSON-RPC message per text frame, one session per connection. */
import { randomUUID } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import type { RequestHead, WebSocketPeer } from "../../contract/http.ts";
import type { Endpoint, TransportParts } from "./context.ts";
import { LiveSession } from "./live-session.ts";
import { enterStream, type StreamPlace } from "./streamable-http.ts";

/** A peer with more than this unread is not reading; it is closed rather than remembered. */
const MAX_BACKLOG_BYTES = 16 * 1024 * 1024;

type Open = {
  readonly peer: WebSocketPeer;
  readonly session: LiveSession;
  /** Has been heard of since the last ping. */
  alive: boolean;
  onGone: () => void;
};

export function createWebSockets(parts: TransportParts, pingMs: number) {
  const open = new Set<Open>();
  const timer = setInterval(() => {
    for (const entry of open) {
      if (entry.alive) {
        entry.alive = false;
        entry.peer.ping();
      } else entry.peer.close(1001, "no pong");
    }
  }, pingMs);
  timer.unref();

  function serve(endpoint: Endpoint, head: RequestHead, peer: WebSocketPeer, place: StreamPlace): void {
    const session = new LiveSession(parts, endpoint, head, randomUUID(), (raw) => {
      if (peer.backlog > MAX_BACKLOG_BYTES) peer.close(1013, "the peer reads too slowly");
      else peer.send(raw);
    });
    const entry: Open = { peer, session, alive: true, onGone: () => undefined };
    open.add(entry);
    // RFC 6455 §7.4.1: 1008, the connection is against what is allowed by now.
    let isOver = false;
    place.holdBy(endpoint.principal, () => {
      isOver = true;
      peer.close(1008, "the token has ended: connect again");
    });
    peer.onPong(() => {
      entry.alive = true;
    });
    peer.onMessage((data, isText) => {
      // A peer may take its time to answer the close.
      if (isOver) return;
      entry.alive = true;
      if (isText) session.receive(data);
      else peer.close(1003, "text frames only");
    });
    peer.onClose(() => {
      open.delete(entry);
      place.leave();
      session.close();
      entry.onGone();
    });
  }

  return {
    /** Takes the place among the streams; throws MCPS_OVERLOADED when there is none. */
    accept(endpoint: Endpoint, head: RequestHead): { open(peer: WebSocketPeer): void; abandon(): void } {
      const place = enterStream(parts, "websocket");
      return { open: (peer) => serve(endpoint, head, peer, place), abandon: () => place.leave() };
    },
    /** Closes each connection once its calls are answered: clients come back to whoever serves then. Resolves when all are told. */
    async drain(): Promise<void> {
      const leave = (entry: Open) =>
        new Promise<void>((resolve) => {
          entry.onGone = resolve;
          entry.session.leave(() => {
            entry.peer.close(1012, fault("MCPS_DRAINING").message.slice(0, 120));
            resolve();
          });
        });
      await Promise.all(Array.from(open, leave));
    },
    close(): void {
      clearInterval(timer);
    },
  };
}

export type WebSockets = ReturnType<typeof createWebSockets>;

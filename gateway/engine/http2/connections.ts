/**
 * HTTP/2 (RFC 9113) on connections that somebody else accepted: over TLS by ALPN, or in the clear where the
 * connection begins with the preface. One clock for the deadlines of all of them.
 */
import type { Application } from "../../../contract/http.ts";
import { ClientAddress } from "../client-address.ts";
import { clientOf } from "../client-certificate.ts";
import type { ConnectionServer, EngineOptions } from "../engine.ts";
import { InFlight } from "../in-flight.ts";
import { Http2Connection } from "./session.ts";

const MAX_TICK_MS = 1000;

export function createHttp2Connections(options: EngineOptions, application: Application): ConnectionServer {
  const connections = new Set<Http2Connection>();
  const inFlight = new InFlight();
  let isDraining = false;
  const tickMs = Math.max(1, Math.min(MAX_TICK_MS, options.headTimeoutMs, options.bodyTimeoutMs, options.keepAliveMs));
  let now = performance.now();
  const clock = setInterval(() => {
    now = performance.now();
    for (const connection of connections) connection.tick(now, tickMs / 1000);
  }, tickMs);
  clock.unref();

  return {
    accept(socket) {
      if (socket.destroyed) return;
      // Half-open is no state of an HTTP/2 connection: its streams end by frames.
      socket.allowHalfOpen = false;
      connections.add(
        new Http2Connection(socket, {
          options,
          application,
          inFlight,
          peer: { address: new ClientAddress(options.trustedProxies, socket.remoteAddress), client: clientOf(socket) },
          now: () => now + tickMs,
          isDraining: () => isDraining,
          closed: (connection) => connections.delete(connection),
        }),
      );
    },
    async drain(deadlineMs, idleMs = 0) {
      isDraining = true;
      for (const connection of connections) connection.notice();
      const cut = await inFlight.drain(deadlineMs, idleMs);
      for (const connection of connections) connection.closeIdle();
      return { cut };
    },
    async close() {
      clearInterval(clock);
      for (const connection of connections) connection.cut();
    },
  };
}

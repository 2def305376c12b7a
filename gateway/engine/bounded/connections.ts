/**
 * HTTP/1.1 by the strict reader, on connections that somebody else accepted. What it does not know goes, with the bytes read so far,
 * to another server and never comes back.
 */
import type { Application } from "../../../contract/http.ts";
import { Deadlines } from "../deadlines.ts";
import type { ConnectionServer, EngineOptions } from "../engine.ts";
import { InFlight } from "../in-flight.ts";
import { Connection } from "./connection.ts";
import type { Surroundings } from "./surroundings.ts";

/** Draining and closing `handOver` is the affair of whoever made it. */
export function createBoundedConnections(
  options: EngineOptions,
  application: Application,
  handOver: ConnectionServer,
): ConnectionServer {
  const connections = new Set<Connection>();
  const inFlight = new InFlight();
  const around: Surroundings = {
    options,
    application,
    deadlines: new Deadlines([options.headTimeoutMs, options.bodyTimeoutMs, options.keepAliveMs]),
    inFlight,
    connections,
    handOver,
    isDraining: false,
  };
  return {
    accept(socket) {
      // Of one that is closed already nobody would hear again.
      if (!socket.destroyed) new Connection(socket, around);
    },
    async drain(deadlineMs, idleMs = 0) {
      around.isDraining = true;
      const cut = await inFlight.drain(deadlineMs, idleMs);
      for (const connection of connections) if (connection.isIdle) connection.end();
      return { cut };
    },
    async close() {
      for (const connection of connections) connection.destroy();
    },
  };
}

/**
 * The bounded engine: the common door, the strict reader behind it, node:http under Fastify for what that does not know, and HTTP/2 for
 * connections that begin with its preface, which the reader does not know either.
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Application } from "../../../contract/http.ts";
import { createDoor } from "../door.ts";
import type { ConnectionServer, EngineOptions, ServerEngine } from "../engine.ts";
import { createFastifyConnections } from "../fastify/connections.ts";
import { createHttp2Connections } from "../http2/connections.ts";
import { lateConnections } from "../late.ts";
import { lookForPreface } from "../preface.ts";
import { createBoundedConnections } from "./connections.ts";

export function createBoundedEngine(options: EngineOptions, application: Application): ServerEngine {
  const fastify = lateConnections(() => createFastifyConnections(options, application));
  const http2 = createHttp2Connections(options, application);
  const handOver = (socket: Socket): void => {
    if (options.httpVersions === "1" || !isFresh(socket)) {
      fastify.accept(socket);
      return;
    }
    lookForPreface(socket, options.headTimeoutMs, (answer) => (answer === "yes" ? http2 : fastify).accept(socket));
  };
  const bounded = createBoundedConnections(options, application, { ...fastify, accept: handOver });
  return createDoor(options, { http1: bothOf(bounded, fastify), http2, prefaceReader: "http1" });
}

/** The preface is one only as the first thing on a connection in the clear; over TLS the protocol has been agreed on. */
function isFresh(socket: Socket): boolean {
  return !(socket instanceof TLSSocket) && socket.readableLength === socket.bytesRead;
}

/** Two servers of the same connections: the first accepts, the second gets some of them from it. */
function bothOf(first: ConnectionServer, second: ConnectionServer): ConnectionServer {
  return {
    accept: (socket) => first.accept(socket),
    async drain(deadlineMs, idleMs) {
      const reports = await Promise.all([first.drain(deadlineMs, idleMs), second.drain(deadlineMs, idleMs)]);
      return { cut: reports.reduce((sum, { cut }) => sum + cut, 0) };
    },
    async close() {
      await Promise.all([first.close(), second.close()]);
    },
  };
}

/** The bounded engine: the common door, the strict reader behind it, and node:http under Fastify for what that does not know. */
import type { Application } from "../../../contract/http.ts";
import { createDoor } from "../door.ts";
import type { ConnectionServer, EngineOptions, ServerEngine } from "../engine.ts";
import { createFastifyConnections } from "../fastify/connections.ts";
import { createBoundedConnections } from "./connections.ts";

export function createBoundedEngine(options: EngineOptions, application: Application): ServerEngine {
  const fastify = createFastifyConnections(options, application);
  const bounded = createBoundedConnections(options, application, fastify);
  return createDoor(options, { http1: bothOf(bounded, fastify) });
}

/** Two servers of the same connections: the first accepts, the second gets some of them from it. */
function bothOf(first: ConnectionServer, second: ConnectionServer): ConnectionServer {
  return {
    accept: (socket) => first.accept(socket),
    async drain(deadlineMs) {
      const reports = await Promise.all([first.drain(deadlineMs), second.drain(deadlineMs)]);
      return { cut: reports.reduce((sum, { cut }) => sum + cut, 0) };
    },
    async close() {
      await Promise.all([first.close(), second.close()]);
    },
  };
}

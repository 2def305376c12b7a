/**
 * Answers of pipelined requests wait for those before them. Once CONNECT or an upgrade has followed them, node:http listens no more for
 * the end of their connection (Node 26.9), and they would never be told: what they hold would stay taken.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

const waiting = new WeakMap<Socket, Set<() => void>>();

/** Calls the listener when the connection ends, if this answer is not the next one on it. Answers with a way to forget it. */
export function onEndOfConnection(response: ServerResponse, listener: () => void): () => void {
  const { socket } = response.req;
  if (response.socket !== null) return ignore;
  if (socket.closed) {
    queueMicrotask(listener);
    return ignore;
  }
  // One listener of the socket for all of them: there may be many.
  const listeners = waiting.get(socket) ?? new Set();
  if (!waiting.has(socket)) {
    waiting.set(socket, listeners);
    socket.once("close", () => {
      for (const one of [...listeners]) one();
    });
  }
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function ignore(): void {}

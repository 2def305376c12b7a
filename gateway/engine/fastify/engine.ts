/** The fastify engine: node:http under Fastify. It frames, limits and drains; every request goes to the application. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import Fastify, { type FastifyReply, type FastifyRequest } from "fastify";
import { type WebSocket, WebSocketServer } from "ws";
import { fault } from "../../../contract/errors.ts";
import type { Admitted, Application, Refused, WebSocketPeer } from "../../../contract/http.ts";
import type { Address, DrainReport, EngineOptions, ServerEngine } from "../engine.ts";
import { readBody } from "./body.ts";
import { headOf, NodeSink } from "./sink.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

export function createFastifyEngine(options: EngineOptions, application: Application): ServerEngine {
  const fastify = Fastify({
    requestTimeout: options.bodyTimeoutMs,
    keepAliveTimeout: options.keepAliveMs,
    connectionTimeout: 0,
    forceCloseConnections: false,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    http: {
      maxHeaderSize: options.maxHeadBytes,
      headersTimeout: options.headTimeoutMs,
      // Other offers are ignored (RFC 9110 §7.8): many clients send `Upgrade: h2c` with every first request.
      shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === "websocket",
    },
    frameworkErrors: (_error, request, reply) => take(request, reply),
    logger: false,
  });
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: Math.min(application.maxBodyBytes, MAX_FRAME_BYTES),
    clientTracking: true,
  });
  let inFlight = 0;
  let isDraining = false;
  let idle: (() => void) | undefined;

  /** Until the answer is complete or its peer gone, whatever becomes of the body. */
  function enter(response: ServerResponse, admitted: Admitted): NodeSink {
    inFlight++;
    return new NodeSink(response, {
      isLast: () => isDraining,
      detached: () => admitted.leave(),
      finished: () => {
        inFlight--;
        admitted.leave();
        if (inFlight === 0) idle?.();
      },
    });
  }

  function receive(raw: IncomingMessage, response: ServerResponse): void {
    const head = headOf(raw);
    const decision = application.admit(head);
    if (!decision.ok) {
      refuse(response, raw, decision);
      return;
    }
    const sink = enter(response, decision);
    readBody(raw, application.maxBodyBytes, {
      body: (body) => {
        try {
          application.serve({ ...head, body }, sink, decision);
        } catch {
          // What cannot be written as HTTP (a header value that node:http refuses) ends this connection, never the process.
          response.destroy();
        }
      },
      failed: (reason) => application.refuseBody(head, sink, reason),
    });
  }

  /** Out of Fastify's hands before it parses: bodies reach the pipeline as bytes, and what may be in them is decided there. */
  function take(request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack();
    receive(request.raw, reply.raw);
  }
  fastify.addHook("onRequest", (request, reply, _next) => take(request, reply));
  const unreachable = (): void => undefined;
  for (const method of METHODS) fastify.route({ method, url: "/*", handler: unreachable });
  fastify.setNotFoundHandler(unreachable);

  const server: Server = fastify.server;
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    application.upgrade(headOf(request)).then(
      (decision) => {
        if (!decision.ok) {
          refuseUpgrade(socket, decision);
          return;
        }
        let isOpen = false;
        sockets.handleUpgrade(request, socket, head, (webSocket) => {
          isOpen = true;
          decision.open(peerOf(webSocket));
        });
        // A handshake that is none has been answered, or its socket is gone.
        if (!isOpen) decision.abandon();
      },
      () => socket.destroy(),
    );
  });

  async function settle(deadlineMs: number): Promise<void> {
    if (inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  return {
    async listen(): Promise<Address[]> {
      try {
        await fastify.listen({ host: options.host, port: options.port, backlog: options.backlog });
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
          throw fault("MCPS_PORT_TAKEN", { host: options.host, port: options.port });
        }
        throw error;
      }
      const bound = server.address();
      return bound === null || typeof bound === "string" ? [] : [{ host: bound.address, port: bound.port }];
    },
    async drain(deadlineMs: number): Promise<DrainReport> {
      isDraining = true;
      // It listens until the end: an answer that a waiting call needs may come on a new connection, and what the application
      // refuses while it drains is told so instead of being turned away without a word.
      await settle(deadlineMs);
      server.close();
      server.closeIdleConnections();
      return { cut: inFlight };
    },
    async close(): Promise<void> {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await fastify.close();
    },
  };
}

function refuse(response: ServerResponse, request: IncomingMessage, decision: Refused): void {
  response.writeHead(decision.status, {
    ...decision.headers,
    "content-length": Buffer.byteLength(decision.body),
    connection: "close",
  });
  response.end(decision.body);
  // What is still coming of the body is not read: the connection ends with the answer.
  response.on("finish", () => request.socket.destroySoon());
}

function refuseUpgrade(socket: Duplex, decision: Refused): void {
  const headers = {
    ...decision.headers,
    "content-length": String(Buffer.byteLength(decision.body)),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${decision.status} Refused\r\n${lines.join("")}\r\n${decision.body}`);
}

function peerOf(webSocket: WebSocket): WebSocketPeer {
  webSocket.on("error", () => webSocket.terminate());
  return {
    get backlog() {
      return webSocket.bufferedAmount;
    },
    send: (text) => webSocket.send(text, { binary: false }),
    close: (code, reason) => webSocket.close(code, reason),
    ping: () => webSocket.ping(),
    onMessage: (listener) => {
      webSocket.on("message", (data, isBinary) =>
        listener(
          Buffer.isBuffer(data) ? data : Buffer.concat(Array.isArray(data) ? data : [Buffer.from(data)]),
          !isBinary,
        ),
      );
    },
    onPong: (listener) => {
      webSocket.on("pong", listener);
    },
    onClose: (listener) => {
      webSocket.on("close", listener);
    },
  };
}

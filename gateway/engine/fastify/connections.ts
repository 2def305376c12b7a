/**
 * HTTP/1.1 by node:http under Fastify, on connections that somebody else accepted. It frames and limits; every request goes to the
 * application. Bytes that were read before have to be pushed back (`socket.unshift`).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Admitted, Application, Refused } from "../../../contract/http.ts";
import { Deadlines } from "../deadlines.ts";
import type { ConnectionServer, EngineOptions } from "../engine.ts";
import { InFlight } from "../in-flight.ts";
import { endWith } from "../refuse-connection.ts";
import { cutWhenStuck } from "../unread.ts";
import { bodyLimit, readBody } from "./body.ts";
import { answerClientError } from "./client-errors.ts";
import { fastifyPackage } from "./packages.ts";
import { refuse } from "./refuse.ts";
import { headReader, NodeSink } from "./sink.ts";
import { hasSeveralHosts } from "./targets.ts";
import { createUpgrades } from "./websocket.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
/** node:http looks for connections past their deadline this often; a deadline is kept to a quarter of its length. */
const CHECKS_PER_DEADLINE = 4;
const MAX_CHECK_MS = 5000;
const SEVERAL_HOSTS: Refused = { ok: false, status: 400, headers: { connection: "close" }, body: "" };

export function createFastifyConnections(options: EngineOptions, application: Application): ConnectionServer {
  const shortestMs = Math.min(options.headTimeoutMs, options.bodyTimeoutMs);
  const fastify = fastifyPackage()({
    requestTimeout: options.bodyTimeoutMs,
    keepAliveTimeout: options.keepAliveMs,
    connectionTimeout: 0,
    forceCloseConnections: false,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    http: {
      maxHeaderSize: options.maxHeadBytes,
      headersTimeout: options.headTimeoutMs,
      connectionsCheckingInterval: Math.max(1, Math.min(MAX_CHECK_MS, Math.ceil(shortestMs / CHECKS_PER_DEADLINE))),
      // Other offers are ignored (RFC 9110 §7.8): many clients send `Upgrade: h2c` with every first request.
      shouldUpgradeCallback: (request) => options.webSockets && request.headers.upgrade?.toLowerCase() === "websocket",
    },
    clientErrorHandler: answerClientError,
    frameworkErrors: (_error, request, reply) => take(request, reply),
    logger: false,
  });
  const { server } = fastify;
  const upgrades = createUpgrades(application, options.headTimeoutMs);
  const headOf = headReader(options);
  const limitOf = bodyLimit(options, application.maxBodyBytes);
  const inFlight = new InFlight();
  const deadlines = new Deadlines([options.bodyTimeoutMs]);
  let isDraining = false;

  /** Until the answer is complete or its peer gone, whatever becomes of the body. */
  function enter(response: ServerResponse, admitted: Admitted): NodeSink {
    inFlight.enter();
    return new NodeSink(response, {
      isLast: () => isDraining,
      detached: () => admitted.leave(),
      finished: () => {
        inFlight.leave();
        admitted.leave();
      },
    });
  }

  function receive(raw: IncomingMessage, response: ServerResponse, isBodyAwaited = false): void {
    if (hasSeveralHosts(raw)) {
      refuse(response, raw, SEVERAL_HOSTS, true);
      return;
    }
    const head = headOf(raw);
    const decision = application.admit(head);
    if (!decision.ok) {
      refuse(response, raw, decision, isDraining);
      return;
    }
    const sink = enter(response, decision);
    const limit = Math.min(limitOf(raw), decision.maxBodyBytes ?? Infinity);
    if (isBodyAwaited && Number(raw.headers["content-length"] ?? 0) <= limit) response.writeContinue();
    readBody(raw, limit, decision.bodyWithinMs, {
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
  // Not by node:http before anybody has looked at the head: a refused request need not send its body (RFC 9110 §10.1.1).
  server.on("checkContinue", (request, response) => receive(request, response, true));
  server.on("upgrade", (request, _socket, bytes) => {
    if (hasSeveralHosts(request)) {
      const answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
      endWith(request.socket, answer, options.headTimeoutMs);
    } else upgrades.take(headOf(request), request, bytes);
  });
  // It listens nowhere. This event is what starts the list of its connections, on which the deadlines and their end depend.
  server.emit("listening");

  let isReady = false;
  const ready = Promise.resolve(fastify.ready()).then(() => {
    isReady = true;
  });

  function begin(socket: Socket): void {
    if (socket.destroyed) return;
    // Its timeouts know of requests alone.
    cutWhenStuck(socket, deadlines, options.bodyTimeoutMs);
    server.emit("connection", socket);
    // Whoever read its first bytes has paused it.
    socket.resume();
  }

  return {
    accept(socket) {
      if (isReady) begin(socket);
      else ready.then(() => begin(socket));
    },
    async drain(deadlineMs, idleMs = 0) {
      isDraining = true;
      const cut = await inFlight.drain(deadlineMs, idleMs);
      server.closeIdleConnections();
      return { cut };
    },
    async close() {
      upgrades.close();
      server.closeAllConnections();
      // Without a listener there is nothing to close but the clock of the deadlines.
      server.close();
      await fastify.close();
    },
  };
}

/**
 * `/{id}/mcp` of the stdio host: what an MCP streamable HTTP server does (protocol: MCP 2025-11-25 and 2026-07-28
 * transports), in front of children that speak stdio. MCP-Protocol-Version is taken leniently: only its era counts.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Fault, fault } from "../../../contract/errors.ts";
import { type Envelope, memberAt, pathAt, scanMessage, setMember, sliceAt, splice, stringAt } from "../../mcp/index.ts";
import { Lane } from "./calls.ts";
import type { Child, Hosted, Session } from "./hosted.ts";
import { errorBody, HttpReply, type Reply } from "./reply.ts";

export type McpContext = {
  readonly hosted: Hosted;
  readonly maxMessageBytes: number;
  readonly probeTimeoutMs: number;
};

const META_VERSION = "io.modelcontextprotocol/protocolVersion";
const FIRST_MODERN_VERSION = "2026-07-28";

/** docs/protocol.md, "How a request is taken": the body's claim, else the header; versions are dates and compare as text. */
function isModern(request: IncomingMessage, body: Buffer, envelope: Envelope): boolean {
  if (pathAt(body, envelope.params, "_meta", META_VERSION) !== undefined) return true;
  if (envelope.method === "initialize") return false;
  const header = request.headers["mcp-protocol-version"];
  return typeof header === "string" && /^\d{4}-\d\d-\d\d$/.test(header) && header >= FIRST_MODERN_VERSION;
}

function sessionOf(context: McpContext, request: IncomingMessage, method: string): Session {
  const id = request.headers["mcp-session-id"];
  if (typeof id !== "string") throw fault("MCPS_SESSION_MISSING", { method });
  const session = context.hosted.session(id);
  if (session === undefined) throw fault("MCPS_SESSION_UNKNOWN");
  return session;
}

/** POST of one message. Throws faults; after a fault nothing has been written. */
export async function post(context: McpContext, request: IncomingMessage, response: ServerResponse, body: Buffer) {
  const envelope = scanMessage(body);
  try {
    if (isModern(request, body, envelope)) await postModern(context, response, body, envelope);
    else if (envelope.kind === "request" && envelope.method === "initialize") {
      const known = context.hosted.session(String(request.headers["mcp-session-id"] ?? ""));
      if (known !== undefined) throw fault("MCPS_ALREADY_INITIALIZED");
      await initialize(context, response, body, envelope);
    } else postLegacy(context, request, response, body, envelope);
  } catch (error) {
    if (error instanceof InitializeRefused) {
      new HttpReply(response, {}, 0).finish(answerBody(body, envelope, "error", error.raw), error.status);
      return;
    }
    if (!(error instanceof Fault) || envelope.id === undefined || response.headersSent) throw error;
    const bytes = errorBody(error, sliceAt(body, envelope.id));
    response.writeHead(error.status, { ...error.headers, "content-type": "application/json" }).end(bytes);
  }
}

function accepted(response: ServerResponse): void {
  response.writeHead(202).end();
}

function postLegacy(
  context: McpContext,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  envelope: Envelope,
): void {
  const { child, lane } = sessionOf(context, request, envelope.method || "a response");
  if (envelope.kind === "response") {
    child.link.respond(body);
    accepted(response);
    return;
  }
  const shared = child.link.kind === "shared";
  if (envelope.kind === "notification") {
    // The shared child has been initialized once, by us, and was told of no roots.
    const ours = ["notifications/initialized", "notifications/roots/list_changed"].includes(envelope.method);
    if (!(shared && ours)) child.link.notify(lane, body, envelope);
    accepted(response);
    return;
  }
  const reply = new HttpReply(response, {}, context.maxMessageBytes);
  const uri = envelope.method === "resources/unsubscribe" ? memberAt(body, envelope.params, "uri") : undefined;
  if (uri !== undefined && child.link.keepsSubscription(lane, stringAt(body, uri) ?? "")) {
    reply.finish(answerBody(body, envelope, "result", "{}"), 200);
    return;
  }
  // A legacy client that goes away has not cancelled (MCP 2025-11-25 transports): the call goes on.
  child.link.request(lane, body, envelope, reply);
}

function answerBody(body: Buffer, envelope: Envelope, key: "result" | "error", value: string | Buffer): Buffer {
  const id = envelope.id === undefined ? Buffer.from("null") : sliceAt(body, envelope.id);
  const parts = ['{"jsonrpc":"2.0","id":', id, `,"${key}":`, value, "}"];
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
}

async function initialize(context: McpContext, response: ServerResponse, body: Buffer, envelope: Envelope) {
  const { hosted, maxMessageBytes } = context;
  if (hosted.definition.isolation === "shared") {
    const { session, result } = await hosted.joinShared((child) => initializeShared(child, body, envelope));
    const reply = new HttpReply(response, { "mcp-session-id": session.id }, maxMessageBytes);
    reply.finish(answerBody(body, envelope, "result", result), 200);
    return;
  }
  const session = await hosted.openSession();
  const http = new HttpReply(response, { "mcp-session-id": session.id }, maxMessageBytes);
  const reply: Reply = {
    get open() {
      return http.open;
    },
    message: (raw) => http.message(raw),
    finish(raw, status) {
      const failed = raw === undefined || scanMessage(raw).error !== undefined;
      if (failed) hosted.endSession(session, "its initialize failed");
      const answered = failed ? new HttpReply(response, {}, maxMessageBytes) : http;
      answered.finish(raw, status);
      // Nobody has read the session id: nobody will ever end this session.
      if (!answered.open && response.destroyed) hosted.endSession(session, "its client left before it was initialized");
    },
  };
  session.child.link.request(session.lane, body, envelope, reply);
}

/** The shared child answered initialize with an error (or ended); `raw` is the JSON-RPC error object. */
class InitializeRefused extends Error {
  readonly raw: Buffer;
  readonly status: number;
  constructor(raw: Buffer, status: number) {
    super("the shared child refused initialize");
    this.raw = raw;
    this.status = status;
  }
}

/** Initializes the shared child: without client capabilities, since its own requests would be refused. Answers the raw result. */
async function initializeShared(child: Child, body: Buffer, envelope: Envelope): Promise<Buffer> {
  if (envelope.params === undefined) throw fault("MCPS_PARAMS", { method: "initialize", reason: "params are missing" });
  const lonely = splice(body, [setMember(body, envelope.params, "capabilities", "{}")]);
  const answer = Promise.withResolvers<{ raw: Buffer; status: number }>();
  const reply: Reply = {
    open: true,
    message: () => true,
    finish: (raw, status) => answer.resolve({ raw: raw ?? Buffer.alloc(0), status }),
  };
  child.link.request(new Lane(0), lonely, scanMessage(lonely), reply);
  const { raw, status } = await answer.promise;
  const { result, error } = scanMessage(raw);
  if (error !== undefined) throw new InitializeRefused(Buffer.from(sliceAt(raw, error)), status);
  if (result === undefined) throw fault("MCPS_ENVELOPE", { reason: "initialize was answered without a result" });
  child.process.send(Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}'));
  return Buffer.from(sliceAt(raw, result));
}

async function postModern(context: McpContext, response: ServerResponse, body: Buffer, envelope: Envelope) {
  // MCP 2026-07-28 knows no client→server notifications or responses over HTTP.
  if (envelope.kind !== "request") return accepted(response);
  const { hosted, maxMessageBytes } = context;
  const child = await hosted.modern();
  const reply = new HttpReply(response, {}, maxMessageBytes);
  const giveUp = child.link.request(new Lane(0), body, envelope, reply);
  // Closing the response stream is the cancellation (MCP 2026-07-28 cancellation); after an answer this does nothing.
  response.on("close", giveUp);
  if (child.proven || envelope.method !== "server/discover") return;
  const timer = setTimeout(() => {
    if (child.proven || !reply.open) return;
    const reason = `server/discover (no answer within ${context.probeTimeoutMs} ms)`;
    const id = envelope.id === undefined ? "null" : sliceAt(body, envelope.id);
    reply.finish(errorBody(fault("MCPS_METHOD", { method: reason }), id), 404);
    hosted.endChild(child, "it does not answer in the modern era");
  }, context.probeTimeoutMs);
  response.on("close", () => clearTimeout(timer));
}

/** GET: the session's stream of messages that belong to no request. The modern era has none (405). */
export function get(context: McpContext, request: IncomingMessage, response: ServerResponse): void {
  if (request.headers["mcp-session-id"] === undefined) {
    throw fault("MCPS_HTTP_METHOD", { method: "GET", path: "/mcp without a session", allowed: "POST" });
  }
  const session = sessionOf(context, request, "GET");
  session.lane.stream.attach(response, { "mcp-session-id": session.id });
}

/** DELETE: ends the session and, where it has one of its own, its child. */
export function end(context: McpContext, request: IncomingMessage, response: ServerResponse): void {
  context.hosted.endSession(sessionOf(context, request, "DELETE"), "its session was ended");
  response.writeHead(200).end();
}

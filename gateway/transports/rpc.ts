/**
 * Raw JSON-RPC on `/rpc` and `POST /`: any Accept, no session, one JSON answer. Also the old form in which the method is a
 * tool's name and params are its arguments. What would precede the result (progress, logging) has nowhere to go and is dropped.
 */
import { fault } from "../../contract/errors.ts";
import type { GatewayRequest, ResponseSink } from "../../contract/http.ts";
import type { Caller } from "../federation/index.ts";
import {
  ASSUMED_LEGACY,
  beginsArray,
  type Envelope,
  elements,
  errorMessage,
  requestMessage,
  resultMessage,
  scanJson,
  scanMessage,
} from "../mcp/index.ts";
import type { ClientReply } from "../sessions/index.ts";
import { JSON_HEADERS } from "./answers.ts";
import { isModernRequest, modernCaller, plainCaller } from "./callers.ts";
import type { Endpoint, TransportParts } from "./context.ts";
import { isJson, refuseCall } from "./edge.ts";
import { clientOf } from "./initialize.ts";
import { faultOf, rawId } from "./streamable-http.ts";

export function serveRpc(parts: TransportParts, endpoint: Endpoint, request: GatewayRequest, sink: ResponseSink): void {
  const { body, headers } = request;
  const type = headers["content-type"];
  if (type !== undefined && !isJson(type)) throw fault("MCPS_CONTENT_TYPE", { value: type });
  if (!beginsArray(body)) {
    const envelope = scanMessage(body);
    refuseCall(endpoint, envelope);
    answer(
      parts,
      endpoint,
      request,
      body,
      envelope,
      (status, raw) => {
        if (raw === undefined) sink.respond(202, {});
        else sink.respond(status, JSON_HEADERS, raw);
      },
      sink,
    );
    return;
  }
  if (endpoint.callsRefused !== undefined) throw endpoint.callsRefused;
  const version = headers["mcp-protocol-version"]?.trim();
  if (version !== undefined && version !== ASSUMED_LEGACY) throw fault("MCPS_BATCH", { version: version.slice(0, 40) });
  serveBatch(
    parts,
    endpoint,
    request,
    elements(body, scanJson(body)).map((span) => body.subarray(span.start, span.end)),
    sink,
  );
}

function serveBatch(
  parts: TransportParts,
  endpoint: Endpoint,
  request: GatewayRequest,
  items: readonly Buffer[],
  sink: ResponseSink,
): void {
  if (items.length === 0) throw fault("MCPS_ENVELOPE", { reason: "the batch is empty" });
  if (items.length > parts.maxBatch)
    throw fault("MCPS_ENVELOPE", {
      reason: `the batch has ${items.length} messages, at most ${parts.maxBatch} are allowed`,
    });
  const answers: Buffer[] = [];
  let pending = items.length;
  const take = (raw: Buffer | undefined) => {
    if (raw !== undefined) answers.push(raw);
    pending--;
    if (pending > 0) return;
    if (answers.length === 0) sink.respond(202, {});
    else sink.respond(200, JSON_HEADERS, `[${answers.map(String).join(",")}]`);
  };
  for (const item of items) {
    try {
      answer(parts, endpoint, request, item, scanMessage(item), (_, raw) => take(raw), sink);
    } catch (error) {
      take(errorMessage("null", faultOf(parts, error)));
    }
  }
}

/** Answers one message; `done` is called exactly once, without bytes for what has no answer. */
function answer(
  parts: TransportParts,
  endpoint: Endpoint,
  request: GatewayRequest,
  body: Buffer,
  envelope: Envelope,
  done: (status: number, raw: Buffer | undefined) => void,
  sink: ResponseSink,
): void {
  const isModern = envelope.kind === "request" && isModernRequest(request, body, envelope);
  const reply: ClientReply = {
    canAsk: isModern,
    streaming: () => undefined,
    message: () => undefined,
    finish: (raw, status) => done(status, raw),
    abandon: () => done(200, undefined),
  };
  if (envelope.kind !== "request") {
    done(202, undefined);
    return;
  }
  try {
    const caller: Caller = isModern
      ? modernCaller(body, envelope, endpoint.principal, request, parts, false)
      : plainCaller(endpoint.principal, request, parts);
    if (!isModern && envelope.method === "initialize") {
      introduce(parts, endpoint, body, envelope, done);
      return;
    }
    const { body: shaped, envelope: asked } = isModern ? { body, envelope } : toolForm(parts, endpoint, body, envelope);
    const running = parts.conversations.request(endpoint.view, caller, shaped, asked, reply);
    sink.onClose(() => running.cancel("the client closed its connection"));
  } catch (error) {
    const failure = faultOf(parts, error);
    done(failure.status === 200 ? 200 : failure.status, errorMessage(rawId(body, envelope), failure));
  }
}

function introduce(
  parts: TransportParts,
  endpoint: Endpoint,
  body: Buffer,
  envelope: Envelope,
  done: (status: number, raw: Buffer) => void,
): void {
  const id = rawId(body, envelope);
  const { protocolVersion } = clientOf(body, envelope);
  parts.federation.initializeResult(endpoint.view(), protocolVersion).then(
    (result) => done(200, resultMessage(id, result)),
    (error: unknown) => {
      const failure = faultOf(parts, error);
      done(failure.status, errorMessage(id, failure));
    },
  );
}

/** A method that is no protocol method names a tool: as listed, or bare where only one upstream has it. */
function toolForm(
  parts: TransportParts,
  endpoint: Endpoint,
  body: Buffer,
  envelope: Envelope,
): { body: Buffer; envelope: Envelope } {
  const { method, params } = envelope;
  if (method === "ping" || method.includes("/")) return { body, envelope };
  const name = parts.federation.bareTool(endpoint.view(), method);
  if (name === undefined)
    throw fault("MCPS_METHOD", { method: `${method} (neither a protocol method nor the name of exactly one tool)` });
  const args = params === undefined ? "{}" : body.subarray(params.start, params.end);
  const shaped = requestMessage(
    rawId(body, envelope),
    "tools/call",
    Buffer.concat([Buffer.from(`{"name":${JSON.stringify(name)},"arguments":`), Buffer.from(args), Buffer.from("}")]),
  );
  return { body: shaped, envelope: scanMessage(shaped) };
}

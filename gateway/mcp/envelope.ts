/**
 * The JSON-RPC envelope of an MCP message, scanned from its bytes. Strict where leniency would let two readers disagree:
 * a doubled envelope key is refused, because the server behind us might take the other one (name smuggling).
 */
import { type Fault, fault } from "../../contract/errors.ts";
import { isObject, isString, isText, JsonError, MemberWalk, type Span, scanDocument, stringAt } from "./json.ts";

const QUOTE = 0x22;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

export type Routing = { readonly [Key in (typeof ROUTING_KEYS)[number]]?: Span };

export type Envelope = {
  readonly kind: "request" | "notification" | "response";
  /** The raw id, type kept ("01" is not 1); undefined in notifications and in error responses with id null. */
  readonly id: Span | undefined;
  readonly method: string;
  readonly params: Span | undefined;
  /** Where the members of params stand that the gateway routes by; each is there once at most. */
  readonly routing: Routing;
  /** Response: exactly one of the two. */
  readonly result: Span | undefined;
  readonly error: Span | undefined;
  /** The whole object. */
  readonly root: Span;
};

/** Keys of params that the gateway routes by. The server behind us must not take the other one of two. */
const ROUTING_KEYS = [
  "name",
  "uri",
  "_meta",
  "cursor",
  "ref",
  "requestState",
  "inputResponses",
  "requestId",
  "progressToken",
] as const;

/** The value of the present member, unless there has been one of this key already. */
function once(before: Span | undefined, walk: MemberWalk): Span {
  if (before !== undefined) throw twice(walk.key);
  return walk.value;
}

function twice(key: string): Fault {
  return fault("MCPS_ENVELOPE", { reason: `the key ${JSON.stringify(key)} stands twice` });
}

const NO_ROUTING: Routing = Object.freeze({});

function routingOf(bytes: Buffer, params: Span): Routing {
  const walk = new MemberWalk(bytes, params);
  const found: { -readonly [Key in keyof Routing]: Span } = {};
  while (walk.next()) {
    for (const key of ROUTING_KEYS) {
      if (!walk.keyIs(key)) continue;
      found[key] = once(found[key], walk);
      break;
    }
  }
  return found;
}

/** True when the id is a legal MCP id: a string, or a number without fraction (MCP forbids null; SDKs refuse 1.5). */
function legalId(bytes: Buffer, span: Span): boolean {
  const first = bytes[span.start];
  if (first === QUOTE) return true;
  for (let pos = first === MINUS ? span.start + 1 : span.start; pos < span.end; pos++) {
    const byte = bytes[pos] as number;
    if (byte < ZERO || byte > NINE) return false;
  }
  return true;
}

/** Scans a message; throws MCPS_PARSE when it is no JSON and MCPS_ENVELOPE when it is no JSON-RPC message. */
export function scanMessage(bytes: Buffer): Envelope {
  return scanRoot(bytes, scanJson(bytes));
}

/** The span of the only JSON value in the bytes; throws MCPS_PARSE. */
export function scanJson(bytes: Buffer): Span {
  try {
    return scanDocument(bytes);
  } catch (error) {
    if (error instanceof JsonError) throw fault("MCPS_PARSE", { reason: error.message });
    throw error;
  }
}

/** As scanMessage, for one value that has been scanned already (an element of a batch). */
export function scanRoot(bytes: Buffer, root: Span): Envelope {
  if (!isObject(bytes, root)) throw fault("MCPS_ENVELOPE", { reason: "it is not an object" });
  let version: Span | undefined;
  let id: Span | undefined;
  let methodSpan: Span | undefined;
  let params: Span | undefined;
  let result: Span | undefined;
  let error: Span | undefined;
  const walk = new MemberWalk(bytes, root);
  while (walk.next()) {
    if (walk.keyIs("jsonrpc")) version = once(version, walk);
    else if (walk.keyIs("id")) id = once(id, walk);
    else if (walk.keyIs("method")) methodSpan = once(methodSpan, walk);
    else if (walk.keyIs("params")) params = once(params, walk);
    else if (walk.keyIs("result")) result = once(result, walk);
    else if (walk.keyIs("error")) error = once(error, walk);
  }
  if (version === undefined || !isString(bytes, version) || !isText(bytes, version.start, version.end, "2.0"))
    throw fault("MCPS_ENVELOPE", { reason: 'jsonrpc has to be "2.0"' });
  if (methodSpan === undefined) return response(bytes, root, id, result, error);
  const method = stringAt(bytes, methodSpan);
  if (method === undefined) throw fault("MCPS_ENVELOPE", { reason: "method has to be a string" });
  if (params !== undefined && !isObject(bytes, params))
    throw fault("MCPS_ENVELOPE", { reason: "params has to be an object" });
  const routing = params === undefined ? NO_ROUTING : routingOf(bytes, params);
  if (id !== undefined && !legalId(bytes, id))
    throw fault("MCPS_ENVELOPE", { reason: "id has to be a string or an integer" });
  return {
    kind: id === undefined ? "notification" : "request",
    id,
    method,
    params,
    routing,
    result: undefined,
    error: undefined,
    root,
  };
}

function response(
  bytes: Buffer,
  root: Span,
  id: Span | undefined,
  result: Span | undefined,
  error: Span | undefined,
): Envelope {
  if ((result === undefined) === (error === undefined)) {
    throw fault("MCPS_ENVELOPE", { reason: "neither a request (method) nor a response (result or error)" });
  }
  if (error !== undefined && !isObject(bytes, error))
    throw fault("MCPS_ENVELOPE", { reason: "error has to be an object" });
  const nullId = id !== undefined && bytes.toString("latin1", id.start, id.end) === "null";
  if (id !== undefined && !nullId && !legalId(bytes, id))
    throw fault("MCPS_ENVELOPE", { reason: "id has to be a string or an integer" });
  if (result !== undefined && (id === undefined || nullId))
    throw fault("MCPS_ENVELOPE", { reason: "a result needs an id" });
  return {
    kind: "response",
    id: nullId ? undefined : id,
    method: "",
    params: undefined,
    routing: NO_ROUTING,
    result,
    error,
    root,
  };
}

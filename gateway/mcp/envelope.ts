/**
 * The JSON-RPC envelope of an MCP message, scanned from its bytes. Strict where leniency would let two readers disagree:
 * a doubled envelope key is refused, because the server behind us might take the other one (name smuggling).
 */
import { isUtf8 } from "node:buffer";
import { type Fault, fault } from "../../contract/errors.ts";
import { MINUS, NINE, OPEN_BRACE, QUOTE, ZERO } from "./bytes.ts";
import { isObject, isText, JsonError, type Span, scanDocument, skipSpace, stringAt } from "./json.ts";
import { Found, Keys, scanObject } from "./scan.ts";

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

export type Routing = { readonly [Key in (typeof ROUTING_KEYS)[number]]: Span | undefined };

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

const ROOT = new Keys(["jsonrpc", "id", "method", "params", "result", "error"]);
const [VERSION, ID, METHOD, PARAMS, RESULT, ERROR] = [0, 1, 2, 3, 4, 5] as const;
const PARAM = new Keys(ROUTING_KEYS);
/** What is found is taken out before anything else is scanned. */
const inRoot = new Found(ROOT);
const inParams = new Found(PARAM);
const LOOKED_INTO = { place: PARAMS, keys: PARAM, found: inParams };

function twice(key: string | undefined): Fault {
  return fault("MCPS_ENVELOPE", { reason: `the key ${JSON.stringify(key)} stands twice` });
}

const NO_ROUTING: Routing = Object.freeze({
  name: undefined,
  uri: undefined,
  _meta: undefined,
  cursor: undefined,
  ref: undefined,
  requestState: undefined,
  inputResponses: undefined,
  requestId: undefined,
  progressToken: undefined,
});

/** Always of one shape, whatever was found. */
function routing(): Routing {
  if (inParams.twice >= 0) throw twice(PARAM.list[inParams.twice]);
  return {
    name: inParams.span(0),
    uri: inParams.span(1),
    _meta: inParams.span(2),
    cursor: inParams.span(3),
    ref: inParams.span(4),
    requestState: inParams.span(5),
    inputResponses: inParams.span(6),
    requestId: inParams.span(7),
    progressToken: inParams.span(8),
  };
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
  try {
    if (!isUtf8(bytes)) throw new JsonError("invalid UTF-8", 0);
    const start = skipSpace(bytes, 0);
    if (bytes[start] !== OPEN_BRACE) return scanRoot(bytes, scanDocument(bytes));
    const end = look(bytes, start);
    const rest = skipSpace(bytes, end);
    if (rest !== bytes.length) throw new JsonError("text after the value", rest);
    return judge(bytes, { start, end });
  } catch (error) {
    throw parseFault(error);
  }
}

/** The span of the only JSON value in the bytes; throws MCPS_PARSE. */
export function scanJson(bytes: Buffer): Span {
  try {
    return scanDocument(bytes);
  } catch (error) {
    throw parseFault(error);
  }
}

function parseFault(error: unknown): unknown {
  return error instanceof JsonError ? fault("MCPS_PARSE", { reason: error.message }) : error;
}

/** As scanMessage, for one value that has been scanned already (an element of a batch). */
export function scanRoot(bytes: Buffer, root: Span): Envelope {
  if (!isObject(bytes, root)) throw fault("MCPS_ENVELOPE", { reason: "it is not an object" });
  look(bytes, root.start);
  return judge(bytes, root);
}

function look(bytes: Buffer, at: number): number {
  inRoot.clear();
  inParams.clear();
  return scanObject(bytes, at, 0, ROOT, inRoot, LOOKED_INTO);
}

/** What the scan has found, as an envelope. */
function judge(bytes: Buffer, root: Span): Envelope {
  if (inRoot.twice >= 0) throw twice(ROOT.list[inRoot.twice]);
  if (!inRoot.has(VERSION) || !isVersion(bytes, inRoot.start(VERSION), inRoot.end(VERSION)))
    throw fault("MCPS_ENVELOPE", { reason: 'jsonrpc has to be "2.0"' });
  const id = inRoot.span(ID);
  if (!inRoot.has(METHOD)) return response(bytes, root, id, inRoot.span(RESULT), inRoot.span(ERROR));
  const method = methodAt(bytes, inRoot.start(METHOD), inRoot.end(METHOD));
  if (method === undefined) throw fault("MCPS_ENVELOPE", { reason: "method has to be a string" });
  const params = inRoot.span(PARAMS);
  if (params !== undefined && !isObject(bytes, params))
    throw fault("MCPS_ENVELOPE", { reason: "params has to be an object" });
  const found = params === undefined ? NO_ROUTING : routing();
  if (id !== undefined && !legalId(bytes, id))
    throw fault("MCPS_ENVELOPE", { reason: "id has to be a string or an integer" });
  return {
    kind: id === undefined ? "notification" : "request",
    id,
    method,
    params,
    routing: found,
    result: undefined,
    error: undefined,
    root,
  };
}

function isVersion(bytes: Buffer, start: number, end: number): boolean {
  return bytes[start] === QUOTE && isText(bytes, start, end, "2.0");
}

const CALL = "tools/call";

/** The method of nearly all requests is not read anew each time. */
function methodAt(bytes: Buffer, start: number, end: number): string | undefined {
  if (bytes[start] === QUOTE && isText(bytes, start, end, CALL)) return CALL;
  return stringAt(bytes, { start, end });
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

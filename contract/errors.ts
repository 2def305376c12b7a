/**
 * The error registry: every failure a caller can see has one entry here. A code is never reused for another meaning.
 * `status` is the HTTP status, `rpc` the JSON-RPC code; `{name}` in a message is filled from the values given to `fault`.
 * JSON-RPC codes: -32700…-32603 by JSON-RPC 2.0; -32020…-32022 by MCP 2026-07-28; -32000…-32019 belong to implementations.
 */
export const errors = {
  // envelope
  MCPS_PARSE: { status: 400, rpc: -32700, message: "The body is not valid JSON: {reason}" },
  MCPS_ENVELOPE: { status: 400, rpc: -32600, message: "Not a JSON-RPC 2.0 message: {reason}" },
  MCPS_BATCH: {
    status: 400,
    rpc: -32600,
    message: "Batches exist only in protocol version 2025-03-26, this request speaks {version}",
  },
  MCPS_METHOD: { status: 404, rpc: -32601, message: "Method not found: {method}" },
  MCPS_PARAMS: { status: 400, rpc: -32602, message: "Invalid params of {method}: {reason}" },
  MCPS_CURSOR: { status: 400, rpc: -32602, message: "Invalid cursor: {reason}" },
  MCPS_BODY_TOO_LARGE: {
    status: 413,
    rpc: -32600,
    message: "The body is too large: {limit} bytes at most (MAX_BODY_BYTES), and with its head HTTP1_BUFFER_SIZE",
  },
  MCPS_BODY_ABORTED: { status: 400, rpc: -32600, message: "The body ended before its announced length" },
  // HTTP
  MCPS_CONTENT_TYPE: { status: 415, rpc: -32600, message: "Content-Type is {value}, allowed is application/json" },
  MCPS_CONTENT_ENCODING: { status: 415, rpc: -32600, message: "Content-Encoding is {value}, allowed is identity" },
  MCPS_ACCEPT: { status: 406, rpc: -32600, message: "Accept is {value}, it has to allow {allowed}" },
  MCPS_ORIGIN: { status: 403, rpc: -32600, message: "Origin {value} is not allowed (ALLOWED_ORIGINS)" },
  MCPS_HOST: { status: 403, rpc: -32600, message: "Host {value} is not allowed (ALLOWED_HOSTS)" },
  MCPS_HTTP_METHOD: { status: 405, rpc: -32600, message: "{method} is not allowed on {path}, allowed: {allowed}" },
  MCPS_NOT_FOUND: { status: 404, rpc: -32600, message: "There is nothing at {path}" },
  // protocol
  MCPS_VERSION: {
    status: 400,
    rpc: -32600,
    message: "Protocol version {value} is not supported, supported: {supported}",
  },
  MCPS_MODERN_VERSION: {
    status: 400,
    rpc: -32022,
    message: "Unsupported protocol version {value}, supported: {supported}",
  },
  MCPS_HEADER_MISMATCH: { status: 400, rpc: -32020, message: "Header {header} is {value}, the body says {expected}" },
  MCPS_CAPABILITY: {
    status: 400,
    rpc: -32021,
    message: "This needs the client capability {capability}, which was not declared",
  },
  MCPS_SESSION_MISSING: {
    status: 400,
    rpc: -32600,
    message: "{method} needs a session: send initialize first, then the Mcp-Session-Id header",
  },
  MCPS_SESSION_UNKNOWN: {
    status: 404,
    rpc: -32001,
    message: "The session is unknown, ended or expired: send initialize again",
  },
  MCPS_ALREADY_INITIALIZED: { status: 400, rpc: -32600, message: "This session is initialized already" },
  MCPS_TOOL_UNKNOWN: { status: 200, rpc: -32602, message: "Unknown tool: {name}" },
  MCPS_PROMPT_UNKNOWN: { status: 200, rpc: -32602, message: "Unknown prompt: {name}" },
  MCPS_RESOURCE_UNKNOWN: { status: 200, rpc: -32602, message: "Resource not found: {uri}" },
  MCPS_LEGACY_RESOURCE_UNKNOWN: { status: 200, rpc: -32002, message: "Resource not found: {uri}" },
  MCPS_CLIENT_TIMEOUT: { status: 200, rpc: -32010, message: "The client did not answer {method} within {ms} ms" },
  MCPS_CALL_LOST: {
    status: 200,
    rpc: -32011,
    message: "The gateway worker that ran this call is gone; the call may or may not have been carried out",
  },
  MCPS_CLIENT_REFUSED: { status: 200, rpc: -32009, message: "The client answered {method} with an error: {reason}" },
  MCPS_REQUEST_STATE: {
    status: 400,
    rpc: -32602,
    message: "requestState is not one of this gateway, or not for this request: {reason}",
  },
  // upstreams
  MCPS_UPSTREAM_UNKNOWN: { status: 404, rpc: -32602, message: "Unknown upstream: {id}" },
  MCPS_UPSTREAM_UNREACHABLE: { status: 502, rpc: -32012, message: "Upstream {upstream} cannot be reached: {reason}" },
  MCPS_UPSTREAM_TIMEOUT: {
    status: 504,
    rpc: -32013,
    message: "Upstream {upstream} did not answer {method} within {ms} ms",
  },
  MCPS_UPSTREAM_PROTOCOL: { status: 502, rpc: -32014, message: "Upstream {upstream} broke the protocol: {reason}" },
  MCPS_UPSTREAM_STATUS: {
    status: 502,
    rpc: -32015,
    message: "Upstream {upstream} answered {method} with HTTP {status}",
  },
  MCPS_UPSTREAM_TOO_LARGE: {
    status: 502,
    rpc: -32016,
    message: "Upstream {upstream} sent a message of more than {limit} bytes (UPSTREAM_MAX_MESSAGE_BYTES)",
  },
  MCPS_UPSTREAM_BUSY: { status: 503, rpc: -32008, message: "Upstream {upstream} is busy: {reason}" },
  MCPS_UPSTREAM_LIMIT: { status: 503, rpc: -32017, message: "Upstream {upstream} cannot start: {reason}" },
  MCPS_PARTIAL: {
    status: 502,
    rpc: -32018,
    message: "{method} needs every upstream of {scope}, these failed: {failed}",
  },
  MCPS_UPSTREAM_CIRCUIT: {
    status: 503,
    rpc: -32007,
    message: "Upstream {upstream} could not be reached {failures} times in a row and is left alone for {seconds} s",
  },
  MCPS_UPSTREAM_REFUSED: { status: 502, rpc: -32019, message: "Upstream {upstream} refused {method}: {reason}" },
  // credentials towards upstreams
  MCPS_UPSTREAM_CREDENTIALS: {
    status: 502,
    rpc: -32006,
    message: "There is no access token for upstream {upstream}: {reason}",
  },
  MCPS_UPSTREAM_AUTHORIZE: {
    status: 200,
    rpc: -32007,
    message: "Upstream {upstream} needs your authorisation: open {url}",
  },
  MCPS_OAUTH: { status: 400, rpc: -32602, message: "The authorisation cannot be completed: {reason}" },
  // identity
  MCPS_UNAUTHENTICATED: { status: 401, rpc: -32600, message: "Authentication required: {reason}" },
  MCPS_FORBIDDEN: { status: 403, rpc: -32600, message: "{principal} may not {action}" },
  // limits
  MCPS_RATE_LIMITED: {
    status: 429,
    rpc: -32003,
    message: "Too many requests by the limit {rule} of {limit}: try again in {seconds} s",
  },
  MCPS_QUOTA: {
    status: 429,
    rpc: -32003,
    message: "The quota {rule} of {limit} is used up: it begins anew in {seconds} s",
  },
  MCPS_TOOL_BUSY: {
    status: 429,
    rpc: -32003,
    message: "Too many calls of {tool} at once, the limit is {limit} in each worker (TOOL_CONCURRENT_LIMIT)",
  },
  MCPS_IDENTITY_UNKNOWN: {
    status: 503,
    rpc: -32603,
    message: "Who is asking cannot be found out now: {reason} (AUTH_REVOCATION_FAIL)",
  },
  MCPS_SIGN_IN: { status: 403, rpc: -32600, message: "Signing in failed: {reason}" },
  MCPS_SIGN_IN_PROVIDER: {
    status: 502,
    rpc: -32603,
    message: "The sign-in provider {provider} does not answer as it should",
  },
  MCPS_IDENTITY: { status: 500, rpc: -32603, message: "{what} cannot be used: {reason}" },
  MCPS_TOOL_ARGUMENTS: {
    status: 200,
    rpc: -32602,
    message: "Invalid arguments of tool {tool} of upstream {upstream}: {reason}",
  },
  MCPS_TOOL_RESULT: {
    status: 502,
    rpc: -32005,
    message: "The result of tool {tool} of upstream {upstream} does not fit its outputSchema: {reason}",
  },
  MCPS_TOOL_QUARANTINED: {
    status: 200,
    rpc: -32004,
    message:
      "Tool {tool} of upstream {upstream} is not what was approved: it may be called once an administrator has approved its definition (TOOL_PIN_POLICY)",
  },
  MCPS_TOKEN_LIMIT: { status: 429, rpc: -32600, message: "This token was used as often as it may be: {limit}" },
  MCPS_LOGIN: { status: 401, rpc: -32600, message: "The email and the password do not belong together, or wait" },
  MCPS_LOGIN_LOCKED: { status: 429, rpc: -32600, message: "Too many failed logins: try again in {seconds} s" },
  MCPS_LAST: { status: 409, rpc: -32600, message: "{what} would be left without {whom}" },
  MCPS_PASSWORD_CHANGE: {
    status: 403,
    rpc: -32600,
    message: "This password is good for choosing another: {reason}; POST /auth/email/change-password",
  },
  // registry
  MCPS_ITEM_UNKNOWN: { status: 404, rpc: -32602, message: "There is no {kind} {id}" },
  MCPS_ITEM_CONFLICT: { status: 409, rpc: -32602, message: "{kind} {field} {value} is taken by {owner}" },
  MCPS_ITEM_INVALID: { status: 422, rpc: -32602, message: "{count} problem(s) in this {kind}: {problems}" },
  // state and life
  MCPS_DATABASE: { status: 503, rpc: -32603, message: "The database does not answer: {reason}" },
  MCPS_STATE: { status: 503, rpc: -32603, message: "The shared state store does not answer: {reason}" },
  MCPS_DRAINING: { status: 503, rpc: -32000, message: "This gateway is shutting down, try again" },
  MCPS_OVERLOADED: { status: 503, rpc: -32000, message: "Too many {what} at once, the limit is {limit}" },
  MCPS_BODY_LATE: {
    status: 503,
    rpc: -32000,
    message:
      "The body was not there in time: without a free place, or a token that is known here, it has to follow its head soon; try again",
  },
  MCPS_PRESSURE: {
    status: 503,
    rpc: -32000,
    message: "This gateway is slow at the moment and takes fewer {what} than usual, try again",
  },
  MCPS_SHARE: {
    status: 503,
    rpc: -32000,
    message: "This gateway is nearly full and this caller holds more than its share of the {what}, try again",
  },
  MCPS_QUEUE_TIMEOUT: {
    status: 503,
    rpc: -32000,
    message: "No slot was free in time, too many {what} at once (QUEUE_TIMEOUT), try again",
  },
  MCPS_INTERNAL: { status: 500, rpc: -32603, message: "Internal error {correlationId}" },
  // start
  MCPS_SETTINGS: { status: 500, rpc: -32603, message: "{count} setting(s) cannot be used:\n{problems}" },
  MCPS_PORT_TAKEN: {
    status: 500,
    rpc: -32603,
    message: "{host}:{port} is in use by another process (HOST, PORT; --port 0 takes a free one)",
  },
  MCPS_WORKERS: { status: 500, rpc: -32603, message: "The workers cannot be kept running: {reason}" },
  MCPS_TLS_FILE: { status: 500, rpc: -32603, message: "{path} cannot be used ({setting}): {reason}" },
  MCPS_DATA_DIR: { status: 500, rpc: -32603, message: "The data directory {path} cannot be used: {reason} (DATA_DIR)" },
} as const satisfies Record<string, { status: number; rpc: number; message: string }>;

export type ErrorCode = keyof typeof errors;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errors, text);
}

/** A failure with a registered code. `data` goes into the JSON-RPC error's `data`; `upstreamId` is for logs and metrics. */
export class Fault extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly rpc: number;
  readonly data: unknown;
  readonly headers: Readonly<Record<string, string>> | undefined;

  constructor(code: ErrorCode, message: string, data?: unknown, headers?: Readonly<Record<string, string>>) {
    super(message);
    this.name = "Fault";
    this.code = code;
    this.status = errors[code].status;
    this.rpc = errors[code].rpc;
    this.data = data;
    this.headers = headers;
  }
}

/** Fills a registered message. Values are cut at 2000 characters so that hostile input cannot swell a log line or an answer. */
export function fault(
  code: ErrorCode,
  values: Readonly<Record<string, string | number>> = {},
  data?: unknown,
  headers?: Readonly<Record<string, string>>,
): Fault {
  const message = errors[code].message.replace(/\{(\w+)\}/g, (_, key: string) => {
    const text = String(values[key] ?? "?");
    return text.length > 2000 ? `${text.slice(0, 2000)}…` : text;
  });
  return new Fault(code, message, data, headers);
}

/** Any thrown thing as a Fault; what is unknown becomes MCPS_INTERNAL and shows nothing of its text to the caller. */
export function asFault(error: unknown, correlationId: string): Fault {
  if (error instanceof Fault) return error;
  return fault("MCPS_INTERNAL", { correlationId });
}

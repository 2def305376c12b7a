/** What the gateway has against a request, as data: a request that it serves, what is changed, and what it then says and writes down. */
import { expect } from "vitest";
import type { Served, ServedOptions } from "./transports/harness.ts";
import { gateway, item, snapshot } from "./transports/harness.ts";
import type { Asked, Told } from "./ways.ts";

export const SECRET = "a secret of the tests that is long enough";

export type World = {
  readonly gateway: Served;
  /** Authorization of an administrator, and of somebody who is none. */
  readonly admin: string;
  readonly user: string;
  /** Of the user, at /mcp. */
  readonly session: string;
};

export type Check = {
  readonly title: string;
  readonly options?: Partial<ServedOptions>;
  /** Served with this status, and served again until something is changed. */
  readonly request: (world: World) => Asked;
  readonly served: number;
  /** Changes the world, or answers another request. */
  readonly change: (world: World, asked: Asked) => Asked | undefined | Promise<undefined>;
  readonly refused: Told;
  /** Of the refusal alone. */
  readonly records: readonly string[];
};

const JSON_TYPE = { "content-type": "application/json" };
const ACCEPTING = { ...JSON_TYPE, accept: "application/json, text/event-stream" };
const MINUTE_MS = 60_000;

export const catalogue = snapshot({
  gateways: [gateway("one"), gateway("two", { visibility: "private", ownerEmail: "ann@example.com" })],
  items: [item("one", "tool", "t")],
});

function message(method: string, params: object = {}): string {
  return JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
}

export const initialize = ({ user }: Pick<World, "user">): Asked => ({
  method: "POST",
  path: "/mcp",
  headers: { ...ACCEPTING, authorization: user },
  body: message("initialize", { protocolVersion: "2025-11-25", capabilities: {} }),
});

const ping = ({ user, session }: World): Asked => ({
  method: "POST",
  path: "/mcp",
  headers: { ...ACCEPTING, authorization: user, "mcp-session-id": session },
  body: message("ping"),
});

const createGateway = ({ admin }: World): Asked => ({
  method: "POST",
  path: "/gateways",
  headers: { ...JSON_TYPE, authorization: admin },
  body: "{}",
});

/** The same with other headers; undefined takes one away. */
function withHeaders(asked: Asked, changes: Readonly<Record<string, string | undefined>>): Asked {
  const headers = Object.entries({ ...asked.headers, ...changes }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { ...asked, headers: Object.fromEntries(headers) };
}

/** Under which the records of a refusal are found: made by the gateway, as no request here brings one. */
const CORRELATED: Readonly<Record<string, string>> = {
  "x-correlation-id": expect.stringMatching(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/),
};

/** Of a request that was read and looked at. */
function refusal(
  status: number,
  rpc: number,
  code: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Told {
  return refusalAtOnce(status, rpc, code, text, { ...CORRELATED, ...headers });
}

/** Where there is no room for more, or the body does not come to its end: under no id. */
function refusalAtOnce(
  status: number,
  rpc: number,
  code: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Told {
  const error = { code: rpc, message: text, data: { code } };
  return { status, headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify({ jsonrpc: "2.0", id: null, error }) };
}

/** Refused where it was served: counted once by class and once by reason, and logged. */
function records(code: string, status: number, method = "POST", path = "/mcp", routeClass = "call"): string[] {
  return [`error ${code}`, `http ${routeClass} ${status}`, `log request ${method} ${path} ${status}`];
}

function unauthenticated(reason: string, error: string): Pick<Check, "refused" | "records"> {
  const headers = { "www-authenticate": `Bearer realm="mcp-stack"${error}` };
  const text = `Authentication required: ${reason}`;
  return {
    refused: refusal(401, -32600, "MCPS_UNAUTHENTICATED", text, headers),
    records: records("MCPS_UNAUTHENTICATED", 401),
  };
}

const invalidToken = (reason: string) => `, error="invalid_token", error_description="${reason}"`;

const INVALID = "the token is not a valid one of this gateway";

const identity: readonly Check[] = [
  {
    title: "no token",
    request: ping,
    served: 200,
    change: (_, asked) => withHeaders(asked, { authorization: undefined }),
    ...unauthenticated("send Authorization: Bearer <token>", ""),
  },
  {
    title: "a token of another signature",
    request: ping,
    served: 200,
    change: (_, asked) => withHeaders(asked, { authorization: `${asked.headers.authorization?.slice(0, -8)}AAAAAAAA` }),
    ...unauthenticated(INVALID, invalidToken(INVALID)),
  },
  {
    title: "a token that has expired since",
    request: ping,
    served: 200,
    change: ({ gateway: { clock } }) => {
      clock.now += 90 * MINUTE_MS;
      return undefined;
    },
    ...unauthenticated("the token expired", invalidToken("the token expired")),
  },
  {
    title: "an authorization that is no token",
    request: ping,
    served: 200,
    change: (_, asked) => withHeaders(asked, { authorization: "Basic YTpi" }),
    ...unauthenticated(
      "the Authorization header is not Bearer <token>",
      invalidToken("the Authorization header is not Bearer <token>"),
    ),
  },
  {
    title: "no token, for what administrators do",
    request: createGateway,
    served: 200,
    change: (_, asked) => withHeaders(asked, { authorization: undefined }),
    ...unauthenticated("send Authorization: Bearer <token>", ""),
    records: records("MCPS_UNAUTHENTICATED", 401, "POST", "/gateways", "control"),
  },
];

const permission: readonly Check[] = [
  {
    title: "somebody who is no administrator",
    request: createGateway,
    served: 200,
    change: ({ user }, asked) => withHeaders(asked, { authorization: user }),
    refused: refusal(403, -32600, "MCPS_FORBIDDEN", "bob@example.com may not gateways.create"),
    records: records("MCPS_FORBIDDEN", 403, "POST", "/gateways", "control"),
  },
  {
    title: "a token that opens nothing but the metrics",
    options: { auth: { metricsToken: "scrape" } },
    request: ping,
    served: 200,
    change: (_, asked) => withHeaders(asked, { authorization: "Bearer scrape" }),
    refused: refusal(403, -32600, "MCPS_FORBIDDEN", "metrics may not servers.use"),
    records: records("MCPS_FORBIDDEN", 403),
  },
  {
    title: "somebody to whom an upstream is not shown",
    request: ({ admin }) => ({ ...initialize({ user: admin }), path: "/gateways/two/mcp" }),
    served: 200,
    change: ({ user }, asked) => withHeaders(asked, { authorization: user }),
    refused: refusal(404, -32602, "MCPS_UPSTREAM_UNKNOWN", "Unknown upstream: two"),
    records: records("MCPS_UPSTREAM_UNKNOWN", 404, "POST", "/gateways/two/mcp"),
  },
  {
    title: "an upstream that was taken away since",
    request: (world) => ({ ...initialize(world), path: "/gateways/one/mcp" }),
    served: 200,
    change: ({ gateway: { federation } }) => {
      federation.replace(snapshot({ version: 2 }));
      return undefined;
    },
    refused: refusal(404, -32602, "MCPS_UPSTREAM_UNKNOWN", "Unknown upstream: one"),
    records: records("MCPS_UPSTREAM_UNKNOWN", 404, "POST", "/gateways/one/mcp"),
  },
];

const SESSION_UNKNOWN = refusal(
  404,
  -32001,
  "MCPS_SESSION_UNKNOWN",
  "The session is unknown, ended or expired: send initialize again",
);

const sessions: readonly Check[] = [
  {
    title: "a session that has ended since",
    request: ping,
    served: 200,
    change: async ({ gateway: { url }, user, session }) => {
      const headers = { authorization: user, "mcp-session-id": session };
      const ended = await fetch(`${url}/mcp`, { method: "DELETE", headers });
      if (ended.status !== 200) throw new Error(`DELETE: ${ended.status}`);
      return undefined;
    },
    refused: SESSION_UNKNOWN,
    records: records("MCPS_SESSION_UNKNOWN", 404),
  },
  {
    title: "a session of somebody else",
    request: ping,
    served: 200,
    change: ({ admin }, asked) => withHeaders(asked, { authorization: admin }),
    refused: SESSION_UNKNOWN,
    records: records("MCPS_SESSION_UNKNOWN", 404),
  },
  {
    title: "a session of another endpoint",
    request: ping,
    served: 200,
    change: (_, asked) => ({ ...asked, path: "/gateways/one/mcp" }),
    refused: SESSION_UNKNOWN,
    records: records("MCPS_SESSION_UNKNOWN", 404, "POST", "/gateways/one/mcp"),
  },
];

const edge: readonly Check[] = [
  {
    title: "a foreign Origin",
    options: { allowedOrigins: ["https://app.example.com"] },
    request: (world) => withHeaders(ping(world), { origin: "https://app.example.com" }),
    served: 200,
    change: (_, asked) => withHeaders(asked, { origin: "https://evil.example.com" }),
    refused: refusal(403, -32600, "MCPS_ORIGIN", 'Origin "https://evil.example.com" is not allowed (ALLOWED_ORIGINS)'),
    records: records("MCPS_ORIGIN", 403),
  },
  {
    title: "a foreign Host",
    options: { allowedHosts: ["gw.example.com"] },
    request: (world) => withHeaders(ping(world), { host: "gw.example.com" }),
    served: 200,
    change: (_, asked) => withHeaders(asked, { host: "evil.example.com" }),
    refused: refusal(403, -32600, "MCPS_HOST", 'Host "evil.example.com" is not allowed (ALLOWED_HOSTS)'),
    records: records("MCPS_HOST", 403),
  },
  {
    title: "a foreign page that asks beforehand",
    options: { allowedOrigins: ["https://app.example.com"] },
    request: () => ({
      method: "OPTIONS",
      path: "/mcp",
      headers: { origin: "https://app.example.com", "access-control-request-method": "POST" },
    }),
    served: 204,
    change: (_, asked) => withHeaders(asked, { origin: "https://evil.example.com" }),
    refused: refusal(405, -32600, "MCPS_HTTP_METHOD", "OPTIONS is not allowed on /mcp, allowed: POST, GET, DELETE", {
      allow: "POST, GET, DELETE",
    }),
    records: records("MCPS_HTTP_METHOD", 405, "OPTIONS", "/mcp", "control"),
  },
  {
    title: "a method that is not for this path",
    request: ping,
    served: 200,
    change: (_, asked) => ({ ...asked, method: "PUT" }),
    refused: refusal(405, -32600, "MCPS_HTTP_METHOD", "PUT is not allowed on /mcp, allowed: POST, GET, DELETE", {
      allow: "POST, GET, DELETE",
    }),
    records: records("MCPS_HTTP_METHOD", 405, "PUT", "/mcp", "control"),
  },
  {
    title: "a path at which nothing is",
    request: ping,
    served: 200,
    change: (_, asked) => ({ ...asked, path: "/mcp/%2e%2e/x?y" }),
    refused: refusal(404, -32600, "MCPS_NOT_FOUND", "There is nothing at /mcp/%2e%2e/x"),
    records: records("MCPS_NOT_FOUND", 404, "POST", "/mcp/%2e%2e/x", "control"),
  },
  {
    title: "a body of another type",
    request: ping,
    served: 200,
    change: (_, asked) => withHeaders(asked, { "content-type": "text/plain" }),
    refused: refusal(415, -32600, "MCPS_CONTENT_TYPE", "Content-Type is text/plain, allowed is application/json"),
    records: records("MCPS_CONTENT_TYPE", 415),
  },
  {
    title: "a client that takes no streams",
    request: ping,
    served: 200,
    change: (_, asked) => withHeaders(asked, { accept: "application/json" }),
    refused: refusal(
      406,
      -32600,
      "MCPS_ACCEPT",
      "Accept is application/json, it has to allow application/json and text/event-stream",
    ),
    records: records("MCPS_ACCEPT", 406),
  },
];

function overloaded(what: string): Told {
  const text = `Too many ${what} at once, the limit is 1`;
  return refusalAtOnce(503, -32000, "MCPS_OVERLOADED", text, { "retry-after": "2" });
}

const limits: readonly Check[] = [
  {
    title: "a body that is too large",
    request: ping,
    served: 200,
    change: (_, asked) => ({ ...asked, body: `"${"x".repeat(1_000_000)}"` }),
    refused: refusalAtOnce(
      413,
      -32600,
      "MCPS_BODY_TOO_LARGE",
      "The body is too large: 1000000 bytes at most (MAX_BODY_BYTES), and with its head HTTP1_BUFFER_SIZE",
    ),
    records: records("MCPS_BODY_TOO_LARGE", 413),
  },
  {
    title: "a call beyond the cap",
    options: { maxInFlight: 1 },
    request: initialize,
    served: 200,
    change: ({ gateway: { admission } }) => {
      admission.enterNow("call");
      return undefined;
    },
    refused: overloaded("calls"),
    records: ["http call 503", "error MCPS_OVERLOADED"],
  },
  {
    title: "a call beyond the cap, where it might have been an answer",
    options: { maxInFlight: 1 },
    request: (world) => ({ ...ping(world), body: message("tools/call", { name: "none" }) }),
    served: 200,
    change: ({ gateway: { admission } }) => {
      admission.enterNow("call");
      return undefined;
    },
    refused: overloaded("calls"),
    records: ["http call 503", "error MCPS_OVERLOADED"],
  },
  {
    title: "a stream beyond the cap",
    options: { maxStreams: 1 },
    request: ping,
    served: 200,
    change: ({ gateway: { admission } }, { headers }) => {
      admission.enterNow("stream");
      return { method: "GET", path: "/mcp", headers: { ...headers, accept: "text/event-stream" } };
    },
    refused: overloaded("streams"),
    records: ["http call 503", "log request GET /mcp 503"],
  },
  {
    title: "a call while the gateway drains",
    request: initialize,
    served: 200,
    change: ({ gateway: { admission } }) => {
      admission.drain();
      return undefined;
    },
    refused: refusalAtOnce(503, -32000, "MCPS_DRAINING", "This gateway is shutting down, try again", {
      "retry-after": "2",
    }),
    records: ["http call 503", "error MCPS_DRAINING"],
  },
];

export const checks: readonly Check[] = [...identity, ...permission, ...sessions, ...edge, ...limits];

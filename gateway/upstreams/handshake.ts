/** The legacy handshake: initialize, its result, notifications/initialized (MCP 2024-11-05 … 2025-11-25 lifecycle). */

import { errors, type Fault, fault } from "../../contract/errors.ts";
import { type Envelope, isObject, memberAt, sliceAt, stringAt, valueAt } from "../mcp/index.ts";
import { protocolFault } from "./failures.ts";
import type { AnswerHeaders } from "./lean/response-head.ts";
import { first, shortError } from "./messages.ts";
import type { UpstreamTarget } from "./types.ts";

export const LATEST_LEGACY = "2025-11-25";
const LEGACY_VERSIONS = new Set(["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"]);

export const INITIALIZED = Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}');
const EMPTY_OBJECT = Buffer.from("{}");

/** What stands in initialize; capabilities and clientInfo are raw JSON objects. */
export type Introduction = {
  readonly protocolVersion: string;
  readonly clientCapabilities: Buffer;
  readonly clientInfo: Buffer;
};

export type Greeting = {
  readonly protocolVersion: string;
  readonly capabilities: Buffer;
  readonly serverInfo: Buffer;
  readonly instructions: string | undefined;
};

export function initializeBody(id: string, introduction: Introduction): Buffer {
  return Buffer.concat([
    Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"initialize","params":{"protocolVersion":`),
    Buffer.from(`${JSON.stringify(introduction.protocolVersion)},"capabilities":`),
    introduction.clientCapabilities,
    Buffer.from(',"clientInfo":'),
    introduction.clientInfo,
    Buffer.from("}}"),
  ]);
}

/** A request of the room's own; `params` is a plain value. */
export function requestBody(id: string, method: string, params: unknown): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
}

/** Reads the result of initialize; throws MCPS_UPSTREAM_PROTOCOL or MCPS_UPSTREAM_REFUSED. */
export function readGreeting(target: UpstreamTarget, raw: Buffer, envelope: Envelope): Greeting {
  if (envelope.error !== undefined) throw refusedFault(target, "initialize", raw, envelope);
  const version = stringAt(raw, memberAt(raw, envelope.result, "protocolVersion"));
  if (version === undefined) throw protocolFault(target, "its answer to initialize has no protocolVersion");
  if (!LEGACY_VERSIONS.has(version)) {
    throw protocolFault(target, `it wants protocol version ${version.slice(0, 100)}, which initialize cannot agree on`);
  }
  return {
    protocolVersion: version,
    capabilities: objectAt(raw, envelope, "capabilities"),
    serverInfo: objectAt(raw, envelope, "serverInfo"),
    instructions: stringAt(raw, memberAt(raw, envelope.result, "instructions")),
  };
}

const SESSION_ID = /^[\x21-\x7e]{1,1024}$/;

/** The session id of an answer to initialize, if it has one (MCP 2025-11-25 transports: visible ASCII; the length is our bound). */
export function readSessionId(target: UpstreamTarget, headers: AnswerHeaders): string | undefined {
  const id = first(headers["mcp-session-id"]);
  if (id !== undefined && !SESSION_ID.test(id)) {
    throw protocolFault(target, "its session id is not 1 to 1024 characters of visible ASCII");
  }
  return id;
}

/** A member of the result as a copy, so that the whole answer need not be kept; {} when it is no object. */
export function objectAt(raw: Buffer, envelope: Envelope, key: string): Buffer {
  const span = memberAt(raw, envelope.result, key);
  return span !== undefined && isObject(raw, span) ? Buffer.from(sliceAt(raw, span)) : EMPTY_OBJECT;
}

/** An error response to one of the room's own requests. */
export function refusedFault(target: UpstreamTarget, method: string, raw: Buffer, envelope: Envelope): Fault {
  const error = envelope.error === undefined ? undefined : shortError(valueAt(raw, envelope.error));
  if (target.transport === "stdio" && error?.code === errors.MCPS_UPSTREAM_UNREACHABLE.rpc) {
    // The stdio host speaks of the child in our own words.
    const why = error.message.replace(/^Upstream \S+ cannot be reached: /, "");
    return fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: target.slug, reason: why });
  }
  const reason = error === undefined ? "no reason given" : `${error.message} (${String(error.code)})`;
  return fault("MCPS_UPSTREAM_REFUSED", { upstream: target.slug, method, reason }, { upstreamError: error });
}

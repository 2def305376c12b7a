/** JSON-RPC messages of the gateway's own making, as bytes; ids are passed as raw JSON so that their type is kept. */
import { type Fault, fault } from "../../contract/errors.ts";

export type RawJson = string | Uint8Array;

function join(parts: readonly RawJson[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
}

export function resultMessage(id: RawJson, result: RawJson): Buffer {
  return join(['{"jsonrpc":"2.0","id":', id, ',"result":', result, "}"]);
}

/** An error response; `id` is the JSON text `null` when the request's id is not known. */
export function errorMessage(id: RawJson, failure: Fault, code: number = failure.rpc): Buffer {
  const data = {
    code: failure.code,
    ...(isRecord(failure.data) ? failure.data : failure.data === undefined ? {} : { detail: failure.data }),
  };
  return join([
    '{"jsonrpc":"2.0","id":',
    id,
    ',"error":',
    JSON.stringify({ code, message: failure.message, data }),
    "}",
  ]);
}

export function requestMessage(id: RawJson, method: string, params: RawJson | undefined): Buffer {
  const head = ['{"jsonrpc":"2.0","id":', id, `,"method":${JSON.stringify(method)}`];
  return join(params === undefined ? [...head, "}"] : [...head, ',"params":', params, "}"]);
}

export function notificationMessage(method: string, params?: RawJson): Buffer {
  const head = `{"jsonrpc":"2.0","method":${JSON.stringify(method)}`;
  return join(params === undefined ? [head, "}"] : [head, ',"params":', params, "}"]);
}

/** -32022 carries what is supported and what was asked for (MCP 2026-07-28 versioning). */
export function unsupportedModern(requested: string, supported: readonly string[]): Fault {
  return fault("MCPS_MODERN_VERSION", { value: requested, supported: supported.join(", ") }, { supported, requested });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

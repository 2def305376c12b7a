/** Whole answers: JSON-RPC messages and faults over HTTP. */
import type { Fault } from "../../contract/errors.ts";
import type { ResponseSink } from "../../contract/http.ts";
import { errorMessage } from "../mcp/index.ts";

/** Frozen, as engines keep what they made of fields that come again and again. */
export const JSON_HEADERS: Readonly<Record<string, string>> = Object.freeze({ "content-type": "application/json" });

export function respondJson(
  sink: ResponseSink,
  status: number,
  raw: Uint8Array | string,
  extra: Readonly<Record<string, string>> = {},
): void {
  sink.respond(status, { ...JSON_HEADERS, ...extra }, raw);
}

/** A fault as a JSON-RPC error response with the fault's HTTP status. `id` is raw JSON. */
export function respondFault(
  sink: ResponseSink,
  failure: Fault,
  id: Uint8Array | string = "null",
  extra?: Readonly<Record<string, string>>,
): void {
  const status = failure.status === 200 ? 400 : failure.status;
  sink.respond(status, { ...JSON_HEADERS, ...failure.headers, ...extra }, errorMessage(id, failure));
}

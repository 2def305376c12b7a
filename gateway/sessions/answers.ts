/** What an upstream's answer says and how it is worded for its caller: outcomes, statuses, errors under another id. */
import { type Edit, type Envelope, LOG_LEVELS, memberAt } from "../mcp/index.ts";

export function errorWith(id: Buffer, error: Buffer): Buffer {
  return Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":'), id, Buffer.from(',"error":'), error, Buffer.from("}")]);
}

export function codeEdit(raw: Buffer, envelope: Envelope, code: number): Edit[] {
  const span = memberAt(raw, envelope.error, "code");
  const base = envelope.error?.start ?? 0;
  return span === undefined ? [] : [{ start: span.start - base, end: span.end - base, text: String(code) }];
}

export function outcomeOf(raw: Buffer, envelope: Envelope): string {
  const flag = memberAt(raw, envelope.result, "isError");
  return flag !== undefined && raw.toString("latin1", flag.start, flag.end) === "true" ? "tool_error" : "ok";
}

/** An upstream may send any number as its code; only those of JSON-RPC's reserved range are told apart. */
export function outcomeOfError(code: number): string {
  return Number.isInteger(code) && code >= -32768 && code <= -32000 ? `rpc_${code}` : "rpc_other";
}

/** MCP 2026-07-28 status mapping of errors that have one; everything else is an answer like any other. */
export function modernStatus(code: number): number {
  if (code === -32601) return 404;
  return code <= -32020 && code >= -32022 ? 400 : 200;
}

export function isLoudEnough(level: string | undefined, wanted: string | undefined): boolean {
  if (wanted === undefined) return false;
  const order: readonly string[] = LOG_LEVELS;
  const at = order.indexOf(level ?? "info");
  return at < 0 || at >= order.indexOf(wanted);
}

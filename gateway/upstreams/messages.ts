/** Small questions about headers and JSON-RPC messages that several parts of the room ask. */

import { type Envelope, memberAt, scanDocument, scanMessage, stringAt } from "../mcp/index.ts";
import type { AnswerHeaders } from "./lean/response-head.ts";

/** A header's only or first value. */
export function first(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" ? value : value?.[0];
}

/** The media type in lower case, without parameters; empty when absent. */
export function mediaType(headers: AnswerHeaders): string {
  const value = first(headers["content-type"]) ?? "";
  if (value === "application/json" || value === "text/event-stream") return value;
  return (value.split(";", 1)[0] ?? "").trim().toLowerCase();
}

/** True when a response answers the request with this raw id. */
export function sameId(raw: Buffer, envelope: Envelope, id: string): boolean {
  const span = envelope.id;
  if (span === undefined) return false;
  if (isSpelled(raw, span.start, span.end, id)) return true;
  // The same string may be escaped in another way.
  return id.startsWith('"') && stringAt(raw, span) === JSON.parse(id);
}

/** Ids of our own making are short and of ASCII. */
function isSpelled(raw: Buffer, start: number, end: number, id: string): boolean {
  if (end - start !== id.length) return false;
  for (let at = 0; at < id.length; at++) if (raw[start + at] !== id.charCodeAt(at)) return false;
  return true;
}

/** The envelope of a body that may be anything. */
export function scanned(body: Buffer): Envelope | undefined {
  try {
    return scanMessage(body);
  } catch {
    return undefined;
  }
}

/** Code and message of an upstream's error, short enough for logs and answers. */
export function shortError(error: unknown): { code: unknown; message: string } | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const message = "message" in error && typeof error.message === "string" ? error.message : "";
  const code = "code" in error && typeof error.code === "number" ? error.code : undefined;
  return { code, message: message.slice(0, 500) };
}

/** True for valid JSON that is meant as a notification but breaks a rule of the envelope. */
export function isMalformedNotification(raw: Buffer): boolean {
  try {
    const root = scanDocument(raw);
    return stringAt(raw, memberAt(raw, root, "method")) !== undefined && memberAt(raw, root, "id") === undefined;
  } catch {
    return false;
  }
}

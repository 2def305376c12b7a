/** Server-sent events on the wire (WHATWG HTML §9.2). JSON-RPC messages are one line of JSON, or are made so. */

/** Frozen, as engines keep what they made of fields that come again and again. */
export const SSE_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
});

export const KEEPALIVE = ": keepalive\n\n";

const LF = 0x0a;
const CR = 0x0d;

/** One message event. Line breaks between tokens of pretty-printed JSON become further data lines, which join to the same JSON. */
export function eventFrame(raw: Uint8Array, id?: string): Buffer {
  const head = id === undefined ? "event: message\ndata: " : `event: message\nid: ${id}\ndata: `;
  return Buffer.concat([Buffer.from(head), hasLineBreak(raw) ? dataLines(raw) : raw, Buffer.from("\n\n")]);
}

/** The empty event that gives a client an id to resume from before anything else is sent (MCP 2025-11-25 transports). */
export function primingFrame(id: string, retryMs: number): string {
  return `id: ${id}\nretry: ${retryMs}\ndata: \n\n`;
}

/**
 * The last words of a stream whose worker ends: when to come again (WHATWG HTML §9.2.6, `retry`). Spread over as long again, so that those
 * who leave together do not return together.
 */
export function partingFrame(retryMs: number): string {
  return `retry: ${retryMs + Math.floor(Math.random() * retryMs)}\n\n`;
}

function hasLineBreak(raw: Uint8Array): boolean {
  return raw.includes(LF) || raw.includes(CR);
}

/** JSON strings contain no raw line breaks, so every one stands between tokens. */
function dataLines(raw: Uint8Array): Buffer {
  return Buffer.from(
    Buffer.from(raw)
      .toString("utf8")
      .split(/\r\n|\n|\r/)
      .join("\ndata: "),
  );
}

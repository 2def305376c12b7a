/**
 * Reads a request's body: whole, as bytes, whatever its content type, and never more of it than may be. A body of announced length is
 * handed on with its last byte, within the same turn of the event loop, instead of with the end event of the stream behind it.
 */
import type { IncomingMessage } from "node:http";
import type { BodyRefusal } from "../../../contract/http.ts";
import type { EngineOptions } from "../engine.ts";

const EMPTY = Buffer.alloc(0);

export interface BodyReceiver {
  body(body: Buffer): void;
  /** Nothing follows. What the peer still sends is not kept. */
  failed(reason: BodyRefusal): void;
}

/**
 * Bytes of body that one connection may hold beside the head of its request. What a head needs is only counted where the two could
 * meet: by default a connection has room for the largest of both.
 */
export function bodyLimit(
  { maxBufferBytes, maxHeadBytes }: Pick<EngineOptions, "maxBufferBytes" | "maxHeadBytes">,
  maxBodyBytes: number,
): (request: IncomingMessage) => number {
  if (maxBufferBytes >= maxHeadBytes + maxBodyBytes) return () => maxBodyBytes;
  return (request) => Math.min(maxBodyBytes, maxBufferBytes - headBytes(request));
}

/** As it came: request line, then name, colon, blank, value and line end of every field, then an empty line. */
function headBytes({ method = "", url = "", rawHeaders }: IncomingMessage): number {
  const fields = rawHeaders.reduce((sum, text) => sum + text.length + 2, 0);
  return method.length + url.length + "  HTTP/1.1\r\n\r\n".length + fields;
}

/** Calls exactly one of the receiver's functions, once. `withinMs`: time for the whole of it; undefined = the server's own. */
export function readBody(
  request: IncomingMessage,
  limit: number,
  withinMs: number | undefined,
  receiver: BodyReceiver,
): void {
  const length = request.headers["content-length"];
  // node:http has refused what is no plain number, and a length beside Transfer-Encoding (RFC 9112 §6.3).
  const announced = length === undefined ? undefined : Number(length);
  if (announced === 0 || (announced === undefined && request.headers["transfer-encoding"] === undefined)) {
    receiver.body(EMPTY);
    return;
  }
  if (announced !== undefined && announced > limit) {
    receiver.failed("too-large");
    return;
  }
  const timer = withinMs === undefined ? undefined : setTimeout(() => failed("late"), withinMs);
  const chunks: Buffer[] = [];
  let size = 0;
  let done = false;
  const whole = () => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    const [only] = chunks;
    receiver.body(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
  };
  const failed = (reason: BodyRefusal) => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    chunks.length = 0;
    receiver.failed(reason);
  };
  request.on("data", (chunk: Buffer) => {
    if (done) return;
    size += chunk.length;
    if (size > limit) {
      failed("too-large");
      return;
    }
    chunks.push(chunk);
    if (size === announced) whole();
  });
  if (announced === undefined) request.on("end", whole);
  request.on("close", () => failed("aborted"));
}

/**
 * Answers of the stdio host over HTTP: the reply to one POSTed request (JSON, or SSE when something precedes the response)
 * and the GET stream of a session, which keeps a bounded number of messages while nobody listens.
 */
import type { ServerResponse } from "node:http";
import type { Fault } from "../../../contract/errors.ts";
import { onOneLine } from "./lines.ts";

const SSE_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

/** Where the messages of one request go: message* then one finish. */
export interface Reply {
  /** False once the caller is gone or the reply is complete. */
  readonly open: boolean;
  /** False when the message was not taken: closed, or the caller reads too slowly. */
  message(raw: Buffer): boolean;
  /** The response, or undefined when there will be none (cancelled). `status` counts only if nothing was sent before. */
  finish(raw: Buffer | undefined, status: number): void;
}

/** A JSON-RPC error response as bytes. `id` is the raw id; "null" when the request has none. */
export function errorBody(fault: Fault, id: Buffer | string = "null"): Buffer {
  const error = { code: fault.rpc, message: fault.message, ...(fault.data === undefined ? {} : { data: fault.data }) };
  return Buffer.concat([
    Buffer.from('{"jsonrpc":"2.0","id":'),
    Buffer.from(id),
    Buffer.from(`,"error":${JSON.stringify(error)}}`),
  ]);
}

function openStream(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  response.writeHead(200, { ...SSE_HEADERS, ...headers });
  response.flushHeaders();
}

/** One SSE event (WHATWG server-sent events); JSON without line ends needs a single data field. */
function writeEvent(response: ServerResponse, raw: Buffer): void {
  response.write("event: message\ndata: ");
  response.write(onOneLine(raw));
  response.write("\n\n");
}

/** A comment on an open stream, which keeps read timeouts of the caller from firing. */
export function keepAlive(response: ServerResponse): void {
  const streaming = response.headersSent && !response.destroyed && !response.writableEnded;
  if (streaming && response.writableLength === 0) response.write(": keep-alive\n\n");
}

export class HttpReply implements Reply {
  #response: ServerResponse;
  #headers: Readonly<Record<string, string>>;
  #maxUnsentBytes: number;

  constructor(response: ServerResponse, headers: Readonly<Record<string, string>>, maxUnsentBytes: number) {
    this.#response = response;
    this.#headers = headers;
    this.#maxUnsentBytes = maxUnsentBytes;
  }

  get open(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  message(raw: Buffer): boolean {
    if (!this.open || this.#response.writableLength > this.#maxUnsentBytes) return false;
    if (!this.#response.headersSent) openStream(this.#response, this.#headers);
    writeEvent(this.#response, raw);
    return true;
  }

  finish(raw: Buffer | undefined, status: number): void {
    if (!this.open) return;
    if (!this.#response.headersSent) {
      if (raw === undefined) openStream(this.#response, this.#headers);
      else {
        const headers = { ...this.#headers, "content-type": "application/json", "content-length": raw.length };
        this.#response.writeHead(status, headers).end(raw);
        return;
      }
    }
    if (raw !== undefined) writeEvent(this.#response, raw);
    this.#response.end();
  }
}

/** Messages kept for a session whose GET stream is not open. */
const MAX_BUFFERED = 100;

/** Messages of a server that belong to no request. */
export class ServerStream {
  #response: ServerResponse | undefined;
  #buffer: Buffer[] = [];
  #bufferedBytes = 0;
  #maxBytes: number;
  #ended = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get listening(): boolean {
    return this.#response !== undefined;
  }

  /** Delivers or keeps a message; false when it could do neither (it is lost, and a request has to be refused). */
  push(raw: Buffer): boolean {
    if (this.#ended) return false;
    const response = this.#response;
    if (response !== undefined && !response.destroyed) {
      if (response.writableLength > this.#maxBytes) return false;
      writeEvent(response, raw);
      return true;
    }
    if (this.#buffer.length >= MAX_BUFFERED || this.#bufferedBytes + raw.length > this.#maxBytes) return false;
    this.#buffer.push(Buffer.from(raw));
    this.#bufferedBytes += raw.length;
    return true;
  }

  /** The session's one GET stream; a second one takes over, because the first is then most likely a dead connection. */
  attach(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
    this.#response?.end();
    this.#response = response;
    openStream(response, headers);
    for (const raw of this.#buffer) writeEvent(response, raw);
    this.#buffer = [];
    this.#bufferedBytes = 0;
    response.on("close", () => {
      if (this.#response === response) this.#response = undefined;
    });
  }

  end(): void {
    this.#ended = true;
    this.#buffer = [];
    this.#response?.end();
    this.#response = undefined;
  }
}

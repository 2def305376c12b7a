/** What node:http could not read, and what did not come in time: told once, and never into the midst of an answer. */
import type { Socket } from "node:net";
import { ServerResponse, STATUS_CODES } from "../../../contract/node-http.ts";

const STATUS_OF: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
};

/** As node:http does by itself, without what it says of bytes that follow the last request of a connection. */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  const { code = "" } = error;
  // Nothing behind "Connection: close" is looked at (RFC 9112 §9.6); the answer before it may still be on its way.
  if (code === "HPE_CLOSED_CONNECTION") return;
  if (code === "ECONNRESET" || !socket.writable || hasBegun(socket)) {
    socket.destroy();
    return;
  }
  const status = STATUS_OF[code] ?? 400;
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  socket.destroy();
}

/** A head has been written to which no second one may be added. */
function hasBegun(socket: Socket): boolean {
  const message: unknown = "_httpMessage" in socket ? socket._httpMessage : undefined;
  return message instanceof ServerResponse && message.headersSent;
}

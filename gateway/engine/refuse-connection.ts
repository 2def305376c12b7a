/** The end of a connection on which no request is read: a plain answer for people, in HTTP/1.1, which every client shows. */
import type { Socket } from "node:net";

/**
 * What the client still sends is thrown away until it closes its side, for `lingerMs` at most: closing at once would reset the
 * connection, and the answer would be lost with it (RFC 9112 §9.6).
 */
export function refuseConnection(socket: Socket, status: string, text: string, lingerMs: number): void {
  const body = `${text}\n`;
  const fields = [
    `HTTP/1.1 ${status}`,
    "content-type: text/plain; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
  socket.once("end", () => socket.destroySoon());
  socket.end(`${fields.join("\r\n")}\r\n\r\n${body}`);
  socket.resume();
}

/** The end of a connection on which nothing more is read: a plain answer for people, in HTTP/1.1, which every client shows. */
import type { Socket } from "node:net";

/** With an answer of our own. `lingerMs` as of endWith(). */
export function refuseConnection(socket: Socket, status: string, text: string, lingerMs: number): void {
  const body = `${text}\n`;
  const fields = [
    `HTTP/1.1 ${status}`,
    "content-type: text/plain; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  endWith(socket, `${fields.join("\r\n")}\r\n\r\n${body}`, lingerMs);
}

/**
 * What the client still sends is thrown away until it closes its side, for `lingerMs` at most: closing at once would reset the
 * connection, and the answer would be lost with it (RFC 9112 §9.6).
 */
export function endWith(socket: Socket, answer: string, lingerMs: number): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
  socket.once("end", () => socket.destroySoon());
  socket.end(answer);
  socket.resume();
}

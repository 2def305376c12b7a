/** How an HTTP/2 connection in the clear begins when its client knows that the server speaks it (RFC 9113 §3.3 and §3.4). */
import type { Socket } from "node:net";

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const NOTHING = Buffer.alloc(0);

/** Of the first bytes of a connection, at least one. `unsure`: all so far belong to it, more are to come. */
export function isPreface(first: Buffer): "yes" | "no" | "unsure" {
  const length = Math.min(first.length, PREFACE.length);
  if (first.compare(PREFACE, 0, length, 0, length) !== 0) return "no";
  return length === PREFACE.length ? "yes" : "unsure";
}

/**
 * Looks at the first bytes of a connection and pushes them back; then tells, once, whether they are the preface, with the socket paused.
 * A connection that does not say within `deadlineMs` what it is, or ends before, is cut.
 */
export function lookForPreface(socket: Socket, deadlineMs: number, tell: (answer: "yes" | "no") => void): void {
  let first: Buffer = NOTHING;
  const cut = (): void => void socket.destroy();
  const timer = setTimeout(cut, deadlineMs);
  const read = (chunk: Buffer): void => {
    first = first.length === 0 ? chunk : Buffer.concat([first, chunk]);
    const answer = isPreface(first);
    if (answer === "unsure") return;
    socket.off("data", read);
    socket.off("end", cut);
    socket.off("close", stop);
    stop();
    socket.pause();
    socket.unshift(first);
    tell(answer);
  };
  const stop = (): void => clearTimeout(timer);
  socket.on("data", read);
  socket.on("end", cut);
  socket.on("close", stop);
  // Who has read before has paused it.
  socket.resume();
}

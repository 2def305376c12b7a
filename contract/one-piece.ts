/** A message of HTTP/1.1 in one piece of memory, so that it leaves in one write. */

const EMPTY_LINE = Buffer.from("\r\n\r\n");
const ZERO = 0x30;

/**
 * Head, length and body: `head` is everything up to the digits of Content-Length, which is the head's last field (RFC 9112 §6.2). Without
 * the body's bytes where `withBody` is false; they follow in a write of their own then.
 */
export function inOnePiece(head: Uint8Array, body: Uint8Array, withBody: boolean): Buffer {
  let digits = 1;
  for (let rest = body.length; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  const end = head.length + digits;
  const message = Buffer.allocUnsafe(end + EMPTY_LINE.length + (withBody ? body.length : 0));
  message.set(head);
  for (let at = end - 1, rest = body.length; at >= head.length; at--, rest = Math.floor(rest / 10)) {
    message[at] = ZERO + (rest % 10);
  }
  message.set(EMPTY_LINE, end);
  if (withBody) message.set(body, end + EMPTY_LINE.length);
  return message;
}

/**
 * Answers a request on its head alone. Its body is not read: a small one is thrown away as it comes and the connection goes on, for a
 * caller that has to connect anew costs more than its refusal; with any other the connection ends.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Refused } from "../../../contract/http.ts";

/** Bytes of body that are thrown away. */
const MAX_DISCARDED_BYTES = 64 * 1024;

/** Heads as node:http takes them, by the answer they belong to: the same few are given again and again. */
const heads = new WeakMap<Refused, { readonly keep: string[]; readonly close: string[] }>();

function headsOf(refused: Refused) {
  const known = heads.get(refused);
  if (known !== undefined) return known;
  const keep = [...Object.entries(refused.headers).flat(), "content-length", String(Buffer.byteLength(refused.body))];
  const isLast = refused.headers.connection !== undefined;
  const made = { keep, close: isLast ? keep : [...keep, "connection", "close"] };
  heads.set(refused, made);
  return made;
}

/** `isLast`: nothing more is taken on this connection, whatever its body is. */
export function refuse(response: ServerResponse, request: IncomingMessage, refused: Refused, isLast: boolean): void {
  const { keep, close } = headsOf(refused);
  if (!isLast && close !== keep && isSmall(request)) {
    // node:http throws the rest of a body away that nobody has read when its answer has ended.
    response.writeHead(refused.status, keep);
    response.end(refused.body);
    return;
  }
  response.writeHead(refused.status, close);
  response.end(refused.body);
  response.on("finish", () => request.socket.destroySoon());
}

function isSmall({ headers }: IncomingMessage): boolean {
  if (headers["transfer-encoding"] !== undefined) return false;
  return Number(headers["content-length"] ?? 0) <= MAX_DISCARDED_BYTES;
}

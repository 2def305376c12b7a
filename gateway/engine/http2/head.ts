/** The head of an HTTP/2 request as the application knows it (RFC 9113 §8.2 and §8.3). */
import type { ClientCertificate, RequestHead } from "../../../contract/http.ts";
import type { ClientAddress } from "../client-address.ts";
import { cutPrefix } from "../path-prefix.ts";
import { OF_CONNECTIONS } from "./connection-fields.ts";
import type { Field } from "./hpack/decoder.ts";

/** Of the connection. */
export type Peer = {
  readonly address: ClientAddress;
  readonly client: ClientCertificate | undefined;
};

const PSEUDO: ReadonlySet<string> = new Set([":method", ":scheme", ":path", ":authority"]);
/** Lower-case tokens (RFC 9110 §5.6.2). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Visible bytes with blanks between them (RFC 9110 §5.5). */
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LENGTH = /^\d{1,15}$/;
const COLON = 0x3a;

/**
 * Undefined for a malformed one (§8.1.1). `:protocol` never comes, because WebSockets over HTTP/2 (RFC 8441) are not offered. Fields of
 * one name are joined by commas, pieces of Cookie by semicolons (§8.2.3).
 */
export function headOf(fields: readonly Field[], pathPrefix: string, peer: Peer): RequestHead | undefined {
  const pseudo: Record<string, string> = {};
  const headers: Record<string, string> = Object.create(null);
  let isPast = false;
  for (const { name, value } of fields) {
    if (!VALUE.test(value)) return undefined;
    if (name.charCodeAt(0) === COLON) {
      if (isPast || !PSEUDO.has(name) || pseudo[name] !== undefined) return undefined;
      pseudo[name] = value;
      continue;
    }
    isPast = true;
    if (!isAllowed(name, value)) return undefined;
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`;
  }
  const { ":method": method, ":scheme": scheme, ":path": target, ":authority": authority } = pseudo;
  if (method === undefined || !METHOD.test(method)) return undefined;
  // A list of lengths, even of equal ones, is for nobody to guess at.
  if (headers["content-length"] !== undefined && !LENGTH.test(headers["content-length"])) return undefined;
  if (authority !== undefined && headers.host !== undefined && authority !== headers.host) return undefined;
  if (authority !== undefined) headers.host = authority;
  // CONNECT alone has neither (§8.5): no route has its name, so it is answered like any other thing that is not there.
  const isConnect = method === "CONNECT";
  if (isConnect !== (target === undefined) || isConnect !== (scheme === undefined)) return undefined;
  const url = target ?? authority;
  if (url === undefined || url === "" || (target !== undefined && !isTarget(method, target))) return undefined;
  const question = url.indexOf("?");
  return {
    method,
    path: cutPrefix(question < 0 ? url : url.slice(0, question), pathPrefix),
    query: question < 0 ? "" : url.slice(question + 1),
    headers: Object.freeze(headers),
    remoteAddress: peer.address.of(headers),
    client: peer.client,
  };
}

/** Trailers say nothing to the application, but have to be well-formed. */
export function areTrailers(fields: readonly Field[]): boolean {
  return fields.every(({ name, value }) => name.charCodeAt(0) !== COLON && VALUE.test(value) && isAllowed(name, value));
}

function isAllowed(name: string, value: string): boolean {
  if (OF_CONNECTIONS.has(name) || !NAME.test(name)) return false;
  return name !== "te" || value === "trailers";
}

function isTarget(method: string, target: string): boolean {
  return target.startsWith("/") || (target === "*" && method === "OPTIONS");
}

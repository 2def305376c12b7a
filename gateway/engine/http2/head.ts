/** The head of an HTTP/2 request as the application knows it (RFC 9113 §8.3.1). nghttp2 has refused what breaks the frame rules. */
import type { IncomingHttpHeaders } from "node:http2";
import type { ClientCertificate, RequestHead } from "../../../contract/http.ts";
import { cutPrefix } from "../path-prefix.ts";

/** Of the connection. */
export type Peer = {
  readonly remoteAddress: string;
  readonly client: ClientCertificate | undefined;
};

/**
 * Undefined for a malformed one: nothing to ask for, or two hosts that differ.
 * `:protocol` never comes, because WebSockets over HTTP/2 (RFC 8441) are not offered.
 */
export function headOf(headers: IncomingHttpHeaders, pathPrefix: string, peer: Peer): RequestHead | undefined {
  const { ":method": method, ":path": target, ":authority": authority } = headers;
  if (method === undefined) return undefined;
  if (authority !== undefined && headers.host !== undefined && authority !== headers.host) return undefined;
  // CONNECT alone has no path (§8.5): no route has its name, so it is answered like any other thing that is not there.
  const url = target ?? authority;
  if (url === undefined) return undefined;
  const plain: Record<string, string | undefined> = Object.create(null);
  for (const name in headers) {
    const value = headers[name];
    if (name.charCodeAt(0) !== 0x3a) plain[name] = typeof value === "string" ? value : value?.join(", ");
  }
  if (authority !== undefined) plain.host = authority;
  const question = url.indexOf("?");
  return {
    method,
    path: cutPrefix(question < 0 ? url : url.slice(0, question), pathPrefix),
    query: question < 0 ? "" : url.slice(question + 1),
    headers: plain,
    remoteAddress: peer.remoteAddress,
    client: peer.client,
  };
}

/**
 * A loopback reverse proxy that adds a bearer token, because the conformance suite sends none. Everything else passes as it
 * came: header names and their order, Host and Origin, bodies byte for byte, streams unbuffered; either side closing closes the other.
 */
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

export type Shim = { readonly url: string; close(): Promise<void> };

/** Proxies `<shim>/…` to the origin of `target`; the answered `url` has the path of `target`. */
export async function startShim(target: string, token: string | undefined): Promise<Shim> {
  const upstream = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const headers = [...incoming.rawHeaders];
    if (token !== undefined) headers.push("Authorization", `Bearer ${token}`);
    const forwarded = request({
      host: upstream.hostname,
      port: upstream.port,
      method: incoming.method,
      path: incoming.url,
      headers,
      agent: false,
      setHost: false,
    });
    forwarded.on("response", (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.on("error", () => outgoing.destroy());
      answer.on("aborted", () => outgoing.destroy());
    });
    forwarded.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${upstream.pathname}`,
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
  };
}

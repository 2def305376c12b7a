/** Who is at the other end of a TLS connection: read once, when its handshake is through, and looked up for its requests. */
import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import type { ClientCertificate } from "../../contract/http.ts";

const known = new WeakMap<Socket, ClientCertificate>();

export function rememberClient(socket: Socket, client: ClientCertificate): void {
  known.set(socket, client);
}

/** Undefined for whoever proved nothing. */
export function clientOf(socket: Socket): ClientCertificate | undefined {
  return known.get(socket);
}

/** Of a certificate whose chain and dates have been checked. */
export function describeClient(certificate: X509Certificate): ClientCertificate {
  const { CN: commonName } = certificate.toLegacyObject().subject;
  return {
    // Two of them name nobody.
    commonName: typeof commonName === "string" ? commonName : "",
    names: alternativeNames(certificate.subjectAltName ?? ""),
    fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    expiresAt: certificate.validToDate.getTime(),
  };
}

/**
 * `DNS:a.example, URI:spiffe://b/c` as Node prints it. A value that could be mistaken for more than one name stands there as a JSON
 * string (CVE-2021-44532), so it is never cut in two.
 */
export function alternativeNames(text: string): string[] {
  return [...text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)/g)].map(([, kind = "", value = ""]) => {
    const plain: unknown = value.startsWith('"') ? JSON.parse(value) : value;
    return `${kind}:${String(plain)}`;
  });
}

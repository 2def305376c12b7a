/** Fields of an answer as HTTP/2 may carry them; node:http2 throws at any other, whoever calls. */

/** Of HTTP/1.1 and forbidden here (RFC 9113 §8.2.2). */
const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

export function fieldsOf(status: number, headers: Readonly<Record<string, string>>): Record<string, string | number> {
  const fields: Record<string, string | number> = { ":status": status };
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !OF_CONNECTIONS.has(name)) fields[name] = value;
  }
  return fields;
}

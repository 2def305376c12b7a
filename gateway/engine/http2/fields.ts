/** Fields of an answer as HTTP/2 may carry them; node:http2 throws at any other, whoever calls. */

/** Of HTTP/1.1 and forbidden here (RFC 9113 §8.2.2). */
const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Names and values in turn, the form that Node copies least. */
export function fieldsOf(status: number, headers: Readonly<Record<string, string>>): string[] {
  const fields = [":status", String(status)];
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !OF_CONNECTIONS.has(name)) fields.push(name, value);
  }
  return fields;
}

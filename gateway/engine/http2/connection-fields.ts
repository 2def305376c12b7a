/** Fields of HTTP/1.1 connections, which no HTTP/2 message has (RFC 9113 §8.2.2). */
export const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

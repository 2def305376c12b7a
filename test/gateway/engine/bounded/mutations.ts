/** Sequences of requests as clients and attackers send them, and changes to their bytes. Everything follows from one seed. */

/** Whole numbers below a bound, always the same ones for the same seed (mulberry32). */
export class Chance {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  below(bound: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  of<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }
}

type Choices = readonly [string, ...string[]];

const STARTS: Choices = [
  "POST /mcp HTTP/1.1",
  "POST /servers/0123/mcp?a=b&c=%20?d HTTP/1.1",
  "GET / HTTP/1.1",
  "GET /health HTTP/1.1",
  "HEAD //x/..;y=1/~z HTTP/1.1",
  "PUT /v1/a:b@c,d HTTP/1.1",
  "PATCH /v1/a! HTTP/1.1",
  "DELETE /mcp HTTP/1.1",
  "OPTIONS /mcp HTTP/1.1",
  "OPTIONS * HTTP/1.1",
  "GET http://h/ HTTP/1.1",
  "GET / HTTP/1.0",
  "PRI * HTTP/2.0",
  "CONNECT h:1 HTTP/1.1",
];

const LINES: Choices = [
  "Accept: application/json, text/event-stream",
  "content-type: application/json",
  "Authorization: Bearer abc.def-ghi_jkl",
  "MCP-Session-Id: 0123456789",
  "Mcp-Protocol-Version: 2025-06-18",
  "User-Agent: some client/1.0 (a; b)",
  "Cookie: a=b; c=d",
  "X-Forwarded-For:10.0.0.1",
  "x-forwarded-for: \t 10.0.0.2 \t",
  "Empty:",
  "Connection: keep-alive",
  "Connection: close",
  "connection: Keep-Alive, TE",
  "Te: trailers",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: identity",
  "transfer-encoding : chunked",
  "Expect: 100-continue",
  "Upgrade: h2c",
  "Host: other",
  "Content-Length: 3",
  "Content-Length: 00",
  "Content-Length: +1",
  "Content-Length: 1, 1",
  "Set-Cookie: a=b",
  "Proxy-Connection: close",
  "Keep-Alive: timeout=5",
  "constructor: a",
  "__proto__: a",
  "toString: b",
  "0: digit",
  "Date: a",
  "Via: 1.1 a",
  'If-Match: "a"',
  "Age: 1",
  "ETag: a",
  "X-Odd!#$%&'*+-.^_`|~: {}[]()<>@,;:\\\"/?=",
  " folded: a",
];

const PIECES: Choices = [
  "\r\n",
  "\n",
  "\r",
  "\r\n\r\n",
  " ",
  "\t",
  "\0",
  ":",
  ",",
  ";",
  "\x7f",
  "\x80",
  "\xff",
  "0",
  "9",
  "\x0b",
  "\r\n ",
  "\r\nContent-Length: 5",
  "\r\nTransfer-Encoding: chunked",
  "\r\nHost: h",
  "Content-Length",
  "chunked",
  "HTTP/1.1",
  "#",
  "?",
  "%",
];

function request(chance: Chance): string {
  const count = chance.below(6);
  const lines: string[] = chance.below(20) === 0 ? [] : ["Host: 127.0.0.1:4444"];
  for (let line = 0; line < count; line++) {
    // The harmless ones come first in the list, and more often.
    lines.push(chance.below(4) === 0 ? chance.of(LINES) : (LINES[chance.below(11)] ?? ""));
  }
  let body = "";
  if (chance.below(3) > 0) {
    body = chance.below(3) === 0 ? "GET /inner HTTP/1.1\r\nHost: h\r\n\r\n" : "x".repeat(chance.below(150));
    const length = chance.below(12) === 0 ? chance.below(200) : body.length;
    lines.splice(chance.below(lines.length + 1), 0, `${chance.of(["Content-Length", "content-length"])}: ${length}`);
  }
  const start = chance.below(3) === 0 ? chance.of(STARTS) : (STARTS[chance.below(3)] ?? "");
  return `${[start, ...lines].join("\r\n")}\r\n\r\n${body}`;
}

/** One to four requests, some of them repeated but for their length, with up to four changes to their bytes. */
export function mutated(chance: Chance): Buffer {
  let text = request(chance);
  for (let more = chance.below(4); more > 0; more--) text += chance.below(2) === 0 ? text : request(chance);
  for (let changes = chance.below(5) - 1; changes > 0; changes--) text = change(text, chance);
  return Buffer.from(text, "latin1");
}

function change(text: string, chance: Chance): string {
  const at = chance.below(text.length + 1);
  const end = Math.min(text.length, at + 1 + chance.below(chance.of([1, 4, 40])));
  const [before, piece, after] = [text.slice(0, at), text.slice(at, end), text.slice(end)];
  switch (chance.below(7)) {
    case 0:
      return before + String.fromCharCode(chance.below(256)) + piece.slice(1) + after;
    case 1:
      return before + chance.of(PIECES) + piece + after;
    case 2:
      return before + chance.of(PIECES) + after;
    case 3:
      return before + after;
    case 4:
      return before + piece + piece + after;
    case 5:
      return before + piece.toUpperCase() + after;
    default:
      return text.replace(/(?<=content-length: ?)\d+/i, () => String(chance.below(300)));
  }
}

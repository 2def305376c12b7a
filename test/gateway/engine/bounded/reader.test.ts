/** The strict reader by itself: what it reads, what it leaves to others, and that remembering a head changes nothing. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeadReader, type HeadReading } from "../../../../gateway/engine/bounded/reader.ts";

const MAX_HEAD_BYTES = 4096;

function readerOf(memo: boolean): HeadReader {
  return new HeadReader({ maxHeadBytes: MAX_HEAD_BYTES, memo });
}

function read(text: string): HeadReading {
  return readerOf(true).read(Buffer.from(text, "latin1"), 0);
}

const CALL =
  "POST /mcp?a=1?b HTTP/1.1\r\nHost: h:1\r\nX-Own: one\r\naccept:  a/b\t \r\nx-OWN: two\r\nX-Empty:\r\nContent-Length: 12\r\n\r\n";

describe("a head that is read", () => {
  it("gives every field as node:http would", () => {
    expect(read(CALL)).toEqual({
      method: "POST",
      path: "/mcp",
      query: "a=1?b",
      headers: { host: "h:1", "x-own": "one, two", accept: "a/b", "x-empty": "", "content-length": "12" },
      contentLength: 12,
      isLast: false,
      size: CALL.length,
    });
  });

  it.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("%s without a body", (method) => {
    const text = `${method} / HTTP/1.1\r\nhost: h\r\n\r\n`;
    const head = { method, path: "/", query: "", headers: { host: "h" }, contentLength: 0, isLast: false };
    expect(read(`${text}next`)).toEqual({ ...head, size: text.length });
  });

  it("knows the last one of a connection by its own words", () => {
    expect(read("GET / HTTP/1.1\r\nhost: h\r\nConnection: Close\r\n\r\n")).toMatchObject({ isLast: true });
    expect(read("GET / HTTP/1.1\r\nhost: h\r\nConnection: keep-alive\r\n\r\n")).toMatchObject({ isLast: false });
  });

  it("starts where it is told to", () => {
    const bytes = Buffer.from(`junk${CALL}`);
    expect(readerOf(true).read(bytes, 4)).toEqual(read(CALL));
  });

  it("is incomplete at every byte before its end", () => {
    const bytes = Buffer.from(CALL);
    const readings = [...CALL].map((_, end) => readerOf(false).read(bytes.subarray(0, end), 0));
    expect(readings).toEqual(readings.map(() => "incomplete"));
  });

  it("may be exactly as long as a head may be", () => {
    const rest = "GET / HTTP/1.1\r\nhost: h\r\nx: \r\n\r\n";
    const filled = (size: number) => rest.replace("x: ", `x: ${"y".repeat(size - rest.length)}`);
    expect(read(filled(MAX_HEAD_BYTES))).toMatchObject({ size: MAX_HEAD_BYTES });
    expect(read(filled(MAX_HEAD_BYTES + 1))).toBe("hand-over");
    expect(read(filled(MAX_HEAD_BYTES + 1).slice(0, MAX_HEAD_BYTES - 1))).toBe("incomplete");
    expect(read(filled(MAX_HEAD_BYTES + 1).slice(0, MAX_HEAD_BYTES))).toBe("hand-over");
  });
});

const line = (target: string) => `${target}\r\nhost: h\r\n\r\n`;
const fields = (lines: string) => `POST / HTTP/1.1\r\nhost: h\r\n${lines}\r\n\r\n`;

describe("what is handed over", () => {
  it.each([
    ["an empty line in front", `\r\n${CALL}`],
    ["an unknown method", line("BREW / HTTP/1.1")],
    ["a method in lower case", line("get / HTTP/1.1")],
    ["CONNECT", line("CONNECT h:1 HTTP/1.1")],
    ["HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a TLS greeting", "\x16\x03\x01"],
    ["an absolute target", line("GET http://h/ HTTP/1.1")],
    ["an asterisk", line("OPTIONS * HTTP/1.1")],
    ["a fragment", line("GET /a#b HTTP/1.1")],
    ["two spaces before the target", line("GET  / HTTP/1.1")],
    ["two spaces behind the target", line("GET /  HTTP/1.1")],
    ["a tab in the request line", line("GET /\tHTTP/1.1")],
    ["bytes beyond ASCII in the target", line("GET /\xc3\xa4 HTTP/1.1")],
    ["NUL in the target", line("GET /\0 HTTP/1.1")],
    ["HTTP/1.0", line("GET / HTTP/1.0")],
    ["HTTP/0.9", "GET /\r\n"],
    ["a later version", line("GET / HTTP/1.2")],
    ["a bare LF behind the request line", "GET / HTTP/1.1\nhost: h\n\n"],
    ["no host", "GET / HTTP/1.1\r\naccept: */*\r\n\r\n"],
    ["two hosts", fields("Host: h")],
    ["a bare LF behind a field", "GET / HTTP/1.1\r\nhost: h\n\r\n"],
    ["a bare CR in a value", fields("x: a\rb")],
    ["NUL in a value", fields("x: a\0b")],
    ["DEL in a value", fields("x: a\x7fb")],
    ["bytes beyond ASCII in a value", fields("x: \xe4")],
    ["a folded value", fields("x: a\r\n b")],
    ["a fold before the first field", "GET / HTTP/1.1\r\n host: h\r\n\r\n"],
    ["a space before the colon", fields("x : a")],
    ["an empty name", fields(": a")],
    ["a line without colon", fields("x")],
    ["a name with bytes beyond ASCII", fields("x\xe4: a")],
    ["Transfer-Encoding", fields("Transfer-Encoding: chunked")],
    ["Transfer-Encoding beside a length", fields("Content-Length: 1\r\nTransfer-Encoding: identity")],
    ["the same length twice", fields("Content-Length: 1\r\nContent-Length: 1")],
    ["two lengths", fields("Content-Length: 1\r\nContent-Length: 2")],
    ["a list of lengths", fields("Content-Length: 1, 1")],
    ["a length with a sign", fields("Content-Length: +1")],
    ["a negative length", fields("Content-Length: -1")],
    ["a hexadecimal length", fields("Content-Length: 0x1")],
    ["an empty length", fields("Content-Length:")],
    ["a length with zeros in front", fields("Content-Length: 01")],
    ["a length with a space behind it", fields("Content-Length: 1 ")],
    ["a length of 16 digits", fields("Content-Length: 1000000000000000")],
    ["Expect", fields("Expect: 100-continue")],
    ["Upgrade", fields("Connection: Upgrade\r\nUpgrade: websocket")],
    ["Upgrade without Connection", fields("Upgrade: h2c")],
    ["other words in Connection", fields("Connection: keep-alive, TE")],
    ["two Connection fields", fields("Connection: close\r\nConnection: close")],
    ["Proxy-Connection", fields("Proxy-Connection: keep-alive")],
    ["announced trailers", fields("Trailer: x")],
    ["Set-Cookie, a list in node:http", fields("Set-Cookie: a=b")],
    ["two cookies, joined otherwise in node:http", fields("cookie: a=b\r\nCookie: c=d")],
    ["two Authorization fields, of which node:http keeps one", fields("Authorization: a\r\nauthorization: b")],
    ["__proto__", fields("__proto__: a")],
    ["more fields than a caller has", fields("x: y\r\n".repeat(100).trimEnd())],
  ])("%s", (_, text) => {
    expect(read(text)).toBe("hand-over");
  });

  it("as soon as a byte is wrong, without waiting for the rest", () => {
    expect(["G\0", "GET h", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nhost\0"].map(read)).toEqual(
      new Array(4).fill("hand-over"),
    );
  });
});

describe("a head that is remembered", () => {
  const callOf = (length: number | string) => Buffer.from(CALL.replace("12", String(length)));

  it("is the same object for the same bytes", () => {
    const reader = readerOf(true);
    const first = reader.read(callOf(12), 0);
    expect(reader.read(callOf(12), 0)).toBe(first);
    const other = reader.read(callOf(7), 0);
    expect(other).toEqual(readerOf(false).read(callOf(7), 0));
    expect(reader.read(callOf(7), 0)).toBe(other);
    expect(reader.read(callOf(12), 0)).toBe(first);
  });

  it("is read as if for the first time when its length is no plain number", () => {
    const reader = readerOf(true);
    reader.read(callOf(12), 0);
    expect(["01", "", "1x", "-1", "1 ", "1000000000000000"].map((length) => reader.read(callOf(length), 0))).toEqual(
      new Array(6).fill("hand-over"),
    );
  });

  it("does not outgrow what a head may have", () => {
    const filler = MAX_HEAD_BYTES - CALL.length;
    const reader = readerOf(true);
    const text = CALL.replace("one", `one${"y".repeat(filler)}`);
    expect(reader.read(Buffer.from(text), 0)).toMatchObject({ size: MAX_HEAD_BYTES });
    expect(reader.read(Buffer.from(text.replace(": 12", ": 123")), 0)).toBe("hand-over");
  });

  it("changes nothing about what is read", () => {
    const name = fc.constantFrom(
      "accept",
      "X-Own",
      "Authorization",
      "Content-Length",
      "Cookie",
      "connection",
      "Expect",
    );
    const value = fc.oneof(
      fc.constantFrom("close", "keep-alive", "1", "12", "120", "012", ""),
      fc.string({ maxLength: 9 }),
    );
    const head = fc
      .tuple(
        fc.constantFrom("GET /", "POST /mcp", "POST /mcp?x"),
        fc.array(fc.tuple(name, value), { maxLength: 4 }),
        fc.nat({ max: 999 }),
      )
      .map(
        ([start, lines, length]) =>
          `${start} HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n${lines.map(([n, v]) => `${n}: ${v}\r\n`).join("")}\r\n`,
      );
    const step = fc.record({
      text: head,
      isAgain: fc.boolean(),
      length: fc.nat({ max: 12_000 }),
      cut: fc.option(fc.nat({ max: 120 })),
      patch: fc.option(fc.tuple(fc.nat({ max: 120 }), fc.nat({ max: 255 }))),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
        const reader = readerOf(true);
        let last = "";
        for (const { text, isAgain, length, cut, patch } of steps) {
          const next = isAgain ? last.replace(/(Content-Length: )\d+/, `$1${length}`) : text;
          const bytes = Buffer.from(next, "latin1").subarray(0, cut ?? undefined);
          if (patch !== null && patch[0] < bytes.length) bytes[patch[0]] = patch[1];
          expect(reader.read(bytes, 0)).toEqual(readerOf(false).read(bytes, 0));
          last = next;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** The lean client's reader of responses: what it takes, what it refuses, wherever its bytes are split, and that Node's own parser agrees. */
import { request } from "node:http";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AnswerHeaders } from "../../../gateway/upstreams/lean/response-head.ts";
import { ResponseReader } from "../../../gateway/upstreams/lean/response-reader.ts";

type Reading = {
  readonly heads: { status: number; headers: AnswerHeaders }[];
  readonly body: string;
  /** `done` with the bytes that were not of the response, `open`, or why it failed. */
  readonly outcome: string;
  readonly keepAlive: boolean;
  /** Bytes of the response. */
  readonly used: number;
};

/** Reads the parts and, when `closes`, the end of the connection. */
function read(parts: readonly Buffer[], closes = false, reader = new ResponseReader()): Reading {
  const heads: Reading["heads"] = [];
  const chunks: Buffer[] = [];
  const events = {
    responseHead: (status: number, headers: AnswerHeaders) => void heads.push({ status, headers }),
    responseData: (chunk: Buffer) => void chunks.push(chunk),
  };
  let used = 0;
  for (const part of parts) {
    // As a connection does: the memory that is read into is used again.
    const shared = Buffer.concat([part, Buffer.from("HTTP/1.1 500 stale\r\n\r\n")]);
    if (!reader.done && reader.failure === undefined) used += reader.push(shared, part.length, events);
    shared.fill(0x21);
  }
  if (closes) reader.eof();
  const { failure } = reader;
  const left = parts.reduce((sum, { length }) => sum + length, -used);
  const outcome =
    failure !== undefined ? `${failure.code}: ${failure.message}` : reader.done ? `done, ${left} left` : "open";
  return { heads, body: Buffer.concat(chunks).toString("latin1"), outcome, keepAlive: reader.keepAlive, used };
}

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const head = (...lines: string[]): string => `${["HTTP/1.1 200 OK", ...lines].join("\r\n")}\r\n\r\n`;
const single = (value: Buffer): Buffer[] => Array.from({ length: value.length }, (_, at) => value.subarray(at, at + 1));

describe("responses as servers send them", () => {
  it.each<[string, string, Partial<Reading>]>([
    [
      "a length",
      `${head("Content-Type: application/json", "Content-Length: 4")}nullHTTP`,
      {
        heads: [{ status: 200, headers: { "content-type": "application/json" } }],
        body: "null",
        outcome: "done, 4 left",
        keepAlive: true,
      },
    ],
    ["no reason", "HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n", { body: "", outcome: "done, 0 left", keepAlive: true }],
    ["an empty reason", "HTTP/1.1 202 \r\nContent-Length: 0\r\n\r\n", { outcome: "done, 0 left", keepAlive: true }],
    ["a reason in latin1", "HTTP/1.1 404 pas trouv\xe9\r\ncontent-length:0\r\n\r\n", { outcome: "done, 0 left" }],
    [
      "chunks",
      `${head("Transfer-Encoding: Chunked")}3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n`,
      { body: "abc0123456789", outcome: "done, 0 left", keepAlive: true },
    ],
    [
      "extensions and trailers",
      `${head("transfer-encoding: chunked")}1;a="b c"\r\nx\r\n0;last\r\nDigest: y\r\nEmpty:\r\n\r\nrest`,
      { heads: [{ status: 200, headers: {} }], body: "x", outcome: "done, 4 left" },
    ],
    [
      "no body by its status",
      "HTTP/1.1 204 No Content\r\n\r\n",
      { body: "", outcome: "done, 0 left", keepAlive: true },
    ],
    [
      "a length where no body can be",
      "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
      { body: "", outcome: "done, 3 left", keepAlive: false },
    ],
    ["a body up to the end", `${head()}abc`, { body: "abc", outcome: "open", keepAlive: false }],
    [
      "connection: close",
      head("Connection: foo, Close", "Content-Length: 0"),
      { outcome: "done, 0 left", keepAlive: false },
    ],
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", { outcome: "done, 0 left", keepAlive: false }],
    [
      "HTTP/1.0 that stays",
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
      { outcome: "done, 0 left", keepAlive: true },
    ],
    [
      "interim responses",
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${head("Location: /1", "LOCATION: /2", "content-type:\tx/y; z \t", "Other: 1", "Content-Length: 1")}z`,
      {
        heads: [{ status: 200, headers: { location: "/1", "content-type": "x/y; z" } }],
        body: "z",
        outcome: "done, 0 left",
      },
    ],
  ])("reads %s", (_, text, expected) => {
    expect(read([bytes(text)])).toMatchObject(expected);
    expect(read(single(bytes(text)))).toMatchObject(expected);
  });

  it("ends a body that only the connection ends", () => {
    expect(read([bytes(`${head()}abc`)], true).outcome).toBe("done, 0 left");
    expect(read([bytes(`${head("Content-Length: 4")}abc`)], true).outcome).toBe("open");
    expect(read([bytes(`${head("Transfer-Encoding: chunked")}3\r\nabc\r\n`)], true).outcome).toBe("open");
  });

  it("hands on each part of a stream as it comes, in memory of its own", () => {
    const reader = new ResponseReader();
    const parts: string[] = [];
    const events = {
      responseHead: () => undefined,
      responseData: (chunk: Buffer) => void parts.push(chunk.toString()),
    };
    for (const text of [
      `${head("Transfer-Encoding: chunked")}9\r\ndata: 1\n\n\r\n`,
      "9\r\ndata:",
      " 2\n\n\r\n5\r\n: hi",
      "\n\r\n",
    ]) {
      reader.push(bytes(text), text.length, events);
      parts.push("|");
    }
    expect(parts).toEqual(["data: 1\n\n", "|", "data:", "|", " 2\n\n", ": hi", "|", "\n", "|"]);
  });

  it("takes a head that it knows from the response before, also when only its beginning is the same", () => {
    const reader = new ResponseReader();
    const seen: unknown[] = [];
    for (const lines of [["Location: 1"], ["Location: 1"], ["Location: 1", "MCP-Session-Id: 2"], ["Location: 2"]]) {
      reader.reset();
      const { heads, body, outcome } = read([bytes(`${head(...lines, "Content-Length: 2")}ok`)], false, reader);
      seen.push([heads[0]?.headers, body, outcome]);
    }
    expect(seen).toEqual([
      [{ location: "1" }, "ok", "done, 0 left"],
      [{ location: "1" }, "ok", "done, 0 left"],
      [{ location: "1", "mcp-session-id": "2" }, "ok", "done, 0 left"],
      [{ location: "2" }, "ok", "done, 0 left"],
    ]);
  });

  it("says how long a server keeps a connection", () => {
    const kept = ["timeout=5", "Timeout=05, max=3", "max=3, Timeout = 72", "max=3", "timeout=x", "timeout="].map(
      (value) => {
        const reader = new ResponseReader();
        read([bytes(head("Content-Length: 0", `Keep-Alive: ${value}`))], false, reader);
        return reader.keepAliveMs;
      },
    );
    expect(kept).toEqual([5000, 5000, 72_000, undefined, undefined, undefined]);
  });

  it("hands on nothing after stop()", () => {
    const reader = new ResponseReader();
    const events = { responseHead: () => reader.stop(), responseData: () => expect.unreachable() };
    const text = `${head("Content-Length: 2")}ok`;
    reader.push(bytes(text), text.length, events);
    expect([reader.done, reader.failure]).toEqual([false, undefined]);
  });
});

describe("what could be understood in two ways", () => {
  const field = "HPE_INVALID_HEADER_TOKEN: a field";
  it.each([
    ["no HTTP", "hello there\r\n\r\n", "undefined: a response begins with HTTP/1.1 or HTTP/1.0"],
    ["the beginning of no HTTP", "SSH-2.0-OpenSSH\r\n", "undefined: a response begins with HTTP/1.1 or HTTP/1.0"],
    ["another version", "HTTP/2.0 200 OK\r\n\r\n", "undefined: a response begins with HTTP/1.1 or HTTP/1.0"],
    ["two digits of status", "HTTP/1.1 20 OK\r\n\r\n", "HPE_INVALID_STATUS: the status of a response has three digits"],
    ["four digits of status", "HTTP/1.1 2000 OK\r\n\r\n", "HPE_INVALID_STATUS: the status line does not end with CRLF"],
    [
      "a status that is a number otherwise",
      "HTTP/1.1 1e2 OK\r\n\r\n",
      "HPE_INVALID_STATUS: the status of a response has three digits",
    ],
    [
      "a status with a sign",
      "HTTP/1.1 +20 OK\r\n\r\n",
      "HPE_INVALID_STATUS: the status of a response has three digits",
    ],
    [
      "a protocol nobody asked for",
      "HTTP/1.1 101 Up\r\n\r\n",
      "HPE_INVALID_UPGRADE: nobody asked for another protocol",
    ],
    [
      "an interim response of HTTP/1.0",
      "HTTP/1.0 103 Early\r\n\r\n",
      "HPE_CLOSED_CONNECTION: an interim response was the last",
    ],
    [
      "an interim response with a body",
      "HTTP/1.1 103 Early\r\nContent-Length: 1\r\n\r\n",
      "HPE_CLOSED_CONNECTION: an interim response was the last",
    ],
    [
      "two lengths",
      head("Content-Length: 1", "Content-Length: 1"),
      "HPE_UNEXPECTED_CONTENT_LENGTH: Content-Length came twice",
    ],
    ["a list of lengths", head("Content-Length: 1, 1"), "HPE_INVALID_CONTENT_LENGTH: Content-Length is not one number"],
    [
      "a length with a sign",
      head("Content-Length: +1"),
      "HPE_INVALID_CONTENT_LENGTH: Content-Length is not one number",
    ],
    ["no length", head("Content-Length:"), "HPE_INVALID_CONTENT_LENGTH: Content-Length is not one number"],
    [
      "a vast length",
      head(`Content-Length: ${"9".repeat(16)}`),
      "HPE_INVALID_CONTENT_LENGTH: Content-Length is not one number",
    ],
    [
      "length and coding",
      head("Content-Length: 1", "Transfer-Encoding: chunked"),
      "HPE_UNEXPECTED_CONTENT_LENGTH: both Content-Length and Transfer-Encoding came",
    ],
    [
      "another coding",
      head("Transfer-Encoding: gzip, chunked"),
      "HPE_INVALID_TRANSFER_ENCODING: the only transfer coding is chunked, of HTTP/1.1",
    ],
    [
      "two codings",
      head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
      "HPE_INVALID_TRANSFER_ENCODING: Transfer-Encoding came twice",
    ],
    [
      "a coding of HTTP/1.0",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HPE_INVALID_TRANSFER_ENCODING: the only transfer coding is chunked, of HTTP/1.1",
    ],
    ["a folded line", head("A: 1", " 2"), `${field} needs a name and a colon`],
    ["a space before the colon", head("A : 1"), `${field} needs a name and a colon`],
    ["a line without a colon", head("A"), `${field} needs a name and a colon`],
    ["a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "HPE_CR_EXPECTED: LF without CR"],
    ["a bare LF in a field", head("A: 1\nContent-Length: 0"), "HPE_CR_EXPECTED: LF without CR"],
    ["a bare CR in a field", head("A: 1\rB: 2"), `${field} does not end with CRLF`],
    ["a NUL in a field", head("A: 1\0"), `${field} does not end with CRLF`],
    [
      "no number of bytes",
      `${head("Transfer-Encoding: chunked")}x\r\n`,
      "HPE_INVALID_CHUNK_SIZE: the size of a chunk is no hexadecimal number",
    ],
    [
      "a spaced chunk size",
      `${head("Transfer-Encoding: chunked")}1 \r\nx`,
      "HPE_INVALID_CHUNK_SIZE: the size of a chunk is no hexadecimal number",
    ],
    [
      "a vast chunk",
      `${head("Transfer-Encoding: chunked")}${"f".repeat(14)}\r\n`,
      "HPE_INVALID_CHUNK_SIZE: the size of a chunk is no hexadecimal number",
    ],
    [
      "a chunk longer than it says",
      `${head("Transfer-Encoding: chunked")}1\r\nxy\r\n`,
      "HPE_STRICT: a chunk does not end where it should",
    ],
    [
      "a trailer that is none",
      `${head("Transfer-Encoding: chunked")}0\r\nx\r\n\r\n`,
      `${field} needs a name and a colon`,
    ],
    [
      "a length after the body",
      `${head("Transfer-Encoding: chunked")}0\r\nContent-Length: 1\r\n\r\n`,
      "HPE_UNEXPECTED_CONTENT_LENGTH: a length or a coding came after the body",
    ],
    [
      "a coding with a tab",
      head("Transfer-Encoding: chunked\t"),
      "HPE_INVALID_TRANSFER_ENCODING: the only transfer coding is chunked, of HTTP/1.1",
    ],
    [
      "no extension",
      `${head("Transfer-Encoding: chunked")}1;,\r\nx`,
      "HPE_INVALID_CHUNK_SIZE: the size of a chunk is no hexadecimal number",
    ],
    [
      "a head without end",
      head(`A: ${"x".repeat(65_536)}`),
      "UND_ERR_HEADERS_OVERFLOW: the head of a response has more than 65536 bytes",
    ],
    [
      "a chunk size without end",
      `${head("Transfer-Encoding: chunked")}1;${"x".repeat(5000)}`,
      "HPE_INVALID_CHUNK_SIZE: the size of a chunk has more than 4096 bytes",
    ],
    [
      "trailers without end",
      `${head("Transfer-Encoding: chunked")}0\r\n${"a: b\r\n".repeat(12_000)}`,
      "UND_ERR_HEADERS_OVERFLOW: trailers have more than 65536 bytes",
    ],
  ])("refuses %s", (_, text, expected) => {
    expect(read([bytes(text)]).outcome).toBe(expected);
    expect(read(single(bytes(text))).outcome).toBe(expected);
  });
});

const READ = ["content-type", "location", "mcp-session-id", "retry-after", "x-mcp-stack-definition"];

/** What Node's own client makes of the bytes of a response and the end of its connection. */
function readByNode(value: Buffer): Promise<{ status: number; headers: AnswerHeaders; body: string } | undefined> {
  return new Promise((resolve) => {
    const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
    const asked = request({ createConnection: () => socket, host: "x", method: "POST" });
    asked.on("error", () => resolve(undefined));
    asked.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => resolve(undefined));
      response.on("end", () => {
        const { rawHeaders } = response;
        const first = (name: string): string | undefined => {
          const at = rawHeaders.findIndex((one, index) => index % 2 === 0 && one.toLowerCase() === name);
          return at === -1 ? undefined : rawHeaders[at + 1];
        };
        const headers = Object.fromEntries(READ.map((name) => [name, first(name)]));
        resolve({ status: response.statusCode ?? 0, headers, body: Buffer.concat(chunks).toString("latin1") });
      });
    });
    asked.end();
    socket.push(value);
    socket.push(null);
  });
}

const token = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/),
  fc.constantFrom(...READ, "Content-Type", "MCP-Session-ID", "constructor"),
);
const text = fc.stringMatching(/^(?:[!-~\xa0-\xff](?:[ \t!-~\xa0-\xff]{0,20}[!-~\xa0-\xff])?)?$/);
const OWN = /^(?:content-length|transfer-encoding|connection|keep-alive|upgrade|trailer|__proto__)$/i;
const fields = fc
  .array(fc.tuple(token, fc.constantFrom("", " ", "\t", "  "), text), { maxLength: 5 })
  .map((list) => list.filter(([name]) => !OWN.test(name)).map(([name, space, value]) => `${name}:${space}${value}`));
const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 });

const framed = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((body) => ({
    lines: [`Content-Length: ${body.length}`],
    body: Buffer.from(body).toString("latin1"),
  })),
  fc.tuple(chunks, fc.constantFrom("", ";x", ';x="y z"'), fields).map(([list, extension, trailers]) => ({
    lines: ["Transfer-Encoding: chunked"],
    body: `${list.map((one) => `${one.length.toString(16)}${extension}\r\n${Buffer.from(one).toString("latin1")}\r\n`).join("")}0\r\n${trailers.map((line) => `${line}\r\n`).join("")}\r\n`,
  })),
  fc.uint8Array({ maxLength: 60 }).map((body) => ({ lines: [], body: Buffer.from(body).toString("latin1") })),
);

const response = fc
  .record({
    interim: fc.constantFrom("", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n"),
    version: fc.constantFrom("1.1", "1.1", "1.0"),
    status: fc.constantFrom(200, 202, 400, 404, 500, 503),
    reason: fc.constantFrom("", " ", " OK", " Not Found"),
    before: fields,
    after: fields,
    framed,
  })
  .filter((made) => made.version === "1.1" || made.framed.lines[0]?.startsWith("Transfer") !== true)
  .map(({ interim, version, status, reason, before, after, framed: { lines, body } }) => {
    const all = [`HTTP/${version} ${status}${reason}`, ...before, ...lines, ...after];
    return bytes(`${interim}${all.join("\r\n")}\r\n\r\n${body}`);
  });

/** Small changes at places where they matter. */
const mutation = fc.record({
  at: fc.nat(),
  removed: fc.nat({ max: 3 }),
  added: fc.constantFrom(
    "",
    "\r",
    "\n",
    "\r\n",
    " ",
    "\t",
    ":",
    ",",
    "0",
    "1",
    "9",
    "a",
    "\0",
    "\x7f",
    "\x80",
    ";",
    "\r\n ",
    "\r\nContent-Length: 1",
    "\r\nTransfer-Encoding: chunked",
  ),
});

describe("any response", () => {
  it("is the same wherever it is split", () => {
    fc.assert(
      fc.property(response, fc.array(fc.nat(), { maxLength: 12 }), (value, cuts) => {
        const whole = read([value], true);
        expect(whole.outcome).toBe("done, 0 left");
        const at = [0, ...cuts.map((cut) => cut % (value.length + 1)).sort((a, b) => a - b), value.length];
        const parts = at.slice(1).map((end, index) => value.subarray(at[index], end));
        expect(read(parts, true)).toEqual(whole);
        expect(read(single(value), true)).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  it("is read as Node's parser reads it", async () => {
    await fc.assert(
      fc.asyncProperty(response, async (value) => {
        const { heads, body, outcome } = read([value], true);
        expect(outcome).toBe("done, 0 left");
        expect({ ...heads[0], body }).toEqual(await readByNode(value));
      }),
      { numRuns: 500 },
    );
  });

  it("that is changed anyhow and still taken is taken by Node's parser too, and means the same", async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(response, fc.array(mutation, { minLength: 1, maxLength: 3 }), async (value, mutations) => {
        let mutated = value.toString("latin1");
        for (const { at, removed, added } of mutations) {
          const place = at % (mutated.length + 1);
          mutated = mutated.slice(0, place) + added + mutated.slice(place + removed);
        }
        const { heads, body, outcome, used } = read([bytes(mutated)], true);
        if (!outcome.startsWith("done")) return;
        taken++;
        // Were the end elsewhere for Node, these bytes would be too many or too few for it.
        expect({ ...heads[0], body }).toEqual(await readByNode(bytes(mutated).subarray(0, used)));
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(200);
  });
});

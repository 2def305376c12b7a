/** HPACK: the examples of RFC 7541, and whatever Node's own client (nghttp2) makes of any fields. */
import { connect } from "node:http2";
import { createServer, type Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME, FrameReader } from "../../../../gateway/engine/http2/frames.ts";
import { answerBlock } from "../../../../gateway/engine/http2/hpack/answer-block.ts";
import { CompressionError, HeaderDecoder } from "../../../../gateway/engine/http2/hpack/decoder.ts";
import { decodeHuffman } from "../../../../gateway/engine/http2/hpack/huffman.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const LARGE = 1_000_000;

function decoded(decoder: HeaderDecoder, block: Buffer, maxBytes = LARGE, maxFields = 1000) {
  return decoder.decode(block, maxBytes, maxFields)?.map(({ name, value }) => [name, value]);
}

const first = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const second = [...first, ["cache-control", "no-cache"]];
const third = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];

describe("header blocks", () => {
  it.each([
    [
      "as they are (appendix C.3)",
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
    ],
    [
      "in the Huffman code (appendix C.4)",
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ],
  ])("are read one after the other, %s", (_, blocks) => {
    const decoder = new HeaderDecoder();
    expect(blocks.map((block) => decoded(decoder, hex(block)))).toEqual([first, second, third]);
  });

  it("let the oldest fields go when the table is small (appendix C.5)", () => {
    const decoder = new HeaderDecoder();
    const date = "Mon, 21 Oct 2013 20:13:21 GMT";
    const location = ["location", "https://www.example.com"];
    const block =
      "3fe1 01 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d";
    expect(decoded(decoder, hex(block))).toEqual([
      [":status", "302"],
      ["cache-control", "private"],
      ["date", date],
      location,
    ]);
    expect(decoded(decoder, hex("4803 3330 37c1 c0bf"))).toEqual([
      [":status", "307"],
      ["cache-control", "private"],
      ["date", date],
      location,
    ]);
    // The table has 256 bytes: :status 302 has made room for 307.
    expect(() => decoder.decode(hex("c2"), LARGE, 10)).toThrow(CompressionError);
  });

  it.each([
    ["the index 0", "80"],
    ["an index that nothing has", "be"],
    ["a name with an index that nothing has", "7f 00 00"],
    ["a number without end", "ff ff ff ff ff ff 01"],
    ["a string beyond the block", "00 05 61"],
    ["a block that ends within a field", "00"],
    ["padding of more than seven bits", "00 82 1f ff 00"],
    ["padding of zeros", "00 81 00 00"],
    ["the end of a string within one", "00 84 ff ff ff ff 00"],
    ["a table larger than allowed", "3f e2 1f"],
    ["a table size behind a field", "82 20"],
  ])("with %s cannot be read", (_, block) => {
    expect(() => new HeaderDecoder().decode(hex(block), LARGE, 10)).toThrow(CompressionError);
  });

  it("that say too much are read to their end, so that the next one can be", () => {
    const decoder = new HeaderDecoder();
    const block = hex("4001 6101 62 4001 6301 64");
    expect(decoder.decode(block, 2 * 34 - 1, 10)).toBeUndefined();
    expect(decoder.decode(hex("bebf"), 2 * 34, 2)).toHaveLength(2);
    expect(decoder.decode(hex("bebf"), 2 * 34, 1)).toBeUndefined();
    expect(decoded(decoder, hex("be"))).toEqual([["c", "d"]]);
  });

  it("never bring anything but fields or a CompressionError, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), (blocks) => {
        const decoder = new HeaderDecoder();
        for (const block of blocks) {
          try {
            for (const { name, value } of decoder.decode(Buffer.from(block), 4096, 64) ?? []) {
              expect(typeof name).toBe("string");
              expect(typeof value).toBe("string");
            }
          } catch (error) {
            expect(error).toBeInstanceOf(CompressionError);
            return;
          }
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("the Huffman code", () => {
  it("of every byte is read back", () => {
    // Appendix B of RFC 7541: a few codes of each length, with ones behind them.
    const codes: readonly (readonly [string, string])[] = [
      ["0", "07"],
      ["a", "1f"],
      ["!", "fe3f"],
      ["{", "fffd"],
      ["\\", "fffe1f"],
      ["\x00", "ffc7"],
      ["\x80", "fffe6f"],
      ["\x01", "ffffb1"],
      ["\xff", "fffffbbf"],
      ["\n", "fffffff3"],
    ];
    for (const [text, code] of codes)
      expect([text, decodeHuffman(hex(code), 0, hex(code).length)]).toEqual([text, text]);
    expect(decodeHuffman(hex("ff"), 0, 1)).toBeUndefined();
    expect(decodeHuffman(hex(""), 0, 0)).toBe("");
  });
});

/** The blocks that Node's client sends for these requests, on one connection. */
async function blocksOfNode(requests: readonly Readonly<Record<string, string>>[]): Promise<Buffer[]> {
  const blocks: Buffer[] = [];
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const reader = new FrameReader({
    frame(type, flags, _streamId, bytes, from, to) {
      // A client's HEADERS begin with their priority.
      if (type === FRAME.headers) blocks.push(bytes.subarray((flags & 0x20) === 0 ? from : from + 5, to));
      if (blocks.length === requests.length) resolve();
    },
    unreadable: () => resolve(),
  });
  const server = createServer((socket: Socket) => {
    socket.on("data", (chunk: Buffer) => reader.receive(chunk));
    socket.on("error", () => undefined);
    socket.write(Buffer.from("000000040000000000", "hex"));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  for (const headers of requests) session.request(headers).on("error", () => undefined);
  await all;
  session.destroy();
  server.close();
  return blocks;
}

const name = fc.stringMatching(/^x-[a-z0-9!#$%&'*+.^_`|~-]{0,30}$/);
// Node's client cuts blanks off.
const value = fc.stringMatching(/^[!-~\u0080-\u00ff]([ -~\u0080-\u00ff]{0,60}[!-~\u0080-\u00ff])?$/);

describe("blocks of nghttp2", () => {
  it("say what they were made of, the table's fields too", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.dictionary(name, value, { maxKeys: 8 }), { minLength: 1, maxLength: 12 }),
        async (requests) => {
          const decoder = new HeaderDecoder();
          const blocks = await blocksOfNode(requests);
          const read = blocks.map((block) =>
            Object.fromEntries((decoded(decoder, block) ?? []).filter(([field]) => field?.startsWith("x-"))),
          );
          expect(read).toEqual(requests.map((headers) => ({ ...headers })));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("blocks of answers", () => {
  it("are read back as what was answered", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(200, 204, 206, 304, 400, 401, 404, 429, 500, 503),
        fc.dictionary(name, value, { maxKeys: 8 }),
        fc.option(fc.nat(), { nil: undefined }),
        (status, headers, length) => {
          const block = answerBlock(status, { ...headers, connection: "close" }, length);
          const fields = decoded(new HeaderDecoder(), Buffer.from(block ?? "", "latin1")) ?? [];
          expect(fields[0]).toEqual([":status", String(status)]);
          const read = Object.fromEntries(fields.slice(1));
          expect(Date.parse(read.date ?? "")).not.toBeNaN();
          const lengths = length === undefined ? {} : { "content-length": String(length) };
          expect(read).toEqual({ ...headers, ...lengths, date: read.date });
        },
      ),
    );
  });

  it("are none where a field cannot be written", () => {
    expect(answerBlock(200, { "x-a": "b\r\nc: d" }, 0)).toBeUndefined();
    expect(answerBlock(200, { "x a": "b" }, 0)).toBeUndefined();
    expect(answerBlock(200, { "x-a": "€" }, 0)).toBeUndefined();
  });
});

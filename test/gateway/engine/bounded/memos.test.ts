/** Heads of several clients over one connection: each is found again, and none is taken for another. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ParsedHead } from "../../../../gateway/engine/bounded/memo.ts";
import { HeadReader } from "../../../../gateway/engine/bounded/reader.ts";

function headOf(session: string, length: number, more = ""): Buffer {
  const lines = ["POST /mcp HTTP/1.1", "Host: a", `Mcp-Session-Id: ${session}`, ...(more === "" ? [] : [more])];
  return Buffer.from(`${lines.join("\r\n")}\r\nContent-Length: ${length}\r\n\r\n`);
}

function read(reader: HeadReader, head: Buffer): ParsedHead {
  const found = reader.read(head, 0);
  if (typeof found === "string") throw new Error(found);
  return found;
}

describe("heads of one connection", () => {
  it("are the same objects when they come again, up to seventeen of them", () => {
    const reader = new HeadReader({ maxHeadBytes: 4096, memo: true });
    const heads = [..."abcdefghijklmnopq"].map((session) => headOf(session.repeat(8), 10));
    const first = heads.map((head) => read(reader, head));
    for (let turn = 0; turn < 3; turn++) expect(heads.every((head, at) => read(reader, head) === first[at])).toBe(true);
    read(reader, headOf("rrrrrrrr", 10));
    expect(heads.filter((head, at) => read(reader, head) === first[at]).length).toBeLessThan(17);
    reader.close();
    expect(read(reader, headOf("rrrrrrrr", 10)).headers["mcp-session-id"]).toBe("rrrrrrrr");
  });

  it("longer than usual push each other out, and nothing else", () => {
    const reader = new HeadReader({ maxHeadBytes: 8192, memo: true });
    const long = [1, 2].map((n) => headOf(`long${n}`, 1, `X: ${"y".repeat(3000)}`));
    const first = long.map((head) => read(reader, head));
    expect(long.map((head, at) => read(reader, head) === first[at])).toEqual([false, false]);
    const [last] = long.slice(1);
    if (last !== undefined) expect(read(reader, last)).toBe(read(reader, last));
    reader.close();
  });

  it("never change what is read", () => {
    const session = fc.constantFrom("aaaa", "aaab", "aaa", "baaa", "aaaaaaaa", "");
    const some = fc.tuple(session, fc.constantFrom(0, 1, 10, 100), fc.constantFrom("", "X: y", "Y: x"));
    fc.assert(
      fc.property(fc.array(some, { maxLength: 60 }), (sent) => {
        const reader = new HeadReader({ maxHeadBytes: 4096, memo: true });
        const forgetful = new HeadReader({ maxHeadBytes: 4096, memo: false });
        for (const one of sent) {
          const head = headOf(...one);
          expect(read(reader, head)).toEqual(read(forgetful, head));
        }
        reader.close();
      }),
    );
  });
});

import { array, assert, constantFrom, nat, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { type HttpAnswer, ResponseReader } from "../../../cli/load/http-reader.ts";

type Framing = "length" | "chunked" | "close";

function response(framing: Framing, parts: readonly string[]): Buffer {
  const body = parts.join("");
  if (framing === "length")
    return Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\nX-A:  b \r\n\r\n${body}`);
  if (framing === "close") return Buffer.from(`HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n${body}`);
  const chunks = parts
    .filter((part) => part !== "")
    .map((part) => `${Buffer.byteLength(part).toString(16)};x=1\r\n${part}\r\n`);
  return Buffer.from(
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n${chunks.join("")}0\r\nT: r\r\n\r\n`,
  );
}

/** Pushes the bytes cut at these places; the answer, and whether it came before the last piece. */
function read(reader: ResponseReader, bytes: Buffer, cuts: readonly number[]): HttpAnswer | undefined {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  let from = 0;
  let answer: HttpAnswer | undefined;
  for (const place of [...places, bytes.length]) {
    if (answer !== undefined && place > from) throw new Error("an answer before its last byte");
    answer ??= reader.push(bytes.subarray(from, place));
    from = place;
  }
  return answer ?? reader.end();
}

const parts = array(string({ unit: "grapheme", maxLength: 40 }), { maxLength: 8 });

describe("reading HTTP answers", () => {
  it("gives the same answer wherever the bytes are cut, one after the other on a connection", () => {
    assert(
      property(constantFrom<Framing>("length", "chunked", "close"), parts, array(nat(2000)), (framing, body, cuts) => {
        const reader = new ResponseReader();
        for (let round = 0; round < (framing === "close" ? 1 : 2); round += 1) {
          const answer = read(reader, response(framing, body), cuts);
          expect([answer?.status, answer?.header("x-a"), answer?.body.toString(), answer?.keepAlive]).toEqual([
            200,
            "b",
            body.join(""),
            framing !== "close",
          ]);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ["an interim answer first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", [204, "", true]],
    ["Connection: close", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi", [200, "hi", false]],
    ["bytes after the answer", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi!", [200, "hi", false]],
    ["no trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", [200, "hi", true]],
  ])("understands %s", (_, text, wanted) => {
    const answer = new ResponseReader().push(Buffer.from(text));
    expect([answer?.status, answer?.body.toString(), answer?.keepAlive]).toEqual(wanted);
  });

  it.each([
    ["SSH-2.0-OpenSSH_9.6\r\n\r\n", "not HTTP/1.1"],
    ["HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "content-length -1"],
    ["HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "content-length 99999999999"],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "a chunk without size"],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n", "a body of more than 16 MiB"],
    [`HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}`, "a head of more than 64 KiB"],
  ])("cannot read %j", (text, reason) => {
    expect(() => new ResponseReader().push(Buffer.from(text))).toThrow(reason);
  });

  it("has no answer when the connection closes within one", () => {
    const reader = new ResponseReader();
    expect(reader.push(Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi"))).toBeUndefined();
    expect(reader.end()).toBeUndefined();
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SseParser } from "../../../gateway/upstreams/sse-parser.ts";

type Parsed = { events: { data: string; type: string; id: string }[]; retryMs: number | undefined; accepted: boolean };

function parse(pieces: readonly Buffer[], limit = 1000): Parsed {
  const events: Parsed["events"] = [];
  const parser: SseParser = new SseParser(limit, (data, type) =>
    events.push({ data: data.toString(), type, id: parser.lastEventId }),
  );
  const accepted = pieces.every((piece) => parser.push(piece));
  return { events, retryMs: parser.retryMs, accepted };
}

const SAMPLE =
  '\ufeffid: 1\ndata:\n\n: a comment\r\nevent: message\r\ndata: {"a":\r\ndata: 1}\r\nid: 2\r\n\r\nretry: 250\rdata:no space\r\r' +
  "data\n\nid\ndata:  two spaces é\nunknown: x\n\nretry: 1x\nid: 3\n\ndata: never ended";

describe("SseParser", () => {
  it("reads fields, line ends of all three kinds, comments, ids, retry and many lines of data", () => {
    expect(parse([Buffer.from(SAMPLE)])).toEqual({
      events: [
        { data: "", type: "", id: "1" },
        { data: '{"a":\n1}', type: "message", id: "2" },
        { data: "no space", type: "", id: "2" },
        { data: "", type: "", id: "2" },
        { data: " two spaces é", type: "", id: "" },
      ],
      retryMs: 250,
      accepted: true,
    });
  });

  it("gives the same events wherever the bytes are split", () => {
    const bytes = Buffer.from(SAMPLE);
    const whole = parse([bytes]);
    for (let at = 0; at <= bytes.length; at++) {
      expect(parse([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
    }
    expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
  });

  it("agrees with itself for any text and any pieces", () => {
    const part = fc.constantFrom(
      "\n",
      "\r",
      "\r\n",
      ":",
      " ",
      "data",
      "data: x",
      "id",
      "id: 7",
      "event: e",
      "retry: 5",
      "é",
      "\0",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), fc.array(fc.nat(80), { maxLength: 6 }), (parts, cuts) => {
        const bytes = Buffer.from(parts.join(""));
        const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
        const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
        expect(parse(pieces)).toEqual(parse([bytes]));
      }),
    );
  });

  it("takes an id only with a complete event, and none with a NUL", () => {
    const parser = new SseParser(100, () => undefined);
    parser.push(Buffer.from("id: 1\ndata: x\n\nid: 2\ndata: y\n"));
    expect(parser.lastEventId).toBe("1");
    parser.push(Buffer.from("\nid: 3\0\n\n"));
    expect(parser.lastEventId).toBe("2");
  });

  it.each([
    ["one line", "data: 12345678901\n\n"],
    ["several lines", "data: 12345\ndata: 12345\n\n"],
    ["a line without an end", `data: ${"1".repeat(100)}`],
    ["a comment without an end", `:${"1".repeat(100)}`],
  ])("refuses an event over the limit: %s", (_, text) => {
    const bytes = Buffer.from(text);
    expect(parse([bytes], 10)).toMatchObject({ events: [], accepted: false });
    expect(
      parse(
        [...bytes].map((byte) => Buffer.from([byte])),
        10,
      ),
    ).toMatchObject({ events: [], accepted: false });
  });

  it("accepts an event of exactly the limit", () => {
    expect(parse([Buffer.from("data: 1234567890\n\n")], 10).events).toEqual([{ data: "1234567890", type: "", id: "" }]);
  });

  it("says nothing after stop()", () => {
    const seen: string[] = [];
    const parser: SseParser = new SseParser(100, (data) => {
      seen.push(data.toString());
      parser.stop();
    });
    expect(parser.push(Buffer.from("data: 1\n\ndata: 2\n\n"))).toBe(true);
    expect(seen).toEqual(["1"]);
  });
});

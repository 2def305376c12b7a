import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  elements,
  JsonError,
  MAX_DEPTH,
  memberAt,
  members,
  removeMembers,
  scanDocument,
  scanMessage,
  setMember,
  splice,
  valueAt,
} from "../../../gateway/mcp/index.ts";

/** What JSON.parse says of the same bytes, as UTF-8 text. */
function reference(bytes: Buffer): { ok: true; value: unknown } | { ok: false } {
  try {
    return { ok: true, value: JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)) };
  } catch {
    return { ok: false };
  }
}

function scanned(bytes: Buffer): { ok: true; value: unknown } | { ok: false; error: unknown } {
  try {
    const span = scanDocument(bytes);
    return { ok: true, value: valueAt(bytes, span) };
  } catch (error) {
    return { ok: false, error };
  }
}

function agree(bytes: Buffer): void {
  const want = reference(bytes);
  const got = scanned(bytes);
  if (want.ok !== got.ok)
    throw new Error(
      `JSON.parse ${want.ok ? "accepts" : "refuses"}, the scanner does not: ${JSON.stringify(bytes.toString("latin1"))}`,
    );
  if (!got.ok) expect(got.error).toBeInstanceOf(JsonError);
  else if (want.ok) expect(got.value).toEqual(want.value);
}

const message = fc
  .record({
    id: fc.oneof(fc.integer(), fc.string()),
    method: fc.string(),
    params: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 6 }),
  })
  .map((value) => Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...value })));

const mutation = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom("delete", "insert", "replace", "duplicate"),
  byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(...Buffer.from('{}[]",:\\u0-.eE tfn\n'))),
});

function mutate(bytes: Buffer, changes: readonly { at: number; kind: string; byte: number }[]): Buffer {
  let result = bytes;
  for (const { at, kind, byte } of changes) {
    const pos = result.length === 0 ? 0 : at % result.length;
    const rest = kind === "insert" || kind === "duplicate" ? result.subarray(pos) : result.subarray(pos + 1);
    const middle = kind === "delete" ? [] : kind === "duplicate" ? [result[pos] ?? byte] : [byte];
    result = Buffer.concat([result.subarray(0, pos), Buffer.from(middle), rest]);
  }
  return result;
}

describe("the scanner against JSON.parse", () => {
  it("reads long strings as JSON.parse does, wherever they stand in memory and whatever stands in them", () => {
    fc.assert(
      fc.property(
        fc.record({
          offset: fc.nat({ max: 7 }),
          length: fc.integer({ min: 490, max: 560 }),
          put: fc.array(
            fc.record({
              at: fc.nat({ max: 600 }),
              bytes: fc.oneof(
                fc.uint8Array({ minLength: 1, maxLength: 5 }),
                fc.constantFrom(
                  ...['\\"', "\\\\", "\\u00e9", "é", "\u{1f600}", '"', "\n", "\x1f", "\x7f", "\\"].map((text) =>
                    Buffer.from(text),
                  ),
                ),
              ),
            }),
            { maxLength: 3 },
          ),
        }),
        ({ offset, length, put }) => {
          const memory = Buffer.alloc(offset + length + 2, "b");
          const bytes = memory.subarray(offset);
          for (const one of put)
            bytes.set(one.bytes.slice(0, Math.max(0, length - one.at)), Math.min(one.at + 1, length));
          bytes[0] = 0x22;
          bytes[length + 1] = 0x22;
          agree(bytes);
        },
      ),
      { numRuns: 5000 },
    );
  });

  it("agrees on ten thousand mutated messages", () => {
    fc.assert(
      fc.property(message, fc.array(mutation, { maxLength: 4 }), (bytes, changes) => agree(mutate(bytes, changes))),
      { numRuns: 10_000 },
    );
  });

  it("agrees on arbitrary JSON values and on arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => agree(Buffer.from(text))),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => agree(Buffer.from(bytes))),
      { numRuns: 2000 },
    );
  });

  it.each([
    "",
    " ",
    "01",
    "-",
    "1.",
    ".5",
    "1e",
    "+1",
    "tru",
    "nul",
    '"',
    '"\\x"',
    '"\\u12g4"',
    "[1,]",
    "{,}",
    '{"a"}',
    '{"a":1,}',
    "[}",
    "1 2",
    "\ufeff1",
    '"\u0001"',
  ])("refuses %j as JSON.parse does", (text) => agree(Buffer.from(text)));

  it("refuses nesting that is deeper than its limit and takes what is as deep", () => {
    const nest = (depth: number) => Buffer.from("[".repeat(depth) + "]".repeat(depth));
    expect(scanDocument(nest(MAX_DEPTH))).toEqual({ start: 0, end: 2 * MAX_DEPTH });
    expect(() => scanDocument(nest(MAX_DEPTH + 2))).toThrow(`nesting deeper than ${MAX_DEPTH}`);
  });
});

describe("cutting and splicing", () => {
  it("finds members as JSON.parse sees them: the last of equal keys, escapes decoded", () => {
    const bytes = Buffer.from('{"a":1,"\\u0061":2,"b":{"a":3}}');
    const root = { start: 0, end: bytes.length };
    expect(members(bytes, root).map(({ key }) => key)).toEqual(["a", "a", "b"]);
    const found = memberAt(bytes, root, "a");
    expect(found && valueAt(bytes, found)).toBe(2);
  });

  it("walks over long strings, escapes and nesting to the same members and elements as JSON.parse", () => {
    const piece = fc.constantFrom('"', "\\", '\\"', "é", "{", "]", ",", "x".repeat(40), "y");
    const long = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(""));
    const value = fc.oneof(long, fc.array(long), fc.dictionary(long, long), fc.double(), fc.constant(null));
    fc.assert(
      fc.property(fc.array(fc.tuple(long, value)), (entries) => {
        const object = Object.fromEntries(entries);
        const bytes = Buffer.from(JSON.stringify(object, undefined, 1));
        const walked = members(bytes, { start: 0, end: bytes.length });
        expect(walked.map(({ key, value: span }) => [key, valueAt(bytes, span)])).toEqual(
          Object.entries(JSON.parse(bytes.toString())),
        );
        for (const key of Object.keys(object)) {
          const span = memberAt(bytes, { start: 0, end: bytes.length }, key);
          expect(span && valueAt(bytes, span)).toEqual(JSON.parse(bytes.toString())[key]);
        }
        const array = Buffer.from(JSON.stringify(Object.values(object)));
        expect(elements(array, { start: 0, end: array.length }).map((span) => valueAt(array, span))).toEqual(
          JSON.parse(array.toString()),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it("setMember and removeMembers do what assignment and delete do, for any object", () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 6 });
    fc.assert(
      fc.property(object, fc.string(), fc.jsonValue({ maxDepth: 2 }), (start, key, value) => {
        const bytes = Buffer.from(JSON.stringify(start));
        const set = splice(bytes, [setMember(bytes, { start: 0, end: bytes.length }, key, JSON.stringify(value))]);
        const want = JSON.parse(JSON.stringify(start)) as Record<string, unknown>;
        Object.defineProperty(want, key, {
          value: JSON.parse(JSON.stringify(value)),
          enumerable: true,
          configurable: true,
          writable: true,
        });
        expect(JSON.parse(set.toString())).toEqual(want);
        const removed = splice(set, removeMembers(set, { start: 0, end: set.length }, [key]));
        delete want[key];
        expect(JSON.parse(removed.toString())).toEqual(want);
      }),
      { numRuns: 2000 },
    );
  });

  it("leaves every other byte as it was", () => {
    const bytes = Buffer.from('{ "n" : 9007199254740993 , "d":1.0,"id":"01"}');
    const id = memberAt(bytes, { start: 0, end: bytes.length }, "id");
    expect(id && splice(bytes, [{ ...id, text: "7" }]).toString()).toBe('{ "n" : 9007199254740993 , "d":1.0,"id":7}');
  });

  it("lists elements of arrays, nested ones as one", () => {
    const bytes = Buffer.from('[1, [2,3] ,{"a":[]}]');
    expect(
      elements(bytes, { start: 0, end: bytes.length }).map((span) => bytes.toString("utf8", span.start, span.end)),
    ).toEqual(["1", "[2,3]", '{"a":[]}']);
    expect(elements(Buffer.from("{}"), { start: 0, end: 2 })).toEqual([]);
  });

  it("refuses edits that overlap", () => {
    expect(() =>
      splice(Buffer.from("abcdef"), [
        { start: 0, end: 3, text: "" },
        { start: 2, end: 4, text: "" },
      ]),
    ).toThrow("edits overlap at byte 2");
  });
});

describe("envelopes", () => {
  const scan = (text: string) => scanMessage(Buffer.from(text));

  it("says where the members stand that requests are routed by, and refuses a second one however it is written", () => {
    const text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":{"uri":1},"n\\u0061me":"a","_meta":{}}}';
    const { routing } = scan(text);
    const found = Object.entries(routing).flatMap(([key, span]) =>
      span === undefined ? [] : [[key, text.slice(span.start, span.end)]],
    );
    expect(found).toEqual([
      ["name", '"a"'],
      ["_meta", "{}"],
    ]);
    expect(() => scan(text.replace('"x"', '"name"'))).toThrow('the key "name" stands twice');
  });

  it("tells requests, notifications and responses apart", () => {
    expect(scan('{"jsonrpc":"2.0","id":1,"method":"a"}').kind).toBe("request");
    expect(scan('{"jsonrpc":"2.0","method":"a","params":{}}').kind).toBe("notification");
    expect(scan('{"jsonrpc":"2.0","id":"x","result":{}}').kind).toBe("response");
    expect(scan('{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}')).toMatchObject({
      kind: "response",
      id: undefined,
    });
  });

  it.each([
    ["[]", "MCPS_ENVELOPE"],
    ["{}", "MCPS_ENVELOPE"],
    ['{"jsonrpc":"1.0","id":1,"method":"a"}', "MCPS_ENVELOPE"],
    ['{"jsonrpc":"2.0","id":null,"method":"a"}', "MCPS_ENVELOPE"],
    ['{"jsonrpc":"2.0","id":1.5,"method":"a"}', "MCPS_ENVELOPE"],
    ['{"jsonrpc":"2.0","id":1,"method":7}', "MCPS_ENVELOPE"],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":[]}', "MCPS_ENVELOPE"],
    ['{"jsonrpc":"2.0","id":1}', "MCPS_ENVELOPE"],
    ['{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', "MCPS_ENVELOPE"],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}', "MCPS_ENVELOPE"],
    ['{"jsonrpc":"2.0","id":1,"method":"a","m\\u0065thod":"b"}', "MCPS_ENVELOPE"],
    ['{"jsonrpc":"2.0","id":1,"method":"a"', "MCPS_PARSE"],
  ])("refuses %s", (text, code) => {
    expect(() => scan(text)).toThrow(expect.objectContaining({ code }));
  });
});

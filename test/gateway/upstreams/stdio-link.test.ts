/** The framing and the routing of the stdio host without processes: whatever a server writes, nothing breaks or goes astray. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scanMessage } from "../../../gateway/mcp/index.ts";
import { Lane } from "../../../gateway/upstreams/stdio-host/calls.ts";
import { redact } from "../../../gateway/upstreams/stdio-host/definition.ts";
import { backoffMs } from "../../../gateway/upstreams/stdio-host/hosted.ts";
import { onOneLine, splitLines } from "../../../gateway/upstreams/stdio-host/lines.ts";
import { Link, type LinkKind } from "../../../gateway/upstreams/stdio-host/link.ts";
import { ServerStream } from "../../../gateway/upstreams/stdio-host/reply.ts";
import { rememberingLog } from "./fixtures/stdio-client.ts";

type Recorded = { open: boolean; got: string[]; status: number | undefined };

function linkOf(kind: LinkKind) {
  const sent: string[] = [];
  const link = new Link({
    kind,
    wire: { send: (line) => void sent.push(line.toString()), unsentBytes: 0 },
    upstream: "u",
    maxMessageBytes: 10_000,
    log: rememberingLog([]),
  });
  const ask = (lane: Lane, message: object): Recorded => {
    const recorded: Recorded = { open: true, got: [], status: undefined };
    const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
    link.request(lane, body, scanMessage(body), {
      get open() {
        return recorded.open;
      },
      message: (raw) => recorded.got.push(raw.toString()) > 0,
      finish(raw, status) {
        recorded.open = false;
        recorded.status = status;
        if (raw !== undefined) recorded.got.push(raw.toString());
      },
    });
    return recorded;
  };
  const join = () => {
    const lane = new Lane(10_000);
    link.lanes.add(lane);
    return lane;
  };
  return { link, sent, ask, join, say: (message: object) => link.receive(Buffer.from(JSON.stringify(message))) };
}

describe("lines", () => {
  test("come out the same however the stream is cut", () => {
    const line = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (wanted, cuts) => {
        const bytes = Buffer.from(wanted.map((text, index) => text + (index % 2 === 0 ? "\n" : "\r\n")).join(""));
        const found: string[] = [];
        const take = splitLines(1000, {
          line: (one) => void found.push(one.toString()),
          tooLong: () => found.push("!"),
        });
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const end = at + (cuts[cut % cuts.length] ?? 1);
          take(bytes.subarray(at, end));
          at = end;
        }
        expect(found).toEqual(wanted);
      }),
    );
  });

  test("over the bound are reported once and skipped, the next one is whole", () => {
    const found: string[] = [];
    const take = splitLines(4, {
      line: (one) => void found.push(one.toString()),
      tooLong: () => found.push("too long"),
    });
    for (const chunk of ["abcd\nab", "cde", "fgh", "i\nnext\n"]) take(Buffer.from(chunk));
    expect(found).toEqual(["abcd", "too long", "next"]);
  });

  test("of pretty JSON become blanks and keep the value", () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const pretty = Buffer.from(JSON.stringify(JSON.parse(json), null, 2).replaceAll("\n", "\r\n"));
        const flat = onOneLine(pretty).toString();
        expect(flat).not.toMatch(/[\r\n]/);
        expect(JSON.parse(flat)).toEqual(JSON.parse(json));
      }),
    );
  });
});

describe("a link", () => {
  test("never throws and never answers a wrong caller, whatever the server writes", () => {
    const alphabet = [
      "{",
      "}",
      "[",
      "]",
      '"id"',
      ":",
      ",",
      "1",
      '"1"',
      "null",
      '"jsonrpc"',
      '"2.0"',
      '"result"',
      '"method"',
      '"params"',
      "{}",
      '"x"',
    ];
    const hostile = fc.oneof(
      fc.array(fc.constantFrom(...alphabet), { maxLength: 20 }).map((parts) => parts.join("")),
      fc
        .record({ jsonrpc: fc.constant("2.0"), id: fc.anything(), method: fc.anything(), params: fc.anything() })
        .map((value) => JSON.stringify(value) ?? ""),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.constantFrom<LinkKind>("session", "shared", "modern"), fc.array(hostile), (kind, lines) => {
        const { link, ask, join, say } = linkOf(kind);
        const mine = ask(join(), { id: "mine", method: "tools/list" });
        for (const line of lines) link.receive(Buffer.from(line));
        const answeredBefore = !mine.open;
        say({ jsonrpc: "2.0", id: 1, result: {} });
        expect(mine.open).toBe(false);
        if (!answeredBefore) expect(JSON.parse(mine.got.at(-1) ?? "").id).toBe("mine");
      }),
      { numRuns: 300 },
    );
  });

  test("keeps ids and tokens of two lanes apart and gives their types back", () => {
    const { ask, join, say, sent } = linkOf("shared");
    const one = ask(join(), { id: 1, method: "tools/call", params: { _meta: { progressToken: "t" } } });
    const two = ask(join(), { id: "1", method: "tools/call", params: { _meta: { progressToken: 7 } } });
    expect(sent.map((line) => JSON.parse(line).id)).toEqual([1, 2]);
    say({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 2, progress: 1 } });
    // Some servers turn ids into strings; batches are legal in 2025-03-26.
    say([
      { jsonrpc: "2.0", id: "2", result: {} },
      { jsonrpc: "2.0", id: 1, error: { code: -32601, message: "no" } },
    ]);
    expect(one.got).toEqual(['{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}']);
    expect(two.got).toEqual([
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}',
      '{"jsonrpc":"2.0","id":"1","result":{}}',
    ]);
    expect([one.status, two.status]).toEqual([200, 200]);
  });

  test("a log message goes to nobody when it could be somebody else's", () => {
    const log = { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "secret" } };
    const shared = linkOf("shared");
    const one = shared.ask(shared.join(), { id: 1, method: "tools/call" });
    shared.say(log);
    const two = shared.ask(shared.join(), { id: 1, method: "tools/call" });
    shared.say(log);
    expect([one.got.length, two.got.length]).toEqual([1, 0]);
    const modern = linkOf("modern");
    const meta = { _meta: { "io.modelcontextprotocol/logLevel": "info" } };
    const quiet = modern.ask(modern.join(), { id: 1, method: "tools/call" });
    const first = modern.ask(modern.join(), { id: 2, method: "tools/call", params: meta });
    modern.say(log);
    const second = modern.ask(modern.join(), { id: 3, method: "tools/call", params: meta });
    modern.say(log);
    expect([quiet.got.length, first.got.length, second.got.length]).toEqual([0, 1, 0]);
  });

  test("answers pings itself and refuses requests nobody can answer", () => {
    const { say, sent, link } = linkOf("shared");
    say({ jsonrpc: "2.0", id: "p", method: "ping" });
    say({ jsonrpc: "2.0", id: 9, method: "roots/list" });
    expect(sent).toEqual([
      '{"jsonrpc":"2.0","id":"p","result":{}}',
      '{"jsonrpc":"2.0","id":9,"error":{"code":-32601,"message":"Method not found: roots/list"}}',
    ]);
    expect(link.waiting()).toBe(0);
  });

  test("keeps a shared subscription until the last subscriber leaves", () => {
    const { ask, join, sent, link } = linkOf("shared");
    const [one, two] = [join(), join()];
    for (const lane of [one, two]) ask(lane, { id: 1, method: "resources/subscribe", params: { uri: "a:b" } });
    expect(link.keepsSubscription(one, "a:b")).toBe(true);
    const before = sent.length;
    link.leave(two);
    const after = sent.slice(before).map((line) => JSON.parse(line).method);
    expect(after).toEqual(["notifications/cancelled", "resources/unsubscribe"]);
  });

  test("refuses more than 1024 waiting calls, but drops those whose caller has left first", () => {
    const { ask, join, sent } = linkOf("session");
    const lane = join();
    const calls = Array.from({ length: 1024 }, (_, id) => ask(lane, { id, method: "tools/call" }));
    expect(() => ask(lane, { id: "more", method: "tools/call" })).toThrow(
      "Too many requests to u at once, the limit is 1024",
    );
    const left = calls[5];
    if (left !== undefined) left.open = false;
    ask(lane, { id: "more", method: "tools/call" });
    expect(sent.slice(-2).map((line) => JSON.parse(line).method)).toEqual(["notifications/cancelled", "tools/call"]);
    expect(JSON.parse(sent.at(-2) ?? "").params.requestId).toBe(6);
  });
});

test("a stream that nobody reads keeps at most 100 messages and its bound of bytes", () => {
  const many = new ServerStream(10_000);
  expect(Array.from({ length: 101 }, () => many.push(Buffer.from("{}"))).filter(Boolean)).toHaveLength(100);
  const large = new ServerStream(10);
  expect([large.push(Buffer.from("12345678")), large.push(Buffer.from("123"))]).toEqual([true, false]);
  large.end();
  expect(large.push(Buffer.from("{}"))).toBe(false);
});

test("values of the environment are replaced by their names, short ones stay", () => {
  expect(redact("key=abcd1234, n=1, again abcd1234", { KEY: "abcd1234", N: "1" })).toBe("key=[KEY], n=1, again [KEY]");
  // A secret within a secret, and one of several lines that is written line by line.
  expect(redact("abcdefgh", { A: "abcd", B: "abcdefgh" })).toBe("[B]");
  expect(redact("second line", { PEM: "first line\nsecond line\n" })).toBe("[PEM]");
});

test("the first failure costs nothing, then 250 ms doubled up to 30 s", () => {
  expect([0, 1, 2, 3, 4, 8, 9, 10, 1000].map(backoffMs)).toEqual([
    0, 0, 250, 500, 1000, 16_000, 30_000, 30_000, 30_000,
  ]);
});

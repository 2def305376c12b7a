/** Compression: what is chosen, what is compressed and what never, over both engines. */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ResponseSink } from "../../../contract/http.ts";
import {
  CompressedSink,
  type Compressor,
  codingOf,
  createCompressor,
  mayCompress,
} from "../../../gateway/transports/index.ts";
import { type Gateway, send, startGateway } from "../../harness/index.ts";

const compressor = createCompressor({ minimumBytes: 500, gzipLevel: 6, brotliQuality: 4, zstdLevel: 3 });
const UNPACK = {
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
  gzip: gunzipSync,
};

describe("the coding of an Accept-Encoding", () => {
  it.each([
    [undefined, undefined],
    ["", undefined],
    ["gzip", "gzip"],
    ["x-gzip", "gzip"],
    ["gzip, deflate", "gzip"],
    ["gzip, deflate, br, zstd", "br"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["zstd;q=0.9, br;q=0.8, gzip;q=0.9", "zstd"],
    ["*", "br"],
    ["br;q=0, *", "zstd"],
    ["*;q=0", undefined],
    ["identity, gzip;q=0.5", undefined],
    ["identity;q=0.5, gzip;q=0.5", "gzip"],
    ["identity;q=0", undefined],
    ["GZIP ; Q=0.3", "gzip"],
    ["gzip;q=2", undefined],
    ["gzip;q=nonsense", undefined],
    ["deflate, compress", undefined],
  ])("%j is %s", (header, coding) => {
    expect(codingOf(header)).toBe(coding);
  });

  it("is never one that was refused, nor one that nobody named", () => {
    const name = fc.constantFrom("br", "gzip", "zstd", "identity", "deflate");
    const weight = fc.constantFrom("0", "0.0", "0.5", "1", "0.001");
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, weight), { selector: ([one]) => one, maxLength: 5 }), (entries) => {
        const found = codingOf(entries.map(([one, q]) => `${one};q=${q}`).join(", "));
        const weights = new Map<string, number>(entries.map(([one, q]) => [one, Number(q)]));
        if (found !== undefined) {
          expect(weights.get(found)).toBeGreaterThan(0);
          expect(weights.get(found)).toBe(Math.max(...["br", "gzip", "zstd"].map((one) => weights.get(one) ?? 0)));
        }
      }),
    );
  });
});

type Answer = { status: number; headers: Readonly<Record<string, string>>; body: Uint8Array | string | undefined };

function recordingSink() {
  const answers: Answer[] = [];
  const events: string[] = [];
  const state = { isGone: false };
  let told: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => {
    told = resolve;
  });
  const sink: ResponseSink = {
    get closed() {
      return state.isGone || answers.length > 0;
    },
    respond(status, headers, body) {
      answers.push({ status, headers, body });
      told();
    },
    open: (status) => void events.push(`open ${status}`),
    write: (chunk) => events.push(`write ${chunk}`) > 0,
    end: () => void events.push("end"),
    onDrain: () => undefined,
    onClose: () => undefined,
    detach: () => undefined,
  };
  return { sink, answers, events, answered, state };
}

const JSON_HEADERS = { "content-type": "application/json" };
const TEXT = JSON.stringify({ text: "again and again ".repeat(60) });

describe("an answer", () => {
  it.each(["br", "zstd", "gzip"] as const)("is compressed as %s, with Vary and a weak ETag", async (coding) => {
    for (const body of [TEXT, JSON.stringify({ text: "again and again ".repeat(6000) })]) {
      const { sink, answers, answered } = recordingSink();
      const own = new CompressedSink(sink, compressor, coding);
      own.respond(200, { ...JSON_HEADERS, etag: '"v1"', vary: "Origin" }, body);
      expect(own.closed).toBe(true);
      await answered;
      const [answer] = answers;
      expect(answer?.headers).toEqual({
        ...JSON_HEADERS,
        etag: 'W/"v1"',
        vary: "Origin, Accept-Encoding",
        "content-encoding": coding,
      });
      expect(UNPACK[coding](Buffer.from(answer?.body ?? "")).toString()).toBe(body);
    }
  });

  it.each<[string, number, Readonly<Record<string, string>>, string | undefined, Readonly<Record<string, string>>]>([
    ["that is small", 200, JSON_HEADERS, TEXT.slice(0, 499), { ...JSON_HEADERS, vary: "Accept-Encoding" }],
    ["without a body", 202, {}, undefined, {}],
    [
      "encoded already",
      200,
      { ...JSON_HEADERS, "content-encoding": "br" },
      TEXT,
      { ...JSON_HEADERS, "content-encoding": "br" },
    ],
    [
      "nobody may change",
      200,
      { ...JSON_HEADERS, "cache-control": "no-transform" },
      TEXT,
      { ...JSON_HEADERS, "cache-control": "no-transform" },
    ],
    ["of packed bytes", 200, { "content-type": "image/png" }, TEXT, { "content-type": "image/png" }],
    ["that is a part", 206, JSON_HEADERS, TEXT, JSON_HEADERS],
    ["of events", 200, { "content-type": "text/event-stream" }, TEXT, { "content-type": "text/event-stream" }],
  ])("%s goes out as it is", (_, status, headers, body, expected) => {
    const { sink, answers } = recordingSink();
    new CompressedSink(sink, compressor, "gzip").respond(status, headers, body);
    expect(answers).toEqual([{ status, headers: expected, body }]);
  });

  it("that does not become smaller goes out as it is", () => {
    const { sink, answers } = recordingSink();
    const growing: Compressor = { ...compressor, now: (_coding, body) => Buffer.concat([body, body]) };
    new CompressedSink(sink, growing, "gzip").respond(200, JSON_HEADERS, TEXT);
    expect(answers).toEqual([
      { status: 200, headers: { ...JSON_HEADERS, vary: "Accept-Encoding" }, body: Buffer.from(TEXT) },
    ]);
  });

  it("is dropped when the client has gone while it was compressed, and goes out as it is when that failed", () => {
    let done: (packed: Buffer | undefined) => void = () => undefined;
    const slow: Compressor = { ...compressor, later: (_coding, _body, told) => (done = told) };
    const big = "x".repeat(10_000);
    const gone = recordingSink();
    new CompressedSink(gone.sink, slow, "gzip").respond(200, JSON_HEADERS, big);
    gone.state.isGone = true;
    done(Buffer.from("packed"));
    expect(gone.answers).toEqual([]);
    const failed = recordingSink();
    new CompressedSink(failed.sink, slow, "gzip").respond(200, JSON_HEADERS, big);
    done(undefined);
    expect(failed.answers.map(({ body }) => String(body))).toEqual([big]);
  });

  it("as a stream passes through", () => {
    const { sink, events } = recordingSink();
    const own = new CompressedSink(sink, compressor, "br");
    own.open(200, { "content-type": "text/event-stream" });
    own.write("data: 1\n\n");
    own.end();
    expect(events).toEqual(["open 200", "write data: 1\n\n", "end"]);
  });

  it("of accounts is never compressed: it may hold a secret beside what the caller wrote", () => {
    expect(mayCompress({ area: "accounts" })).toBe(false);
    expect(mayCompress({ area: "registry" })).toBe(true);
    expect(mayCompress({ area: "mcp" })).toBe(true);
  });
});

describe.each(["fastify", "bounded"])("over %s", (engine) => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway({ env: { HTTP_SERVER: engine } });
  });
  afterAll(async () => {
    await gateway?.stop();
  });
  const get = (accept: string | undefined, method = "GET") =>
    send(method, `${gateway.url}/openapi.json`, {
      ...gateway.headers,
      ...(accept === undefined ? {} : { "accept-encoding": accept }),
    });

  it("an answer is the same in every coding, and says what it depends on", async () => {
    const plain = await get(undefined);
    expect([plain.headers["content-encoding"], plain.headers.vary]).toEqual([undefined, "Accept-Encoding"]);
    for (const coding of ["br", "zstd", "gzip"] as const) {
      const packed = await get(coding);
      expect([packed.status, packed.headers["content-encoding"], packed.headers.vary]).toEqual([
        200,
        coding,
        "Accept-Encoding",
      ]);
      expect(Number(packed.headers["content-length"])).toBeLessThan(Number(plain.headers["content-length"]) / 3);
      expect(UNPACK[coding](packed.bytes).toString()).toBe(plain.text);
      const head = await get(coding, "HEAD");
      expect([head.headers["content-length"], head.text]).toEqual([packed.headers["content-length"], ""]);
    }
  });

  it("a body that is encoded is refused before it is read, with what is taken instead", async () => {
    const headers = { ...gateway.headers, "content-type": "application/json", "content-encoding": "gzip" };
    const answer = await send("POST", `${gateway.url}/mcp`, headers, "not gzip at all");
    expect([answer.status, answer.headers["accept-encoding"]]).toEqual([415, "identity"]);
    expect(answer.text).toContain("MCPS_CONTENT_ENCODING");
  });
});

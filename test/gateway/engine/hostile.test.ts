/**
 * Many peers at once that mean no good, on every way on which a request is read: each is refused or let go by a deadline, none keeps a place,
 * and whoever came for something is answered all the while, over HTTP/1.1 and HTTP/2.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { EngineOptions } from "../../../gateway/engine/index.ts";
import { waitFor } from "../../harness/index.ts";
import { engineNames, engineStarter, halfOpenConnection, type Recorder, rawConnection } from "./harness.ts";
import {
  ask,
  END_HEADERS,
  END_STREAM,
  frame,
  frames,
  goawayCode,
  headerBlock,
  http2Session,
  PREFACE,
} from "./http2-client.ts";
import { enterLane, type Lane, lanes } from "./lanes.ts";

const engines = engineStarter();
afterEach(() => engines.closeAll());

const PEERS = 20;
/** A caller who takes all the time there is would be another test. */
const PAUSE_MS = 5;
const MAX_HEAD_BYTES = 16_384;
/** What ends those who never come to an end, and may not end anybody else: the machine may be busy. */
const HURRIED = { headTimeoutMs: 200, bodyTimeoutMs: 200, maxHeadBytes: MAX_HEAD_BYTES };
const PATIENT = { headTimeoutMs: 5000, bodyTimeoutMs: 5000, maxHeadBytes: MAX_HEAD_BYTES };
/** More than a kernel takes over for anybody. */
const LARGE = Buffer.alloc(12 * 1024 * 1024);
const HEAD = "POST /harm HTTP/1.1\r\nHost: a\r\n";
const many = (line: (index: number) => string, count: number) =>
  Array.from({ length: count }, (_, at) => line(at)).join("");

type Harm = {
  readonly title: string;
  readonly says: string | Buffer;
  /** Sent again and again: progress that is none. */
  readonly drips?: string;
  /** How the answer to it begins, whichever way it is read; nothing where there is none. */
  readonly answer: RegExp;
};

const HARMS: readonly Harm[] = [
  { title: "silence", says: "", answer: /^(HTTP\/1\.1 408 .*)?$/s },
  { title: "a head that comes byte by byte", says: HEAD, drips: "X", answer: /^HTTP\/1\.1 408 / },
  {
    title: "a body that comes byte by byte",
    says: `${HEAD}Content-Length: 60000\r\n\r\n`,
    drips: "x",
    answer: /^HTTP\/1\.1 408 /,
  },
  {
    title: "chunks that come byte by byte",
    says: `${HEAD}Transfer-Encoding: chunked\r\n\r\n`,
    drips: "1\r\nx\r\n",
    answer: /^HTTP\/1\.1 408 /,
  },
  {
    title: "a chunk whose size never ends",
    says: `${HEAD}Transfer-Encoding: chunked\r\n\r\n`,
    drips: "0",
    answer: /^HTTP\/1\.1 4/,
  },
  {
    title: "a thousand fields",
    says: `${HEAD}${many((at) => `X-${at}: y\r\n`, 1000)}\r\n`,
    answer: /^HTTP\/1\.1 431 /,
  },
  {
    title: "a field longer than any head",
    says: `${HEAD}X: ${"y".repeat(40_000)}\r\n\r\n`,
    answer: /^HTTP\/1\.1 431 /,
  },
  {
    title: "a head without end",
    says: HEAD,
    drips: many((at) => `X-${at}: yyyyyyyyyyyyyyyyyyyy\r\n`, 50),
    answer: /^HTTP\/1\.1 4(31|08) /,
  },
  {
    title: "an upgrade without a key",
    says: "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    answer: /^HTTP\/1\.1 400 /,
  },
  {
    title: "a body behind an upgrade",
    says: "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 9\r\n\r\nx",
    answer: /^HTTP\/1\.1 4/,
  },
  {
    title: "invalid UTF-8 in the target",
    says: Buffer.from("GET /\xff\xfe\xc0\x80 HTTP/1.1\r\nHost: a\r\n\r\n", "latin1"),
    answer: /^HTTP\/1\.1 400 /,
  },
  { title: "NULs in a field", says: `${HEAD}X: a\0b\r\n\r\n`, answer: /^HTTP\/1\.1 400 / },
  { title: "nothing but NULs", says: "\0".repeat(100), answer: /^HTTP\/1\.1 400 / },
];

/** What one such peer was told until it was let go. */
async function doHarm(lane: Lane, port: number, { says, drips }: Harm): Promise<string> {
  const { client } = await enterLane(lane, port);
  const { socket } = client.raw;
  if (says.length > 0) client.send(says);
  const dripping = drips === undefined ? undefined : setInterval(() => socket.writable && client.send(drips), 5);
  const told = await client.rest();
  clearInterval(dripping);
  return told;
}

/** Asks over and over, on a connection of HTTP/1.1 and one of HTTP/2; answers with the statuses once it is stopped. */
async function healthyCallers(lane: Lane, port: number): Promise<{ stop(): Promise<ReadonlySet<number>> }> {
  const statuses = new Set<number>();
  let isOver = false;
  const session = await http2Session(`http://127.0.0.1:${port}`);
  // Last: from here on its first request is waited for.
  const { client } = await enterLane(lane, port);
  const one = async () => {
    client.send("GET /healthy HTTP/1.1\r\nHost: a\r\n\r\n");
    return (await client.next()).status;
  };
  const two = async () => (await ask(session, { ":path": "/healthy" })).status;
  const askOn = async (once: () => Promise<number>) => {
    do {
      statuses.add(await once());
      await pause(PAUSE_MS);
    } while (!isOver);
  };
  const asking = Promise.all([askOn(one), askOn(two)]);
  return {
    async stop() {
      isOver = true;
      await asking;
      session.close();
      return statuses;
    },
  };
}

describe.each(lanes)("while others send what does harm ($title)", (lane) => {
  /** Tells of `/large` how many of those who asked for it have gone. */
  async function start(limits: Partial<EngineOptions>) {
    const running = await engines.start(lane.engine, limits);
    let gone = 0;
    running.application.handlers.set("/large", (_, sink) => {
      sink.onClose(() => void gone++);
      sink.respond(200, {}, LARGE);
    });
    return { ...running, gone: () => gone };
  }
  const expectNothingLeft = (application: Recorder) => waitFor(() => application.inside === 0);

  it.each(HARMS)("$title: they are told and let go, and others are served", async (harm) => {
    const { port, application } = await start(harm.says === "" || harm.drips !== undefined ? HURRIED : PATIENT);
    const healthy = await healthyCallers(lane, port);
    const told = await Promise.all(Array.from({ length: PEERS }, () => doHarm(lane, port, harm)));
    // Who sends on after the answer may be reset before he reads it (RFC 9112 §9.6).
    const isFit = (text: string) => harm.answer.test(text) || (harm.drips !== undefined && text === "");
    expect(told.filter((text) => !isFit(text))).toEqual([]);
    expect(told.filter((text) => harm.answer.test(text))).not.toEqual([]);
    expect(await healthy.stop()).toEqual(new Set([200]));
    await expectNothingLeft(application);
  });

  it("peers that read nothing of their answers, and go on sending", async () => {
    const { port, application, gone } = await start({ bodyTimeoutMs: 200 });
    const healthy = await healthyCallers(lane, port);
    const deaf = await Promise.all(Array.from({ length: PEERS }, () => enterLane(lane, port)));
    for (const { client } of deaf) {
      client.raw.socket.pause();
      client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    await waitFor(() => {
      for (const { client } of deaf) if (client.raw.socket.writable) client.send("\r\n");
      return gone() === PEERS;
    }, 20_000);
    expect(await healthy.stop()).toEqual(new Set([200]));
    await expectNothingLeft(application);
    for (const { client } of deaf) client.raw.socket.destroy();
  });

  it("peers that close their side in the middle of something, and never the other one", async () => {
    const { port, application } = await start(HURRIED);
    const healthy = await healthyCallers(lane, port);
    const said = ["", "GET /half", HEAD, `${HEAD}Content-Length: 9\r\n\r\nx`, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"];
    const halves = await Promise.all(
      [...said, ...said].map(async (text) => {
        const half = await halfOpenConnection(port, lane.first + text);
        half.socket.end();
        return half;
      }),
    );
    await Promise.all(halves.map(({ ended }) => ended));
    expect(await healthy.stop()).toEqual(new Set([200]));
    await expectNothingLeft(application);
    for (const { socket } of halves) socket.destroy();
  });
});

/** RFC 9113 §7: the peer does too much for nothing. */
const ENHANCE_YOUR_CALM = 11;
const BATCH = 50;
const REQUEST = headerBlock([
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/never"],
  [":authority", "a.example"],
]);

/** The frames of one batch; `first` is the number of streams that were opened before it. */
const FLOODS: readonly (readonly [title: string, batch: (first: number) => Buffer[]])[] = [
  [
    "requests that are reset at once (CVE-2023-44487)",
    (first) =>
      Array.from({ length: BATCH }, (_, at) => {
        const streamId = 2 * (first + at) + 1;
        const open = frame(frames.headers, END_STREAM | END_HEADERS, streamId, REQUEST);
        return Buffer.concat([open, frame(frames.rstStream, 0, streamId, Buffer.from([0, 0, 0, 8]))]);
      }),
  ],
  ["SETTINGS (CVE-2019-9515)", () => Array.from({ length: BATCH }, () => frame(frames.settings, 0, 0))],
  ["PING (CVE-2019-9512)", () => Array.from({ length: BATCH }, () => frame(frames.ping, 0, 0, Buffer.alloc(8)))],
  [
    "a head that goes on for ever (CVE-2024-27316)",
    (first) =>
      Array.from({ length: BATCH }, (_, at) =>
        first + at === 0 ? frame(frames.headers, 0, 1, REQUEST) : frame(frames.continuation, 0, 1, Buffer.alloc(0)),
      ),
  ],
];

describe.each(engineNames)("while others flood HTTP/2 (%s)", (engine) => {
  it.each(FLOODS)("with %s: they are told to be calm and let go, and others are served", async (_, batch) => {
    const { port, application } = await engines.start(engine);
    application.handlers.set("/never", () => undefined);
    const healthy = await healthyCallers({ title: engine, engine, first: "" }, port);
    const flood = async () => {
      const { socket, bytes, closed } = await rawConnection(
        port,
        Buffer.concat([PREFACE, frame(frames.settings, 0, 0)]),
      );
      let isOver = false;
      const over = closed.then(() => {
        isOver = true;
      });
      for (let first = 0; !isOver; first += BATCH) {
        if (socket.writable) socket.write(Buffer.concat(batch(first)));
        await Promise.race([over, pause(PAUSE_MS)]);
      }
      return goawayCode(bytes());
    };
    const codes = await Promise.all(Array.from({ length: PEERS }, flood));
    // Who sends on may be reset before he reads it.
    expect(new Set(codes.filter((code) => code !== undefined))).toEqual(new Set([ENHANCE_YOUR_CALM]));
    expect(await healthy.stop()).toEqual(new Set([200]));
    await waitFor(() => application.inside === 0);
  });
});

/**
 * The load generator: keeps `connections` sockets busy with one request after the other (closed loop) for `seconds` and prints one
 * JSON line. Raw sockets and the shortest HTTP/1.1 reader that is right for our answers, so that it costs little beside what it measures.
 */
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";

export type LoadOrder = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
  /** Has to stand in every answer. */
  readonly expect: string;
};

export type LoadReport = {
  readonly calls: number;
  readonly failures: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly firstFailure?: string;
};

/** Length of the first whole HTTP response in the buffer, or 0 while it is not whole. */
export function responseLength(buffer: Buffer): number {
  const headEnd = buffer.indexOf("\r\n\r\n");
  if (headEnd < 0) return 0;
  const head = buffer.toString("latin1", 0, headEnd).toLowerCase();
  const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
  if (length !== undefined) {
    const end = headEnd + 4 + Number(length);
    return buffer.length >= end ? end : 0;
  }
  let at = headEnd + 4;
  for (;;) {
    const lineEnd = buffer.indexOf("\r\n", at);
    if (lineEnd < 0) return 0;
    const size = Number.parseInt(buffer.toString("latin1", at, lineEnd), 16);
    at = lineEnd + 2 + size + 2;
    if (buffer.length < at) return 0;
    if (size === 0) return at;
  }
}

/** The body of a whole chunked response. */
export function unchunked(response: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = response.indexOf("\r\n\r\n") + 4;
  for (;;) {
    const lineEnd = response.indexOf("\r\n", at);
    const size = Number.parseInt(response.toString("latin1", at, lineEnd), 16);
    if (lineEnd < 0 || !(size > 0)) return Buffer.concat(parts);
    parts.push(response.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

async function generate(order: LoadOrder): Promise<LoadReport> {
  const url = new URL(order.url);
  const lines = Object.entries({
    ...order.headers,
    host: url.host,
    "content-length": String(Buffer.byteLength(order.body)),
  }).map(([key, value]) => `${key}: ${value}\r\n`);
  const request = Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${lines.join("")}\r\n${order.body}`);
  const expected = Buffer.from(order.expect);
  const latencies: number[] = [];
  let failures = 0;
  let firstFailure: string | undefined;
  const start = performance.now();
  const end = start + order.seconds * 1000;

  await Promise.all(
    Array.from(
      { length: order.connections },
      () =>
        new Promise<void>((resolve, reject) => {
          const socket: Socket = connect(Number(url.port), url.hostname);
          let pending: Buffer = Buffer.alloc(0);
          let sent = 0;
          const next = (): void => {
            sent = performance.now();
            if (sent >= end) {
              socket.destroy();
              resolve();
            } else socket.write(request);
          };
          socket.setNoDelay(true).once("connect", next);
          socket.on("data", (chunk: Buffer) => {
            pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
            const length = responseLength(pending);
            if (length === 0) return;
            const answer = pending.subarray(0, length);
            // What is looked for may stand across two chunks.
            if (!answer.includes(expected) && !unchunked(answer).includes(expected)) {
              failures += 1;
              firstFailure ??= answer.toString("utf8", 0, 600);
            }
            pending = pending.subarray(length);
            latencies.push(performance.now() - sent);
            next();
          });
          socket.once("error", reject);
          socket.once("close", () => resolve());
        }),
    ),
  );
  const seconds = (performance.now() - start) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return {
    calls: latencies.length,
    failures,
    seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    ...(firstFailure === undefined ? {} : { firstFailure }),
  };
}

if (import.meta.main) {
  const order: LoadOrder = JSON.parse(await text(process.stdin));
  process.stdout.write(`${JSON.stringify(await generate(order))}\n`);
}

/**
 * `node bench/upstream-client.ts`: CPU time of one call to an upstream through the lean client, through undici's Pool, both behind a
 * Flight, and through bare sockets that only write and read as many bytes. `--write` puts the table into docs/performance.md.
 */
import { type AddressInfo, connect, createServer } from "node:net";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { buildConnector } from "undici";
import { Flight } from "../gateway/upstreams/flight.ts";
import { repeated } from "../gateway/upstreams/lean/request-head.ts";
import { addressAt, Origins } from "../gateway/upstreams/origins.ts";
import { firstJson, start } from "./machine.ts";
import { writeSections } from "./page.ts";
import { rows, spread } from "./tables.ts";

const LANES = 64;
const BODY = Buffer.from(
  JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { text: "b".repeat(120) } }),
);
const HEADERS = repeated(["content-type", "application/json", "accept", "application/json, text/event-stream"]);
const ANSWER = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  result: { content: [{ type: "text", text: "b".repeat(128) }] },
});
const COMMON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: @\r\nConnection: keep-alive\r\n";
const ANSWERS: Readonly<Record<string, string>> = {
  "/length": `${COMMON}Content-Length: ${ANSWER.length}\r\n\r\n${ANSWER}`,
  "/chunked": `${COMMON}Transfer-Encoding: chunked\r\n\r\n${ANSWER.length.toString(16)}\r\n${ANSWER}\r\n0\r\n\r\n`,
};
const DATE = /@/;

/** Answers each piece that it reads with one response, for each is one request: they are small. The date changes as a server's does. */
function serveAnswers(): void {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", (request: Buffer) => {
      const path = request.toString("latin1", 5, request.indexOf(" HTTP/"));
      socket.write((ANSWERS[path] ?? "").replace(DATE, new Date().toUTCString()), "latin1");
    });
  });
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${JSON.stringify({ port: String((server.address() as AddressInfo).port) })}\n`);
  });
}

/** Calls on every lane, each after the one before, until `called` says no. */
type Subject = { readonly name: string; run(called: () => boolean): void; close(): Promise<void> };

function throughFlight(name: string, port: number, path: string, isPlain: boolean): Subject {
  const connector = isPlain ? {} : { connect: buildConnector({ allowH2: false }) };
  const origins = new Origins({
    connectTimeoutMs: 5000,
    connectionsPerOrigin: LANES,
    keepAliveMs: 600_000,
    ...connector,
  });
  const pair = origins.pair(addressAt({ origin: `http://127.0.0.1:${port}` }), "bench");
  const request = {
    pair,
    method: "POST",
    path,
    headers: HEADERS,
    body: BODY,
    stream: false,
    repeatable: true,
  } as const;
  const run = (called: () => boolean): void => {
    const receiver = {
      head: () => undefined,
      data: () => undefined,
      end: () => {
        if (called()) new Flight(request, receiver).start();
      },
      failed: (error: Error) => {
        throw error;
      },
    };
    for (let lane = 0; lane < LANES; lane++) new Flight(request, receiver).start();
  };
  return { name, run, close: () => origins.close() };
}

/** What the sockets themselves cost: nothing is read of what comes but its length. */
function bareSockets(name: string, port: number, path: string): Subject {
  const fields = [`POST ${path} HTTP/1.1`, `host: 127.0.0.1:${port}`, "connection: keep-alive"];
  for (let at = 0; at < HEADERS.length; at += 2) fields.push(`${HEADERS[at]}: ${HEADERS[at + 1]}`);
  const request = Buffer.from(`${fields.join("\r\n")}\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`);
  const expected = (ANSWERS[path] ?? "").length - 1 + new Date().toUTCString().length;
  const buffer = Buffer.alloc(65_536);
  let ended = (): boolean => false;
  const sockets = Array.from({ length: LANES }, () => {
    const callback = (length: number): boolean => {
      if (length !== expected) throw new Error(`${length} bytes came instead of ${expected}`);
      if (ended()) socket.write(request);
      return true;
    };
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, onread: { buffer, callback } });
    return socket;
  });
  const run = (called: () => boolean): void => {
    ended = called;
    for (const socket of sockets) socket.write(request);
  };
  return { name, run, close: async () => sockets.forEach((socket) => void socket.destroy()) };
}

/** CPU microseconds of this process per call. */
function measure(subject: Subject, ms: number): Promise<number> {
  return new Promise((resolve) => {
    const cpu = process.cpuUsage();
    const until = performance.now() + ms;
    let calls = 0;
    let lanes = LANES;
    subject.run(() => {
      calls++;
      if (lanes === LANES && ((calls & 63) !== 0 || performance.now() < until)) return true;
      if (--lanes > 0) return false;
      const { user, system } = process.cpuUsage(cpu);
      resolve((user + system) / calls);
      return false;
    });
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "9" },
      ms: { type: "string", default: "1000" },
      write: { type: "boolean", default: false },
    },
  });
  const server = start(1, process.execPath, [import.meta.filename, "serve"]);
  const port = Number((await firstJson(server)).port);
  const subjects = Object.keys(ANSWERS).flatMap((path) => [
    bareSockets(`bare sockets, ${path.slice(1)}`, port, path),
    throughFlight(`lean, ${path.slice(1)}`, port, path, true),
    throughFlight(`undici, ${path.slice(1)}`, port, path, false),
  ]);
  for (const subject of subjects) await measure(subject, 500);
  const measured = new Map(subjects.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const subject of subjects) measured.get(subject.name)?.push(await measure(subject, Number(values.ms)));
  }
  for (const subject of subjects) await subject.close();
  await server.stop();
  const lines = subjects.map(({ name }) => [name, spread(measured.get(name) ?? [], 1)]);
  const text = `\`node bench/upstream-client.ts --write\`: ${values.rounds} alternating rounds of ${values.ms} ms in one run, Node ${process.version},
${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"}). ${LANES} calls at a time, a JSON answer of ${ANSWER.length} bytes with Content-Length or in
one chunk, from a server in a process of its own that only writes bytes.

${rows([["client", "CPU µs per call"], ...lines])}`;
  process.stdout.write(`${text}\n`);
  if (values.write) await writeSections({ "Client of upstreams": text });
}

if (process.argv[2] === "serve") serveAnswers();
else await main();

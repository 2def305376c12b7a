/**
 * Every knob of the table changes something that can be seen from outside, on each engine. One gateway is a named process with its knobs
 * turned, one beside it is as by default.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect as http2 } from "node:http2";
import { connect } from "node:net";
import { join } from "node:path";
import { connect as tls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { settingKnobs } from "../../contract/knobs.ts";
import { engines } from "../../gateway/engine/index.ts";
import {
  type Certificates,
  freePort,
  type Gateway,
  type GatewayOptions,
  makeCertificates,
  send,
  startGateway,
  temporaryDirectory,
} from "../harness/index.ts";

const ROOT = join(import.meta.dirname, "../..");
const HOST = "127.0.0.2";
const PREFIX = "/behind/proxy";
const BACKENDS: Readonly<Record<string, string>> = {
  fastify: "django_prodserver.backends.gunicorn.GunicornServer",
  bounded: "django_prodserver.backends.granian.GranianASGIServer",
};
/** In the words of the documents. */
const ARGS = {
  address: HOST,
  "keep-alive": "1",
  backlog: "77",
  "http1-buffer-size": 65_536,
  websockets: "False",
  "url-path-prefix": PREFIX,
  threads: "9",
  "log-access": "True",
  "log-level": "info",
};

type Seen = { readonly gateway: Gateway; readonly origin: string; readonly prefix: string };
/** What is seen with the knob turned, and by default. */
type Sight = { readonly see: (seen: Seen) => Promise<unknown>; readonly turned: unknown; readonly plain: unknown };

async function statusOf(
  { origin, gateway }: Seen,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  const method = body === undefined ? "GET" : "POST";
  return (await send(method, `${origin}${path}`, { ...gateway.headers, ...headers }, body)).status;
}

/** How the server answers an offer to speak WebSocket: the status of the first line. */
function upgradeStatus({ origin, prefix, gateway }: Seen): Promise<string> {
  const { hostname, port, host } = new URL(origin);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(
        `GET ${prefix}/ws HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mcp\r\nAuthorization: ${gateway.headers.authorization}\r\n\r\n`,
      ),
    );
    socket.once("data", (bytes) => {
      resolve(bytes.toString("latin1").split(" ")[1] ?? "");
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

/** Resolves when the server ends a connection on which nothing more is asked. */
function ended({ origin, prefix }: Seen): Promise<string> {
  const { hostname, port, host } = new URL(origin);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(`GET ${prefix}/health HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
    );
    socket.resume();
    socket.once("end", () => resolve("ended by the server"));
    socket.once("error", reject);
  });
}

function threadsOf(pid: number): number {
  const names = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/comm`, "utf8"));
  return names.filter((name) => name.trim() === "libuv-worker").length;
}

/** The length of the queue of the listening socket, as the kernel has it. */
function backlogOf({ origin }: Seen): number {
  const { port } = new URL(origin);
  const { stdout } = spawnSync("ss", ["-Hltn", `sport = :${port}`], { encoding: "utf8" });
  return Number(stdout.trim().split(/\s+/)[2]);
}

const hasRequestLines = ({ gateway }: Seen) => gateway.stderr().includes('"event":"request"');

const SIGHTS: Readonly<Record<string, Sight>> = {
  HOST: { see: async ({ origin }) => new URL(origin).hostname, turned: HOST, plain: "127.0.0.1" },
  BACKLOG: { see: async (seen) => backlogOf(seen), turned: 77, plain: 2048 },
  HTTP1_BUFFER_SIZE: {
    // No JSON: where it is read, it is refused for that.
    see: (seen) => statusOf(seen, `${seen.prefix}/rpc`, "x".repeat(100_000), { "content-type": "application/json" }),
    turned: 413,
    plain: 400,
  },
  WEBSOCKETS: { see: async (seen) => (await upgradeStatus(seen)) === "101", turned: false, plain: true },
  URL_PATH_PREFIX: {
    see: (seen) => Promise.all([statusOf(seen, `${PREFIX}/version`), statusOf(seen, "/version")]),
    turned: [200, 404],
    plain: [404, 200],
  },
  BLOCKING_THREADS: { see: async ({ gateway }) => threadsOf(gateway.pid), turned: 9, plain: 4 },
  DISABLE_ACCESS_LOG: { see: async (seen) => hasRequestLines(seen), turned: true, plain: false },
  HTTP_SERVER: { see: engineOf, turned: "as named", plain: "fastify" },
  // Nobody waits a minute for the plain one.
  KEEP_ALIVE_TIMEOUT: {
    see: (seen) => (seen.prefix === "" ? Promise.resolve("not waited for") : ended(seen)),
    turned: "ended by the server",
    plain: "not waited for",
  },
};

/** Shown by tests of their own: the file, and a word that stands in it. */
const ELSEWHERE: Readonly<Record<string, { readonly file: string; readonly word: string }>> = {
  PORT: { file: "test/e2e/knobs.test.ts", word: "listens where it says" },
  HTTP_VERSIONS: { file: "test/e2e/knobs.test.ts", word: "agrees on nothing else" },
  TLS_CERT_FILE: { file: "test/e2e/knobs.test.ts", word: "answers over HTTP/2 with its certificate" },
  TLS_KEY_FILE: { file: "test/e2e/knobs.test.ts", word: "answers over HTTP/2 with its certificate" },
  TLS_CLIENT_CA_FILE: { file: "test/gateway/engine/tls.test.ts", word: "clientCaFile" },
  TLS_CLIENT_CERTIFICATE: { file: "test/gateway/engine/tls.test.ts", word: "required" },
  HTTP1_PIPELINE_FLUSH: { file: "test/gateway/engine/bounded/pipeline-flush.test.ts", word: "pipelineFlush" },
  WORKERS: { file: "test/e2e/worker-knobs.test.ts", word: "GRANIAN_WORKERS" },
  RUNTIME_MODE: { file: "test/e2e/worker-knobs.test.ts", word: "GRANIAN_RUNTIME_MODE" },
  RUNTIME_THREADS: { file: "test/e2e/worker-knobs.test.ts", word: "GRANIAN_RUNTIME_THREADS" },
  DEV_RELOAD: { file: "test/e2e/worker-knobs.test.ts", word: "GRANIAN_DEV_MODE" },
  WORKER_MEMORY: { file: "test/e2e/worker-knobs.test.ts", word: "WORKER_MEMORY" },
  WORKER_TIMEOUT: { file: "test/e2e/workers.test.ts", word: "WORKER_TIMEOUT" },
  WORKER_MAX_REQUESTS: { file: "test/e2e/workers.test.ts", word: "WORKER_MAX_REQUESTS" },
  WORKER_MAX_REQUESTS_JITTER: { file: "test/gateway/worker-options.test.ts", word: "requestsUntilReplaced" },
  WORKER_RESPAWN: { file: "test/e2e/workers.test.ts", word: "WORKER_RESPAWN" },
  PRELOAD: { file: "test/gateway/open-database.test.ts", word: "PRELOAD" },
  LOG_LEVEL: { file: "test/gateway/telemetry/telemetry.test.ts", word: "level" },
  MAX_IN_FLIGHT: { file: "test/e2e/overload.test.ts", word: "MAX_IN_FLIGHT" },
  SHUTDOWN_GRACE: { file: "test/e2e/signals.test.ts", word: "SHUTDOWN_GRACE" },
};

async function engineOf({ gateway, origin, prefix }: Seen): Promise<unknown> {
  const { engine } = (await send("GET", `${origin}${prefix}/version`, gateway.headers)).json();
  return prefix === "" ? engine : "as named";
}

const names = Object.keys(engines);
const turned = new Map<string, Seen>();
let plain: Seen;
let secure: Gateway;
let certificates: Certificates;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  directory = await temporaryDirectory();
  certificates = await makeCertificates();
  const file = join(directory.path, "processes.json");
  const ports = new Map(await Promise.all(names.map(async (engine) => [engine, await freePort()] as const)));
  const web = names.map((engine) => [
    engine,
    { BACKEND: BACKENDS[engine], ARGS: { ...ARGS, port: `${ports.get(engine)}` } },
  ]);
  const { certificate, key } = certificates;
  const ARGS_OF_TLS = { port: 0, "ssl-cert": certificate, "ssl-key": key, http: "2" };
  const processes = { ...Object.fromEntries(web), secure: { BACKEND: BACKENDS.bounded, ARGS: ARGS_OF_TLS } };
  writeFileSync(file, JSON.stringify({ PRODUCTION_PROCESSES: processes }));
  // One after the other: each makes a database, and that is a second of a processor.
  const start = (options: GatewayOptions) => startGateway({ deadlineMs: 120_000, ...options });
  const startNamed = (process: string) => start({ process, env: { PROCESSES_FILE: file } });
  for (const engine of names) {
    const origin = `http://${HOST}:${ports.get(engine)}`;
    turned.set(engine, { gateway: await startNamed(engine), origin, prefix: PREFIX });
  }
  const other = await start({});
  plain = { gateway: other, origin: new URL(other.url).origin, prefix: "" };
  secure = await startNamed("secure");
}, 300_000);
afterAll(async () => {
  const all = [...turned.values(), plain].map((seen) => seen?.gateway);
  await Promise.all([...all, secure].map((gateway) => gateway?.stop()));
  await certificates?.remove();
  await directory?.remove();
});

describe.each(names)("a named process on %s", (engine) => {
  const there = (): Seen => {
    const found = turned.get(engine);
    if (found === undefined) throw new Error(`no gateway on ${engine}`);
    return found;
  };

  it("listens where it says", () => {
    expect(new URL(there().gateway.url).port).toBe(new URL(there().origin).port);
  });

  it.for(Object.entries(SIGHTS))("%s is seen", async ([name, sight], { skip }) => {
    if (name === "BACKLOG" && spawnSync("ss", ["-V"]).status !== 0) skip("no ss");
    expect([await sight.see(there()), await sight.see(plain)]).toEqual([sight.turned, sight.plain]);
  });
});

describe("a named process with TLS and HTTP/2 alone", () => {
  const options = () => ({ ca: readFileSync(certificates.authority) });

  it("answers over HTTP/2 with its certificate", async () => {
    const session = http2(secure.url, options());
    const stream = session.request({ ":path": "/health" });
    const [headers] = await once(stream, "response");
    session.close();
    expect([headers[":status"], new URL(secure.url).protocol]).toEqual([200, "https:"]);
  });

  it("agrees on nothing else", async () => {
    const { hostname, port } = new URL(secure.url);
    const socket = tls({ host: hostname, port: Number(port), ALPNProtocols: ["http/1.1"], ...options() });
    await expect(once(socket, "secureConnect")).rejects.toThrow(/alert no application protocol|ECONNRESET|socket/i);
    socket.destroy();
  });
});

it("every knob is seen here or by the test that is named", () => {
  const shown = [...Object.keys(SIGHTS), ...Object.keys(ELSEWHERE)];
  expect(shown.toSorted()).toEqual(settingKnobs.map(({ setting }) => setting as string).toSorted());
  for (const [setting, { file, word }] of Object.entries(ELSEWHERE))
    expect([setting, readFileSync(join(ROOT, file), "utf8").includes(word)]).toEqual([setting, true]);
});

/**
 * Every knob of the table changes something that can be seen from outside, on each engine. One gateway is a named process with its knobs
 * turned, one beside it is as by default.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engines } from "../../gateway/engine/index.ts";
import { freePort, type Gateway, send, startGateway, temporaryDirectory } from "../harness/index.ts";

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

async function engineOf({ gateway, origin, prefix }: Seen): Promise<unknown> {
  const { engine } = (await send("GET", `${origin}${prefix}/version`, gateway.headers)).json();
  return prefix === "" ? engine : "as named";
}

const names = Object.keys(engines);

describe.each(names)("a named process on %s", (engine) => {
  let turned: Seen;
  let plain: Seen;
  let port: number;
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    port = await freePort();
    const file = join(directory.path, "processes.json");
    const web = { BACKEND: BACKENDS[engine], ARGS: { ...ARGS, port: String(port) } };
    writeFileSync(file, JSON.stringify({ PRODUCTION_PROCESSES: { web } }));
    const [one, other] = await Promise.all([
      startGateway({ process: "web", env: { PROCESSES_FILE: file } }),
      startGateway(),
    ]);
    turned = { gateway: one, origin: `http://${HOST}:${port}`, prefix: PREFIX };
    plain = { gateway: other, origin: new URL(other.url).origin, prefix: "" };
  }, 120_000);
  afterAll(async () => {
    await Promise.all([turned?.gateway.stop(), plain?.gateway.stop()]);
    await directory?.remove();
  });

  it("listens where it says", () => {
    expect(new URL(turned.gateway.url).port).toBe(String(port));
  });

  it.for(Object.entries(SIGHTS))("%s is seen", async ([name, sight], { skip }) => {
    if (name === "BACKLOG" && spawnSync("ss", ["-V"]).status !== 0) skip("no ss");
    expect([await sight.see(turned), await sight.see(plain)]).toEqual([sight.turned, sight.plain]);
  });
});

/** Real PostgreSQL, PgBouncer and Redis: each on a free port of 127.0.0.1 in a directory of its own, stopped with the test. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { chmod, chown, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { connect as connectTls } from "node:tls";
import pg from "pg";
import { mountDisk, unmountDisk } from "./disks.ts";
import { freePort, temporaryDirectory } from "./ports.ts";
import { type Running, run } from "./process.ts";
import { waitFor } from "./wait.ts";

/** `cc`: a compiler of C and its headers. */
export type Program = "postgres" | "pgbouncer" | "redis-server" | "redis-cli" | "openssl" | "nginx" | "cc";

export type Daemon = {
  /** postgres://… or redis://… */
  readonly url: string;
  readonly port: number;
  /** The one that runs now. */
  process(): Running;
  /** Dies without a word, whatever it has not written is lost. PostgreSQL: unlogged tables are empty afterwards. */
  crash(): Promise<void>;
  /** Again after a crash, on the same port; resolves when it answers. */
  start(): Promise<void>;
  /** Resolves when it is gone with its directory. */
  stop(): Promise<void>;
};

/** Debian keeps the server programs of PostgreSQL out of PATH. */
const DEBIAN_POSTGRES = "/usr/lib/postgresql";

/** The program's path, or undefined when it is not installed. */
function findProgram(name: string): string | undefined {
  const versions = existsSync(DEBIAN_POSTGRES) ? readdirSync(DEBIAN_POSTGRES) : [];
  const newestFirst = versions.sort((a, b) => Number(b) - Number(a)).map((one) => join(DEBIAN_POSTGRES, one, "bin"));
  const folders = [...(process.env.PATH ?? "").split(delimiter), ...newestFirst, "/usr/sbin", "/usr/local/bin"];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Why tests that need these programs are skipped; undefined when all are there. Throws instead where REQUIRE_SERVERS=1. */
export function missing(...programs: readonly Program[]): string | undefined {
  const absent = programs.filter((program) => findProgram(program) === undefined);
  if (absent.length === 0) return undefined;
  const reason = `not installed: ${absent.join(", ")}`;
  if (process.env.REQUIRE_SERVERS === "1") throw new Error(`${reason} (REQUIRE_SERVERS=1)`);
  return reason;
}

/** A title that says why the tests below it are skipped. */
export function titled(title: string, reason: string | undefined): string {
  return reason === undefined ? title : `${title} (skipped, ${reason})`;
}

/** The program's path. Throws when it is not installed. */
export function installed(name: Program): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}

/** As root PostgreSQL and PgBouncer refuse to run: then they run as the user that the package of PostgreSQL made. */
function serverUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

type Recipe = {
  readonly url: string;
  readonly port: number;
  launch(): Running;
  answers(): Promise<boolean>;
  readonly crashSignal: NodeJS.Signals;
  /** Ends it although clients are connected. */
  readonly stopSignal: NodeJS.Signals;
  remove(): Promise<void>;
};

async function daemon({ url, port, launch, answers, crashSignal, stopSignal, remove }: Recipe): Promise<Daemon> {
  let running: Running;
  async function start(): Promise<void> {
    running = launch();
    let ended: number | string | undefined;
    void running.exited.then((code) => {
      ended = code;
    });
    const up = await waitFor(async () => ended !== undefined || (await answers()), 60_000, `an answer at ${url}`).then(
      () => ended === undefined,
      () => false,
    );
    if (up) return;
    await running.stop(0);
    throw new Error(`nothing answers at ${url}: ended with ${ended}\n${running.stderr()}${running.stdout()}`);
  }
  async function end(signal: NodeJS.Signals): Promise<void> {
    running.kill(signal);
    const timer = setTimeout(() => running.kill("SIGKILL"), 10_000);
    await running.exited;
    clearTimeout(timer);
  }
  await start().catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  return {
    url,
    port,
    process: () => running,
    crash: () => end(crashSignal),
    start,
    async stop() {
      await end(stopSignal);
      await remove();
    },
  };
}

/** A listening socket is not enough: a server that starts or recovers listens already and refuses (57P03). */
async function answersQueries(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("select 1");
    return true;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** `disk`: the size of a file system of its own, in memory (`200m`); see noDisks(). */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
  disk?: string,
): Promise<Daemon & { readonly directory: string }> {
  const program = installed("postgres");
  const directory = await temporaryDirectory();
  if (disk !== undefined) mountDisk(directory.path, disk);
  const user = serverUser();
  if (user !== undefined) await chown(directory.path, user.uid, user.gid);
  await chmod(directory.path, 0o700);
  const data = join(directory.path, "data");
  const as = { ...user, cwd: directory.path, env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" } };
  const flags = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"];
  const initdb = run(join(program, "../initdb"), ["-D", data, ...flags], as);
  if ((await initdb.exited) !== 0) throw new Error(`initdb: ${initdb.stderr()}`);
  const port = await freePort();
  const options = { listen_addresses: "127.0.0.1", unix_socket_directories: "", fsync: "off", ...settings };
  const given = Object.entries(options).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  const started = await daemon({
    url,
    port,
    launch: () => run(program, ["-D", data, "-p", String(port), ...given], as),
    answers: () => answersQueries(url),
    crashSignal: "SIGQUIT",
    stopSignal: "SIGINT",
    async remove() {
      if (disk !== undefined) unmountDisk(directory.path);
      await directory.remove();
    },
  });
  return { ...started, directory: directory.path };
}

/** In transaction mode with few server connections, so that statements change connections all the time. */
export async function startPgBouncer(postgresPort: number): Promise<Daemon> {
  const directory = await temporaryDirectory();
  const port = await freePort();
  const file = join(directory.path, "pgbouncer.ini");
  const lines = [
    "[databases]",
    `postgres = host=127.0.0.1 port=${postgresPort} user=postgres`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = any",
    "pool_mode = transaction",
    "default_pool_size = 3",
    "server_round_robin = 1",
  ];
  await writeFile(file, lines.join("\n"));
  await chmod(directory.path, 0o755);
  const as = { ...serverUser(), cwd: directory.path, env: { PATH: process.env.PATH } };
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  return daemon({
    url,
    port,
    launch: () => run(installed("pgbouncer"), [file], as),
    answers: () => answersQueries(url),
    crashSignal: "SIGKILL",
    stopSignal: "SIGKILL",
    remove: directory.remove,
  });
}

/**
 * Keeps nothing on disk: after a crash it is empty. `directives` are further lines of redis.conf; with `tls-port` among them it speaks
 * TLS alone.
 */
export async function startRedis(
  directives: (port: number) => readonly string[] = (port) => [`port ${port}`],
  mode: "server" | "sentinel" = "server",
): Promise<Daemon> {
  const directory = await temporaryDirectory();
  const port = await freePort();
  const lines = directives(port);
  const file = join(directory.path, "redis.conf");
  const own = mode === "server" ? ['save ""', "appendonly no"] : [];
  await writeFile(file, ["bind 127.0.0.1", `dir ${directory.path}`, ...own, ...lines, ""].join("\n"));
  const isTls = lines.includes(`tls-port ${port}`);
  return daemon({
    url: `${isTls ? "rediss" : "redis"}://127.0.0.1:${port}/0`,
    port,
    launch: () => run(installed("redis-server"), [file, ...(mode === "sentinel" ? ["--sentinel"] : [])], {}),
    answers: () => answersPing(port, isTls ? "tls" : "plain"),
    crashSignal: "SIGKILL",
    stopSignal: "SIGKILL",
    remove: directory.remove,
  });
}

/** Also when it wants a password first. */
function answersPing(port: number, transport: "plain" | "tls"): Promise<boolean> {
  return new Promise((resolve) => {
    const ping = (): void => void socket.write("PING\r\n");
    const socket =
      transport === "tls"
        ? connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false }, ping)
        : connect(port, "127.0.0.1", ping);
    socket.setTimeout(2000, () => socket.destroy());
    socket.once("data", (bytes) => {
      resolve(/^(?:\+PONG|-NOAUTH)/.test(bytes.toString()));
      socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.once("close", () => resolve(false));
  });
}

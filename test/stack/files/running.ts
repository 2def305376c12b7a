/** A daemon with rendered files in a directory of its own, as an ordinary user, stopped with the test. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installed, type Program, type Running, run, temporaryDirectory, waitFor } from "../../harness/index.ts";

/** Where Debian and the images of nginx keep it. */
export const JS_MODULE = "/usr/lib/nginx/modules/ngx_http_js_module.so";

type User = { readonly uid: number; readonly gid: number };

/** Nothing here runs as root: where the tests do, their daemons are nobody's. */
export function daemonUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** Why tests of the credential's digest are skipped. Throws instead where REQUIRE_SERVERS=1. */
export function missingJsModule(): string | undefined {
  if (existsSync(JS_MODULE)) return undefined;
  const reason = `not installed: ${JS_MODULE}`;
  if (process.env.REQUIRE_SERVERS === "1") throw new Error(`${reason} (REQUIRE_SERVERS=1)`);
  return reason;
}

export type Site = {
  readonly path: string;
  /** Writes it below the directory; returns its path. */
  write(name: string, text: string): Promise<string>;
  makeDirectory(name: string): Promise<string>;
  remove(): Promise<void>;
};

/** A directory that belongs to whom the daemons run as. */
export async function makeSite(): Promise<Site> {
  const { path, remove } = await temporaryDirectory();
  const user = daemonUser();
  const own = async (one: string, mode: number): Promise<string> => {
    if (user !== undefined) await chown(one, user.uid, user.gid);
    await chmod(one, mode);
    return one;
  };
  await own(path, 0o700);
  return {
    path,
    remove,
    async write(name, text) {
      await writeFile(join(path, name), text);
      return own(join(path, name), 0o600);
    },
    async makeDirectory(name) {
      await mkdir(join(path, name));
      return own(join(path, name), 0o700);
    },
  };
}

type Command = {
  readonly program: Program;
  readonly args: readonly string[];
  readonly site: Site;
  /** Soft limit of descriptors that it is started with; what it inherits when left out. */
  readonly nofile?: number;
  /** Resolves true once it serves. */
  isUp(running: Running): boolean | Promise<boolean>;
};

/** Runs it in the foreground until it is up. Throws with all it said when it ends before. */
export async function start({ program, args, site, nofile, isUp }: Command): Promise<Running> {
  const limited = nofile === undefined ? [] : ["prlimit", `--nofile=${nofile}:${nofile}`];
  const [command = "", ...rest] = [...limited, installed(program), ...args];
  const running = run(command, rest, {
    ...daemonUser(),
    cwd: site.path,
    env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" },
  });
  let ended: number | string | undefined;
  void running.exited.then((code) => {
    ended = code;
  });
  const failure = await waitFor(async () => ended !== undefined || (await isUp(running)), 60_000, `${program} up`).then(
    () => (ended === undefined ? undefined : `ended with ${ended}`),
    (error: Error) => `${error.message}: ${error.cause}`,
  );
  if (failure === undefined) return running;
  await running.stop(0);
  throw new Error(`${program}: ${failure}\n${running.stderr()}${running.stdout()}`);
}

/** Ends it whatever is connected. */
export async function end(running: Running | undefined, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  if (running === undefined) return;
  running.kill(signal);
  const timer = setTimeout(() => running.kill("SIGKILL"), 10_000);
  await running.exited.finally(() => clearTimeout(timer));
}

/** What it printed at a try that ends by itself, and its exit code. */
export function attempt(program: Program, args: readonly string[], site: Site): { readonly text: string } {
  const options = { ...daemonUser(), cwd: site.path, encoding: "utf8" as const, stdio: "pipe" as const };
  return { text: execFileSync("sh", ["-c", 'exec "$0" "$@" 2>&1', installed(program), ...args], options) };
}

/** The soft limit of descriptors that the kernel holds a process to. */
export function descriptorLimit(pid: number): number {
  return Number(/^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1]);
}

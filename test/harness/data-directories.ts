/**
 * Data directories as a gateway's first start leaves them: a database of the newest schema with nothing in it. Making one takes five
 * seconds of CPU time, so a run of the suite makes one and copies it. What a first start itself does is tested on an empty directory.
 */
import { execFile } from "node:child_process";
import { access, chmod, mkdir, mkdtemp, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { isTaken, RUN_VARIABLE, temporaryDirectory } from "./ports.ts";
import { waitFor } from "./wait.ts";

const execute = promisify(execFile);
const MAKER = join(import.meta.dirname, "make-data.ts");
const PATIENCE_MS = 120_000;
/** As `mkdtemp` ends them. */
const RUN_NAME = /^mcps-(\d+)-\w{6}$/;

/** What ends with this process: none where another one made the directory that both use. */
let own: string | undefined;

/**
 * `globalSetup` of Vitest: a directory for the run, which ends with it, and with all that tests leave in the directory for temporary
 * files. Short, as Unix sockets stand in it (sun_path: 107 bytes), and named after the process, so that a later run knows whose it was.
 */
export async function setup(): Promise<void> {
  if (process.env[RUN_VARIABLE] !== undefined) return;
  await removeLeft(tmpdir());
  own = await mkdtemp(join(tmpdir(), `mcps-${process.pid}-`));
  // Servers that run as other users have directories of their own in it.
  await chmod(own, 0o711);
  process.env[RUN_VARIABLE] = own;
  process.env.TMPDIR = own;
  process.env.NODE_COMPILE_CACHE ??= join(own, "compiled");
  await mkdir(process.env.NODE_COMPILE_CACHE, { recursive: true, mode: 0o700 });
}

export async function teardown(): Promise<void> {
  if (own !== undefined) await removeRun(own);
}

/** Directories of runs whose process is gone: it was killed before its end. */
export async function removeLeft(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = RUN_NAME.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await removeRun(join(directory, name));
  }
}

/** As far as it can be: what a container wrote, or another user, is no fault of the tests. */
async function removeRun(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5 }).catch((error: unknown) => {
    process.stderr.write(`${path} could not be removed: ${error}\n`);
  });
}

/** Also where it is another user's (kill(2): EPERM). */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/**
 * For the environment of a process of Node: it finds the program compiled by those before it, which is half of the CPU time of a
 * start. Empty outside of a run.
 */
export function compiled(): Readonly<Record<string, string>> {
  const directory = process.env.NODE_COMPILE_CACHE;
  return directory === undefined ? {} : { NODE_COMPILE_CACHE: directory };
}

/**
 * A temporary directory with the content that a first start makes; the compiled program in it is shared by the whole run.
 * `database: false`: without the embedded database, for a gateway that has another.
 */
export async function dataDirectory({ database = true } = {}): Promise<{
  readonly path: string;
  remove(): Promise<void>;
}> {
  const directory = await temporaryDirectory();
  const run = process.env[RUN_VARIABLE];
  const cache = compiled().NODE_COMPILE_CACHE;
  if (run !== undefined && cache !== undefined) {
    if (database) await execute("cp", ["-a", join(await made(run), "database"), directory.path]);
    await mkdir(join(directory.path, "cache"), { mode: 0o700 });
    await symlink(cache, join(directory.path, "cache", "compiled"));
  }
  return directory;
}

/** Who comes first makes it and the others wait; where its maker fails or is killed, the next one of them is the maker. */
async function made(run: string): Promise<string> {
  const done = join(run, "data");
  const maker = join(run, "data.maker");
  for (;;) {
    if (await isThere(done)) return done;
    if (await isFirst(maker)) {
      try {
        await make(run, done);
      } finally {
        await rm(maker, { force: true });
      }
      continue;
    }
    const isOver = async () => (await isThere(done)) || !(await isAtWork(maker));
    await waitFor(isOver, PATIENCE_MS, `${done}, made by another test file,`);
    if (!(await isAtWork(maker))) await rm(maker, { force: true });
  }
}

/** Takes the place of the maker: a link to nothing but its process id. */
async function isFirst(maker: string): Promise<boolean> {
  try {
    await symlink(String(process.pid), maker);
    return true;
  } catch (error) {
    if (isTaken(error)) return false;
    throw error;
  }
}

function isAtWork(maker: string): Promise<boolean> {
  return readlink(maker).then(
    (pid) => isAlive(Number(pid)),
    () => false,
  );
}

async function make(run: string, done: string): Promise<void> {
  const draft = await mkdtemp(join(run, "data-"));
  await execute(process.execPath, [MAKER, draft], { env: compiled() });
  await rename(draft, done).catch(async (error: unknown) => {
    if (!(await isThere(done))) throw error;
  });
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

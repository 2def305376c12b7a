/**
 * Data directories as a gateway's first start leaves them: a database of the newest schema with nothing in it. Making one takes five
 * seconds of CPU time, so a run of the suite makes one and copies it. What a first start itself does is tested on an empty directory.
 */
import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { RUN_VARIABLE, temporaryDirectory } from "./ports.ts";
import { waitFor } from "./wait.ts";

const execute = promisify(execFile);
const MAKER = join(import.meta.dirname, "make-data.ts");
const PATIENCE_MS = 120_000;

/** `globalSetup` of Vitest: a directory for the run, which ends with it. */
export async function setup(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "mcp-stack-run-"));
  process.env[RUN_VARIABLE] = directory;
  process.env.NODE_COMPILE_CACHE ??= join(directory, "compiled");
  await mkdir(process.env.NODE_COMPILE_CACHE, { recursive: true, mode: 0o700 });
}

export async function teardown(): Promise<void> {
  const directory = process.env[RUN_VARIABLE];
  if (directory !== undefined) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
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

/** Who comes first makes it, the others wait for its place to be taken. */
async function made(run: string): Promise<string> {
  const done = join(run, "data");
  const draft = join(run, "data.new");
  if (await isThere(done)) return done;
  const isFirst = await mkdir(draft).then(
    () => true,
    () => false,
  );
  if (!isFirst) {
    await waitFor(() => isThere(done), PATIENCE_MS, `${done}, made by another test file,`);
    return done;
  }
  try {
    await execute(process.execPath, [MAKER, draft], { env: compiled() });
    await rename(draft, done);
    return done;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Data directories as a gateway's first start leaves them: a database of the newest schema with nothing in it. Making one takes five
 * seconds of CPU time, so a run of the suite makes one and copies it. What a first start itself does is tested on an empty directory.
 */
import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { temporaryDirectory } from "./ports.ts";
import { waitFor } from "./wait.ts";

const execute = promisify(execFile);
const MAKER = join(import.meta.dirname, "make-data.ts");
/** Where the files of this run of the suite find what one of them has made. */
const VARIABLE = "TEST_RUN_DIRECTORY";
const PATIENCE_MS = 120_000;

/** `globalSetup` of Vitest: a directory for the run, which ends with it. */
export async function setup(): Promise<void> {
  process.env[VARIABLE] = await mkdtemp(join(tmpdir(), "mcp-stack-run-"));
}

export async function teardown(): Promise<void> {
  const directory = process.env[VARIABLE];
  if (directory !== undefined) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** A temporary directory with the content that a first start makes; the compiled program in it is shared by the whole run. */
export async function dataDirectory(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const directory = await temporaryDirectory();
  const run = process.env[VARIABLE];
  if (run !== undefined) {
    await execute("cp", ["-a", join(await made(run), "database"), directory.path]);
    await mkdir(join(directory.path, "cache"), { mode: 0o700 });
    await symlink(join(run, "compiled"), join(directory.path, "cache", "compiled"));
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
    await mkdir(join(run, "compiled"), { recursive: true, mode: 0o700 });
    await execute(process.execPath, [MAKER, draft], { env: { NODE_COMPILE_CACHE: join(run, "compiled") } });
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

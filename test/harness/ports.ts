/** Ports and temporary directories. */
import { randomInt } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Names the directory in which the files of one run of the suite find what one of them has made. */
export const RUN_VARIABLE = "TEST_RUN_DIRECTORY";

/**
 * A port that was free a moment ago; only for programs that cannot take port 0 themselves. From below the ports that Linux gives
 * to outgoing connections (32768 and up), of which one could take it before the program does.
 */
export function freePort(): Promise<number> {
  return freeNeighbours(1);
}

/** The first of so many ports in a row, each as `freePort` gives it. */
export async function freeNeighbours(count: number): Promise<number> {
  for (;;) {
    const first = randomInt(10_000, 32_768 - count + 1);
    const row = Array.from({ length: count }, (_, at) => first + at);
    const usable = await Promise.all(row.map(async (port) => (await isOurs(port)) && (await isFree(port))));
    if (usable.every((one) => one)) return first;
  }
}

const given = new Set<number>();

/** Each is given once in a run of the suite, whichever file asks (data-directories.ts). */
async function isOurs(port: number): Promise<boolean> {
  if (given.has(port)) return false;
  given.add(port);
  const run = process.env[RUN_VARIABLE];
  if (run === undefined) return true;
  try {
    await writeFile(join(run, `port-${port}`), "", { flag: "wx" });
    return true;
  } catch (error) {
    if (isTaken(error)) return false;
    throw error;
  }
}

/** What was to be made is there already: somebody else was first. */
export function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

export async function temporaryDirectory(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "mcp-stack-test-"));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/**
 * One process per data directory. The lock file holds the pid and, where the system tells it, when that process began, so that a
 * lock left by a killed process (or by another one with its number since) does not keep the next from starting.
 */
import { open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fault } from "../../../contract/errors.ts";

const NAME = "database.lock";

/** Field 22 of /proc/<pid>/stat: start time in ticks since boot. Undefined where there is no /proc or no such process. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

async function isAlive(pid: number, start: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    if (!(error instanceof Error) || !("code" in error) || error.code !== "EPERM") return false;
  }
  const now = await startOf(pid);
  return start === "" || now === undefined || now === start;
}

/** Throws MCPS_DATA_DIR when a living process has the directory. Answers how to let go of it. */
export async function lockDataDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, NAME);
  const text = `${process.pid} ${(await startOf(process.pid)) ?? ""}\n`;
  for (let tries = 0; tries < 5; tries++) {
    try {
      const file = await open(path, "wx", 0o600);
      await file.writeFile(text);
      await file.close();
      return async () => {
        if ((await readFile(path, "utf8").catch(() => "")) === text) await rm(path, { force: true });
      };
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || error.code !== "EEXIST") throw error;
    }
    const former = await readFile(path, "utf8").catch(() => "");
    const [pid = "", start = ""] = former.trim().split(" ");
    if (/^\d+$/.test(pid) && (await isAlive(Number(pid), start))) {
      throw fault("MCPS_DATA_DIR", { path: directory, reason: `process ${pid} uses its database already` });
    }
    await breakLock(path, former);
  }
  throw fault("MCPS_DATA_DIR", { path: directory, reason: `its lock file ${NAME} changes all the time` });
}

/** Moved aside before it is removed: of two processes that break the same lock, one moves it. */
async function breakLock(path: string, former: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
    const moved = await readFile(aside, "utf8");
    // Somebody else had broken it and locked anew between our reading and our moving.
    if (moved !== former) await writeFile(path, moved, { flag: "wx", mode: 0o600 }).catch(() => undefined);
    await rm(aside, { force: true });
  } catch {
    // Another process was faster; the next try shows who has it.
  }
}

/** What the harness itself leaves behind: nothing, and nobody who waits for somebody that is gone. */
import { spawnSync } from "node:child_process";
import { mkdir, readdir, readlink, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { closeAll, closing } from "./closing.ts";
import { compiled, dataDirectory, removeLeft } from "./data-directories.ts";
import { RUN_VARIABLE, temporaryDirectory } from "./ports.ts";

const closers = closing();
/** Of a process that has ended. */
const gone = spawnSync(process.execPath, ["--version"]).pid;

async function directory(): Promise<string> {
  const { path, remove } = await temporaryDirectory();
  closers.push(remove);
  return path;
}

describe("a run of the suite", () => {
  it("has its directory for temporary files, short enough for the sockets in it", () => {
    expect(process.env[RUN_VARIABLE]).toBe(tmpdir());
    expect(basename(tmpdir())).toMatch(/^mcps-\d+-\w{6}$/);
    expect(Buffer.byteLength(basename(tmpdir()))).toBeLessThanOrEqual("mcps-4194304-abcdef".length);
  });

  it("removes those of runs that are gone, and nothing else", async () => {
    const path = await directory();
    const alive = `mcps-${process.pid}-abcdef`;
    for (const name of [`mcps-${gone}-abcdef/data`, alive, "mcps-1-", `other-${gone}-abcdef`])
      await mkdir(join(path, name), { recursive: true });
    await removeLeft(path);
    expect((await readdir(path)).toSorted()).toEqual([alive, "mcps-1-", `other-${gone}-abcdef`].toSorted());
  });
});

describe("the data directory that a run makes once", () => {
  it("is made by one of those who wait where its maker was killed", async () => {
    const run = await directory();
    await symlink(String(gone), join(run, "data.maker"));
    vi.stubEnv(RUN_VARIABLE, run);
    closers.push(() => vi.unstubAllEnvs());
    const copies = await Promise.all([dataDirectory(), dataDirectory()]);
    for (const { path, remove } of copies) {
      closers.push(remove);
      expect((await readdir(path)).toSorted()).toEqual(["cache", "database"]);
      expect(await readlink(join(path, "cache/compiled"))).toBe(compiled().NODE_COMPILE_CACHE);
    }
    expect(await readdir(run)).toContain("data");
    expect(await readdir(run)).not.toContain("data.maker");
  });

  it("is no secret where it cannot be made", async () => {
    vi.stubEnv(RUN_VARIABLE, join(await directory(), "none"));
    closers.push(() => vi.unstubAllEnvs());
    await expect(dataDirectory()).rejects.toThrow("ENOENT");
  });
});

describe("what a test has opened", () => {
  it("is closed, the last first, although one of them cannot be", async () => {
    const closed: number[] = [];
    const close = (at: number) => () => {
      closed.push(at);
      if (at < 3) throw new Error(`${at} cannot be closed`);
    };
    await expect(closeAll([1, 2, 3].map(close))).rejects.toThrow("2 cannot be closed");
    expect(closed).toEqual([3, 2, 1]);
  });
});

/** What keeps a gateway from starting: exit code 1, one clear reason on stderr, nothing on stdout, nothing left running. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  dataDirectory,
  endedStart,
  freePort,
  mountDisk,
  noDisks,
  startGateway,
  titled,
  unmountDisk,
} from "../harness/index.ts";

const noMount = noDisks();
const isRoot = process.getuid?.() === 0;

describe("a gateway does not start", () => {
  let directory: Awaited<ReturnType<typeof dataDirectory>>;
  beforeEach(async () => {
    directory = await dataDirectory();
  });
  afterEach(() => directory.remove());

  it("on a port that is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as AddressInfo;
    const ended = await endedStart({ DATA_DIR: directory.path }, ["--port", String(port)]);
    other.close();
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toContain(
      `MCPS_PORT_TAKEN: 127.0.0.1:${port} is in use by another process (HOST, PORT; --port 0 takes a free one)`,
    );
  });

  it("with bad settings, all of which it names", async () => {
    const ended = await endedStart({ DATA_DIR: directory.path, MAX_IN_FLIGHT: "-1", LOG_LEVEL: "loud", PORT: "http" });
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toContain("MCPS_SETTINGS: 3 setting(s) cannot be used");
    for (const name of ["MAX_IN_FLIGHT", "LOG_LEVEL", "PORT"]) expect(ended.stderr).toContain(name);
  });

  it("when its data directory cannot be made", async () => {
    await writeFile(join(directory.path, "file"), "");
    const path = join(directory.path, "file", "data");
    const ended = await endedStart({ DATA_DIR: path }, ["--port", "0"]);
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toContain(`MCPS_DATA_DIR: The data directory ${path} cannot be used: ENOTDIR`);
  });

  it.skipIf(isRoot)("when its data directory is not writable (skipped as root, who may write everywhere)", async () => {
    const path = join(directory.path, "data");
    await mkdir(path);
    await chmod(path, 0o500);
    const ended = await endedStart({ DATA_DIR: path }, ["--port", "0"]);
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toContain(`MCPS_DATA_DIR: The data directory ${path} cannot be used: EACCES`);
  });

  it("on the embedded database of another gateway, which goes on", async () => {
    // Which it has made itself, in an empty directory.
    const path = join(directory.path, "empty");
    const first = await startGateway({ dataDir: path });
    try {
      const ended = await endedStart({ DATA_DIR: path }, ["--port", "0"]);
      expect(ended).toMatchObject({ code: 1, stdout: "" });
      expect(ended.stderr).toMatch(
        new RegExp(`MCPS_DATA_DIR: The data directory ${path}\\S* cannot be used: process \\d+ uses its database`),
      );
      expect((await fetch(`${first.url}/ready`)).status).toBe(200);
    } finally {
      await first.stop();
    }
  });

  it("without its database, after the time it may take to start", async () => {
    const port = await freePort();
    const env = {
      DATA_DIR: directory.path,
      DATABASE_URL: `postgres://u:hidden@127.0.0.1:${port}/db`,
      STARTUP_TIMEOUT: "1",
    };
    const ended = await endedStart(env, ["--port", "0"]);
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toMatch(
      new RegExp(
        `MCPS_DATABASE: The database does not answer: .*ECONNREFUSED.* at 127\\.0\\.0\\.1:${port}, \\d+ tries in 1 s`,
      ),
    );
    expect(ended.stderr).not.toContain("hidden");
  });

  it.skipIf(noMount !== undefined)(titled("on a disk that is full", noMount), async () => {
    mountDisk(directory.path, "1m");
    try {
      const ended = await endedStart({ DATA_DIR: directory.path }, ["--port", "0"]);
      expect(ended).toMatchObject({ code: 1, stdout: "" });
      expect(ended.stderr).toMatch(
        /MCPS_DATA_DIR: The data directory \S+ cannot be used: .*(ENOSPC|No space left|disk is full)/i,
      );
    } finally {
      unmountDisk(directory.path);
    }
  });
});

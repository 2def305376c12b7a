import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  findPrograms,
  type Programs,
  requirePrograms,
  searchPath,
  versionIn,
} from "../../../../infra/targets/local/programs.ts";
import { temporaryDirectory } from "../../../harness/index.ts";
import { service, topology } from "./workloads.ts";

describe("versions as daemons say them", () => {
  it.for([
    ["nginx version: nginx/1.22.1\n", "1.22.1"],
    ["nginx version: nginx/1.28.0 (Ubuntu)\n", "1.28.0"],
    ["PgBouncer 1.18.0\nlibevent 2.1.12-stable\n", "1.18.0"],
    ["postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", "15.18"],
    ["Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64\n", "7.0.15"],
  ] as const)("%s", ([text, version]) => {
    expect(versionIn("/usr/sbin/one", text)).toBe(version);
  });

  it("another text is refused with the program's path", () => {
    expect(() => versionIn("/opt/nginx", "a joke")).toThrow('/opt/nginx does not say its version, but "a joke"');
  });
});

describe("what is installed", () => {
  let directory: { readonly path: string; remove(): Promise<void> };
  beforeEach(async () => {
    directory = await temporaryDirectory();
  });
  afterEach(() => directory.remove());

  it("is found on PATH first, and asked for its version", async () => {
    const file = join(directory.path, "redis-server");
    await writeFile(file, "#!/bin/sh\necho 'Redis server v=9.9.9 sha=0'\n");
    await chmod(file, 0o755);
    const { redis, directories } = await findPrograms(directory.path);
    expect(redis).toEqual({ path: file, version: "9.9.9" });
    expect(directories[0]).toBe(directory.path);
  });

  it("is looked for where Debian keeps it too", () => {
    expect(searchPath("/a::/b")).toEqual(expect.arrayContaining(["/a", "/b", "/usr/sbin"]));
    expect(searchPath("/a::/b").slice(0, 2)).toEqual(["/a", "/b"]);
  });
});

it("what is missing is named with the packages that bring it, and only what the topology needs", () => {
  const none: Programs = { nginx: null, pgbouncer: null, postgres: null, redis: null, directories: [] };
  const { workloads } = topology(service("/d", "redis", ""), service("/d", "nginx", "", { tier: "nginx" }));
  expect(() => requirePrograms(none, workloads)).toThrow(
    "not installed here: nginx, redis-server; on Debian: apt install nginx redis-server",
  );
  const some = { ...none, redis: { path: "/r", version: "7.0" } };
  expect(() => requirePrograms(some, workloads.slice(0, 1))).not.toThrow();
});

/** What the target writes: directories, files with secrets, logs, states. */
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { layFiles, layVolumes, makeDataDirectory, requirePassage } from "../../../../infra/targets/local/layout.ts";
import { followLogs, lastLines, logFile, rotateLog } from "../../../../infra/targets/local/logs.ts";
import { readState, stateFile } from "../../../../infra/targets/local/state.ts";
import { closedOnTheWay, userOf, usersOf } from "../../../../infra/targets/local/users.ts";
import { secretMarker } from "../../../../infra/topology/index.ts";
import { temporaryDirectory, waitFor } from "../../../harness/index.ts";
import { service } from "./workloads.ts";

let data: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  const directory = await temporaryDirectory();
  data = join(directory.path, "data");
  remove = directory.remove;
  makeDataDirectory(data);
});
afterEach(() => remove());

describe("files", () => {
  const file = (path: string, text: string, isSecret: boolean) => ({ path, text, isSecret, isReread: false });

  it("secrets are put in last, into files of their reader alone", () => {
    const workload = service(data, "one", "", {
      files: [
        file(join(data, "one/config/plain"), "plain", false),
        file(join(data, "one/secrets/password"), `p=${secretMarker("db")}`, true),
      ],
    });
    layFiles(workload, { data, secrets: { db: "s3cret" } }, undefined);
    expect(readFileSync(join(data, "one/secrets/password"), "utf8")).toBe("p=s3cret");
    expect(["one/config/plain", "one/secrets/password"].map((path) => statSync(join(data, path)).mode & 0o777)).toEqual(
      [0o644, 0o600],
    );
    expect(statSync(join(data, "one/secrets")).mode & 0o777).toBe(0o700);
    expect(statSync(join(data, "one")).mode & 0o777).toBe(0o711);
  });

  it("a secret without a value is told by name", () => {
    const workload = service(data, "one", "", { files: [file(join(data, "one/secrets/x"), secretMarker("db"), true)] });
    expect(() => layFiles(workload, { data, secrets: {} }, undefined)).toThrow("secret db has no value");
  });

  it.for(["/etc/passwd", "../beside", "."])("%s is not inside the data directory, and not touched", (path) => {
    const outside = join(data, path.startsWith("/") ? `../..${path}` : path);
    const workload = service(data, "one", "", { files: [file(outside, "x", false)] });
    expect(() => layFiles(workload, { data, secrets: {} }, undefined)).toThrow(/is not inside the data directory/);
  });
});

describe("volumes", () => {
  it("what is scratch is empty at every start, what is kept stays", () => {
    const workload = service(data, "one", "", {
      volumes: [
        { kind: "kept", name: "data", path: join(data, "one/data"), sizeGiB: 1 },
        { kind: "scratch", name: "run", path: join(data, "one/run"), sizeMiB: 1, medium: "disk" },
      ],
    });
    const disk = { data, secrets: {} };
    layVolumes(workload, disk, undefined);
    writeFileSync(join(data, "one/data/kept"), "");
    mkdirSync(join(data, "one/run/deep"));
    writeFileSync(join(data, "one/run/deep/lost"), "");
    layVolumes(workload, disk, undefined);
    expect([existsSync(join(data, "one/data/kept")), existsSync(join(data, "one/run/deep"))]).toEqual([true, false]);
  });

  it("emptying does not follow links out of it", () => {
    const elsewhere = join(data, "elsewhere");
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "precious"), "");
    const path = join(data, "one/run");
    const workload = service(data, "one", "", {
      volumes: [{ kind: "scratch", name: "run", path, sizeMiB: 1, medium: "disk" }],
    });
    layVolumes(workload, { data, secrets: {} }, undefined);
    symlinkSync(elsewhere, join(path, "link"));
    layVolumes(workload, { data, secrets: {} }, undefined);
    expect([existsSync(join(path, "link")), existsSync(join(elsewhere, "precious"))]).toEqual([false, true]);
  });
});

describe("users", () => {
  const known = usersOf(
    "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\npostgres:x:101:104::/:/bin/sh\n# no line\n",
  );

  it("root's processes run as the tier's own user, or as nobody; anybody else's as themselves", () => {
    expect(userOf("postgres", 0, known)).toEqual({ name: "postgres", uid: 101, gid: 104 });
    expect(userOf("redis", 0, known)).toEqual({ name: "nobody", uid: 65534, gid: 65534 });
    expect(userOf("postgres", 1000, known)).toBeUndefined();
  });

  it("a machine without any of them is told", () => {
    expect(() => userOf("nginx", 0, () => undefined)).toThrow(
      "nginx does not run as root, and this machine has no user www-data or nginx or nobody",
    );
  });

  it("a directory on the way that they may not enter is told with what helps", () => {
    const closed = join(data, "closed");
    mkdirSync(join(closed, "deep"), { recursive: true });
    const stranger = { name: "nobody", uid: 65534, gid: 65534 };
    mkdirSync(closed, { recursive: true, mode: 0o700 });
    expect(closedOnTheWay("/usr/bin", stranger)).toBeUndefined();
    // The test's own directory is its user's alone.
    expect(() => requirePassage(join(closed, "deep"), [stranger])).toThrow(
      /^user nobody, whom processes of the stack run as, may not enter \/.*: choose another directory with --data-dir, such as \/var\/lib\/mcp-stack$/,
    );
  });
});

describe("logs", () => {
  it("a file at its limit starts again, and keeps what it had beside it", () => {
    const file = logFile(join(data, "logs"), "one");
    writeFileSync(file, "0123456789");
    expect(rotateLog(file, 11)).toBe(false);
    expect(rotateLog(file, 10)).toBe(true);
    expect([readFileSync(file, "utf8"), readFileSync(`${file}.1`, "utf8")]).toEqual(["", "0123456789"]);
  });

  it("last lines are whole ones, from a place on", () => {
    const file = logFile(join(data, "logs"), "one");
    writeFileSync(file, "before\none\n\ntwo\nthree\n");
    expect(lastLines(file, 2)).toEqual(["two", "three"]);
    expect(lastLines(file, 9, "before\n".length)).toEqual(["one", "two", "three"]);
    expect(lastLines(join(data, "absent"), 3)).toEqual([]);
  });

  it("lines of all are handed over whole as they come, across a rotation and across a character that is cut", async () => {
    const directory = join(data, "logs");
    const [one, two] = [logFile(directory, "one"), logFile(directory, "two")];
    writeFileSync(one, "old\n");
    const lines: string[] = [];
    const following = followLogs(
      directory,
      () => ["one", "two"],
      (name, line) => lines.push(`${name} ${line}`),
    );
    const euro = Buffer.from("€\n");
    writeFileSync(one, Buffer.concat([Buffer.from("half"), euro.subarray(0, 1)]), { flag: "a" });
    writeFileSync(two, "new\n", { flag: "a" });
    await waitFor(() => lines.includes("two new"));
    writeFileSync(one, euro.subarray(1), { flag: "a" });
    await waitFor(() => lines.includes("one half€"));
    rotateLog(one, 1);
    writeFileSync(one, "after\n", { flag: "a" });
    following.stop();
    expect(lines).toEqual(["two new", "one half€", "one after"]);
  });
});

describe("state", () => {
  it("there is none, or it is refused by name where it is something else", () => {
    expect(readState(data)).toBeUndefined();
    writeFileSync(stateFile(data), "{}");
    expect(() => readState(data)).toThrow(`${stateFile(data)} is no state of a stack`);
  });
});

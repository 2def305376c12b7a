import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Fault } from "../../../contract/errors.ts";
import { secretFileName, secretNames, settingNames, settingOf } from "../../../contract/settings.ts";
import { loadSettings, printSettings } from "../../../gateway/settings/index.ts";

const SECRET = "0123456789abcdefghijklmnopqrstuvwxyz";
const directory = mkdtempSync(join(tmpdir(), "secret-files-"));

function file(name: string, content: string | Uint8Array, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const load = (env: Readonly<Record<string, string>>) => loadSettings({ env, envFile: false, directory });

function problemsOf(env: Readonly<Record<string, string>>): unknown {
  try {
    return load(env).settings;
  } catch (error) {
    if (error instanceof Fault && error.code === "MCPS_SETTINGS") return error.data;
    throw error;
  }
}

describe("secrets from files", () => {
  it.each([
    ["as it is", SECRET, SECRET],
    ["without one line feed", `${SECRET}\n`, SECRET],
    ["without one line end of Windows", `${SECRET}\r\n`, SECRET],
    ["with what stands before the last line feed", `${SECRET} \n\n`, `${SECRET} \n`],
  ])("takes the content %s", (name, content, secret) => {
    const path = file(name, content);
    const { settings, provenance, warnings } = load({ JWT_SECRET_KEY_FILE: path });
    expect([settings.JWT_SECRET_KEY, provenance.JWT_SECRET_KEY]).toEqual([
      secret,
      `environment (JWT_SECRET_KEY_FILE: ${path})`,
    ]);
    expect(warnings).toEqual([]);
  });

  it("follows a link, as mounted volumes are made of, and reads every secret so", () => {
    const link = join(directory, "link");
    symlinkSync(file("url", "postgresql://app:hunter2@db/mcp\n"), link);
    const { settings, provenance } = load({ DATABASE_URL_FILE: link });
    expect(settings.DATABASE_URL).toBe("postgresql://app:hunter2@db/mcp");
    const table = printSettings(settings, provenance);
    expect(table).toContain(link);
    expect(table).not.toContain("hunter2");
    expect(secretNames).toEqual(settingNames.filter((name) => settingOf(name).secret === true));
    for (const name of secretNames)
      expect(problemsOf({ [secretFileName(name)]: "x" })).toEqual([
        `${name}_FILE is (hidden), it has to be an absolute path (environment)`,
      ]);
  });

  it("says when others can read the file, and uses it", () => {
    const path = file("open", SECRET, 0o644);
    const { settings, warnings } = load({ JWT_SECRET_KEY_FILE: path });
    expect([settings.JWT_SECRET_KEY, warnings]).toEqual([
      SECRET,
      [`JWT_SECRET_KEY_FILE is "${path}", which every user of this machine can read (environment)`],
    ]);
    expect(load({ JWT_SECRET_KEY_FILE: file("group", SECRET, 0o640) }).warnings).toEqual([]);
  });

  it("refuses a file that cannot be the secret, and shows nothing of it", () => {
    const pipe = join(directory, "pipe");
    execFileSync("mkfifo", [pipe]);
    for (const [path, problem] of [
      [join(directory, "absent"), "it has to be the path of a file that this process can read (ENOENT)"],
      [directory, "it has to be the path of a plain file"],
      [pipe, "it has to be the path of a plain file"],
      [file("empty", ""), "it has to be the path of a file that is not empty"],
      [file("only an end", "\n"), "it has to be the path of a file that is not empty"],
      [file("large", "x".repeat(200_000)), "it has to be the path of a file with a secret of at most 65536 bytes"],
      [file("bytes", Uint8Array.of(0xff, ...Buffer.from(SECRET))), "it has to be the path of a file with UTF-8 text"],
      [file("short", "hunter2"), "the file has to hold text from 32 to 65536 bytes"],
      [file("zero", `${SECRET}\0`), "the file has to hold text without NUL"],
    ] as const)
      expect(problemsOf({ JWT_SECRET_KEY_FILE: path })).toEqual([
        `JWT_SECRET_KEY_FILE is "${path}", ${problem} (environment)`,
      ]);
    const url = file("wrong scheme", "mysql://app:hunter2@db/mcp");
    expect(problemsOf({ DATABASE_URL_FILE: url })).toEqual([
      `DATABASE_URL_FILE is "${url}", the file has to hold a URL with a host, starting with postgresql:// or postgres:// or postgresql+psycopg:// (environment)`,
    ]);
  });

  it("refuses both at once in one place; of two places the stronger one counts", () => {
    const path = file("both", SECRET);
    expect(problemsOf({ JWT_SECRET_KEY: SECRET, JWT_SECRET_KEY_FILE: path })).toEqual([
      "JWT_SECRET_KEY and JWT_SECRET_KEY_FILE are both set, only one of them may be (environment)",
    ]);
    const envFile = file(".env", `JWT_SECRET_KEY=${SECRET}-of-the-file\n`);
    const { settings } = loadSettings({ env: { JWT_SECRET_KEY_FILE: path }, envFile });
    expect(settings.JWT_SECRET_KEY).toBe(SECRET);
    expect(load({ JWT_SECRET_KEY: SECRET, JWT_SECRET_KEY_FILE: "" }).settings.JWT_SECRET_KEY).toBe(SECRET);
  });

  it("knows the names: a mistyped one is refused with what was meant, and only secrets have one", () => {
    expect(problemsOf({ JWT_SECRET_KEY_FIEL: "/x" })).toEqual([
      "JWT_SECRET_KEY_FIEL is no setting of this gateway; the nearest is JWT_SECRET_KEY_FILE (environment)",
    ]);
    expect(problemsOf({ DB_POOL_SIZE_FILE: "/x" })).toEqual([
      "DB_POOL_SIZE_FILE is no setting of this gateway; the nearest is DB_POOL_SIZE (environment)",
    ]);
  });
});

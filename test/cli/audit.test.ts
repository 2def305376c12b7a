/** `mcp-stack audit` over the embedded database of a gateway that has ended. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rest, startGateway, temporaryDirectory } from "../harness/index.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** Ends of lines to some, and not to JSON. */
const SEPARATORS = "\u2028\u2029";
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

function audit(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "cli/mcp-stack.js"), "audit", ...args], {
    cwd: directory.path,
    env: { PATH: process.env.PATH, DATA_DIR: directory.path, AUDIT_TRAIL_ENABLED: "true" },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

beforeAll(async () => {
  directory = await temporaryDirectory();
  const gateway = await startGateway({ dataDir: directory.path, env: { AUDIT_TRAIL_ENABLED: "true" } });
  for (const name of ["one", "two"]) await rest(gateway, "POST", "/teams", { name, description: `a${SEPARATORS}b` });
  await gateway.stop();
}, 120_000);
afterAll(async () => directory?.remove());

describe("mcp-stack audit", () => {
  it("verifies what a gateway wrote, and what was written out of it", () => {
    const { status, stdout } = audit("verify", "--json");
    const head = { writer: expect.any(String), sequence: 2, hash: expect.stringMatching(/^[0-9a-f]{64}$/) };
    expect([status, JSON.parse(stdout)]).toEqual([0, { ok: true, writers: 1, rows: 2, broken: [], heads: [head] }]);
    writeFileSync(join(directory.path, "before.json"), stdout.replace('"sequence": 2', '"sequence": 3'));
    const since = audit("verify", "--since", "before.json");
    expect(since.status).toBe(1);
    expect(since.stdout).toMatch(/ 3: the chain ends before row 3, which was there before\n$/);
    const exported = audit("export");
    expect([exported.status, exported.stdout.split("\n").length]).toEqual([0, 5]);
    writeFileSync(join(directory.path, "trail.jsonl"), exported.stdout);
    expect(audit("verify", "--file", "trail.jsonl")).toEqual({
      status: 0,
      stdout: "",
      stderr: "2 rows in 1 chains are what was written\n",
    });
  });

  it("takes nothing but a line feed for the end of a line", () => {
    const written = readFileSync(join(directory.path, "trail.jsonl"), "utf8");
    expect([written.includes("a\\u2028\\u2029b"), /[\u2028\u2029]/.test(written)]).toEqual([true, false]);
    const returned = join(directory.path, "returned.jsonl");
    writeFileSync(returned, written.replaceAll("\n", "\r\n"));
    expect(audit("verify", "--file", returned).status).toBe(0);
    // Read whole, row by row, and not what was signed.
    const plain = join(directory.path, "plain.jsonl");
    writeFileSync(plain, written.replaceAll("\\u2028\\u2029", SEPARATORS));
    const { status, stdout } = audit("verify", "--file", plain, "--json");
    expect([status, JSON.parse(stdout)]).toMatchObject([
      1,
      { rows: 2, broken: [{ sequence: 2, reason: "the file is not what was written" }] },
    ]);
  });

  it("ends with 1 and names the row where a file is not what was written", () => {
    const path = join(directory.path, "changed.jsonl");
    writeFileSync(path, readFileSync(join(directory.path, "trail.jsonl"), "utf8").replace("admin@", "eve@"));
    const { status, stdout } = audit("verify", "--file", path, "--json");
    expect([status, JSON.parse(stdout)]).toMatchObject([
      1,
      {
        ok: false,
        rows: 0,
        broken: [{ sequence: 1, id: expect.any(String), reason: "it is not what was written" }, {}],
      },
    ]);
  });

  it.each([
    [["frobnicate"], 2, "audit verify, or audit export"],
    [["verify", "--file", "x", "--since", "y"], 2, "--since and --writer are for the database"],
    [["export", "--json"], 2, "audit export writes to stdout; --file, --since and --json are for audit verify"],
    [["verify", "--file", "nowhere"], 1, "nowhere cannot be read: ENOENT"],
    [["verify", "--data-dir", "nowhere"], 1, "MCPS_SETTINGS: 1 setting(s) cannot be used:\n  no secrets are kept in"],
  ])("%j is refused with a sentence", (args, status, sentence) => {
    const answer = audit(...args);
    expect([answer.status, answer.stdout]).toEqual([status, ""]);
    expect(answer.stderr).toContain(`mcp-stack: ${sentence}`);
  });
});

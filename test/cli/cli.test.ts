import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { referencePages } from "../../cli/reference.ts";
import { compiled } from "../harness/index.ts";

const ROOT = resolve(import.meta.dirname, "../..");

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const cwd = mkdtempSync(join(tmpdir(), "cli-"));
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "cli/mcp-stack.js"), ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...compiled(), ...env },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe("mcp-stack", () => {
  it.each([
    [["serv"], 'unknown command "serv"; the nearest is serve'],
    [["serve", "--prot", "1"], "unknown option --prot; the nearest is --port"],
    [["serve", "--port"], "--port needs a value: --port <port>"],
    [["serve", "--json=yes"], "--json takes no value"],
    [["settings", "now"], 'unexpected argument "now"'],
    [["token", "--exp", "soon"], "--exp takes whole minutes from 0 to 52560000"],
  ])("%j is wrong usage: exit code 2", (args, sentence) => {
    const env = { JWT_SECRET_KEY: "0123456789abcdef0123456789abcdef" };
    expect(run(args, env)).toEqual({
      status: 2,
      stdout: "",
      stderr: `mcp-stack: ${sentence}\nmcp-stack --help shows the commands.\n`,
    });
  });

  it("shows help and version", () => {
    expect(run(["--version"])).toEqual({ status: 0, stdout: "0.1.0\n", stderr: "" });
    expect(run(["--help"]).stdout).toMatch(/^ {2}serve +run the gateway, or a named process: serve <name>$/m);
    expect(run(["serve", "--help"]).stdout).toMatch(/^ {2}--port <port> +Port to listen on/m);
  });

  it("lists every bad setting and starts nothing", () => {
    const { status, stdout, stderr } = run(["serve", "--port", "x"], { LOG_FORMAT: "xml" });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr.split("\n").slice(0, 3)).toEqual([
      "mcp-stack: MCPS_SETTINGS: 2 setting(s) cannot be used:",
      '  PORT is "x", it has to be a whole number from 0 to 65535 (command line)',
      '  LOG_FORMAT is "xml", it has to be one of json, text (environment)',
    ]);
  });

  it("serves a named process, whose arguments stand under what is configured", () => {
    const directory = mkdtempSync(join(tmpdir(), "processes-"));
    const path = join(directory, "processes.yaml");
    const web = `{ BACKEND: django_prodserver.backends.granian.GranianASGIServer, ARGS: { port: "8000", workers: 4, loop: uvloop } }`;
    writeFileSync(path, `PRODUCTION_PROCESSES: { web: ${web}, other: { BACKEND: bounded, ARGS: { worker: 4 } } }\n`);
    const shown = run(["serve", "web", "--processes", path, "--print-settings"], { WORKERS: "auto" });
    expect(shown.stdout).toMatch(new RegExp(`^PORT +8000 +${path}, web: port$`, "m"));
    expect(shown.stdout).toMatch(new RegExp(`^HTTP_SERVER +bounded +${path}, web: BACKEND$`, "m"));
    expect(shown.stdout).toMatch(/^WORKERS +auto workers +environment$/m);
    expect(run(["serve", "other", "--processes", path])).toEqual({
      status: 1,
      stdout: "",
      stderr: `mcp-stack: MCPS_SETTINGS: 1 setting(s) cannot be used:\n  "worker" is no argument of a process; the nearest is workers (${path}, other)\n`,
    });
    expect(run(["serve", "wbe", "--processes", path]).stderr).toContain(
      `${path} has no process "wbe"; the nearest is web`,
    );
    expect(run(["serve", "--processes", path])).toEqual({
      status: 2,
      stdout: "",
      stderr:
        "mcp-stack: --processes is for a named process: mcp-stack serve <name> --processes <file>\nmcp-stack --help shows the commands.\n",
    });
  });

  it("prints settings with their source, and no secret", () => {
    const { stdout } = run(["serve", "--port", "0", "--print-settings"], { JWT_SECRET_KEY: "s".repeat(40) });
    expect(stdout).toMatch(/^PORT +0 +command line$/m);
    expect(stdout).toMatch(/^JWT_SECRET_KEY +\(hidden\) +environment$/m);
  });

  it("makes tokens", () => {
    const secret = "0123456789abcdef0123456789abcdef";
    const args = ["token", "--username", "ann@example.com", "--exp", "60", "--secret", secret];
    const claims = decodeJwt(run(args).stdout.trim());
    expect(claims).toMatchObject({ sub: "ann@example.com", aud: "mcpgateway-api", iss: "mcpgateway" });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(3600);
    expect(decodeJwt(run([...args.slice(0, 4), "0", "--secret", secret]).stdout.trim()).exp).toBeUndefined();
  });
});

describe("docs/reference", () => {
  it.each(Object.entries(referencePages()))("%s is what `npm run docs` writes", (name, text) => {
    expect(readFileSync(join(ROOT, "docs/reference", name), "utf8")).toBe(text);
  });
});

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, expectTypeOf, it } from "vitest";
import { Fault } from "../../../contract/errors.ts";
import { type Settings, settingNames } from "../../../contract/settings.ts";
import { loadSettings, printSettings, redacted } from "../../../gateway/settings/index.ts";

function load(env: Readonly<Record<string, string>>, cli: Readonly<Record<string, string>> = {}) {
  return loadSettings({ env, cli, envFile: false, directory: "/srv" });
}

function problemsOf(env: Readonly<Record<string, string>>): unknown {
  try {
    load(env);
  } catch (error) {
    if (error instanceof Fault && error.code === "MCPS_SETTINGS") return error.data;
    throw error;
  }
  return [];
}

function envFile(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "settings-")), ".env");
  writeFileSync(path, text);
  return path;
}

describe("loadSettings", () => {
  it("gives the declared defaults, frozen, with paths made absolute", () => {
    const { settings, provenance, warnings } = load({});
    expect(Object.keys(settings)).toEqual([...settingNames]);
    expect(settings).toMatchObject({
      HOST: "127.0.0.1",
      PORT: 4444,
      DATA_DIR: "/srv/.data",
      JWT_SECRET_KEY: undefined,
    });
    expect(Object.isFrozen(settings) && Object.isFrozen(settings.ALLOWED_HOSTS)).toBe(true);
    expect(new Set(Object.values(provenance))).toEqual(new Set(["default"]));
    expect(warnings).toEqual([]);
  });

  it("types each value by its declaration", () => {
    expectTypeOf<Settings["PORT"]>().toEqualTypeOf<number>();
    expectTypeOf<Settings["HTTP_SERVER"]>().toEqualTypeOf<"fastify" | "bounded">();
    expectTypeOf<Settings["REDIS_URL"]>().toEqualTypeOf<string | undefined>();
    expectTypeOf<Settings["ALLOWED_HOSTS"]>().toEqualTypeOf<readonly string[]>();
  });

  it("takes the command line before the environment before the file, and says so", () => {
    const path = envFile("# a comment\nPORT=1\nHOST=10.0.0.1\nexport LOG_LEVEL=debug\n");
    const { settings, provenance } = loadSettings({
      cli: { PORT: "3" },
      env: { PORT: "2", HOST: "10.0.0.2" },
      envFile: path,
    });
    expect([settings.PORT, settings.HOST, settings.LOG_LEVEL]).toEqual([3, "10.0.0.2", "debug"]);
    expect([provenance.PORT, provenance.HOST, provenance.LOG_LEVEL]).toEqual([
      "command line",
      "environment",
      `${path}:4`,
    ]);
  });

  it.each([
    ["TOKEN_EXPIRY", "2h", 120],
    ["TOKEN_EXPIRY", "7d", 10080],
    ["TOOL_TIMEOUT", "250ms", 0.25],
    ["TOOL_TIMEOUT", "5m", 300],
    ["TOOL_TIMEOUT", "45", 45],
    ["STREAM_AFTER", "2s", 2000],
    ["MAX_BODY_BYTES", "512KiB", 524288],
    ["MAX_BODY_BYTES", "4mib", 4194304],
    ["MAX_BODY_BYTES", "2048", 2048],
    ["MIGRATE_ON_START", "No", false],
    ["HTTP_SERVER", "gunicorn", "fastify"],
    ["HTTP_SERVER", "Granian", "bounded"],
    ["WORKERS", "AUTO", "auto"],
    ["WORKERS", "4", 4],
    ["MIGRATE_ON_START", "False", false],
    ["LOG_LEVEL", "critical", "error"],
    ["LOG_LEVEL", "WARNING", "warn"],
    ["ALLOWED_HOSTS", " a.example , b.example,", ["a.example", "b.example"]],
    ["ALLOWED_HOSTS", '["a,b"]', ["a,b"]],
    ["REDIS_URL", "rediss://u:p@redis:6380/1", "rediss://u:p@redis:6380/1"],
    ["MCP_CONFIG", "mcp.json", "/srv/mcp.json"],
  ] as const)("reads %s=%s", (name, text, value) => {
    expect(load({ [name]: text }).settings[name]).toEqual(value);
  });

  it.each([
    ["PORT", "65536", 'PORT is "65536", it has to be a whole number from 0 to 65535 (environment)'],
    ["PORT", "1.5", 'PORT is "1.5", it has to be a whole number from 0 to 65535 (environment)'],
    [
      "MAX_BODY_BYTES",
      "4MB",
      'MAX_BODY_BYTES is "4MB", it has to be whole bytes or a size such as 512KiB or 4MiB from 1024 to 1073741824 (environment)',
    ],
    ["HTTP_SERVER", "uvicorn", 'HTTP_SERVER is "uvicorn", it has to be one of fastify, bounded (environment)'],
    ["WORKERS", "0", 'WORKERS is "0", it has to be a whole number from 1 to 256, or auto (environment)'],
    [
      "MIGRATE_ON_START",
      "maybe",
      'MIGRATE_ON_START is "maybe", it has to be true or false (1/0, yes/no, on/off) (environment)',
    ],
    [
      "JWT_SECRET_KEY",
      "short-secret",
      "JWT_SECRET_KEY is (hidden), it has to be text from 32 to 65536 bytes (environment)",
    ],
    [
      "REDIS_URL",
      "http://u:hunter2@h",
      "REDIS_URL is http://u:***@h, it has to be a URL with a host, starting with redis:// or rediss:// or redis+sentinel:// or rediss+sentinel:// or redis+cluster:// or rediss+cluster:// (environment)",
    ],
    [
      "REDIS_URL",
      "redis://u:hunter2@h1,h2:6380",
      "REDIS_URL is redis://u:***@h1,h2:6380, it has to be redis://[user:password@]host[:port][/database] with one host (redis+sentinel:// and redis+cluster:// take several) (environment)",
    ],
    [
      "REDIS_URL",
      "redis://:hun/ter@2@h",
      "REDIS_URL is redis://:***@h, it has to be redis://[user:password@]host[:port][/database] with user, password and query values percent-encoded (environment)",
    ],
    [
      "DATABASE_URL",
      "postgresq://u:hun@ter/2@db/mcp",
      "DATABASE_URL is postgresq://u:***@db/mcp, it has to be a URL with a host, starting with postgresql:// or postgres:// or postgresql+psycopg:// (environment)",
    ],
    ["REDIS_ULR", "x", "REDIS_ULR is no setting of this gateway; the nearest is REDIS_URL (environment)"],
    ["DB_POLL_SIZE", "5", "DB_POLL_SIZE is no setting of this gateway; the nearest is DB_POOL_SIZE (environment)"],
    ["STREAM_AFTR", "5", "STREAM_AFTR is no setting of this gateway; the nearest is STREAM_AFTER (environment)"],
    [
      "SHUTDOWN_GRACES",
      "5",
      "SHUTDOWN_GRACES is no setting of this gateway; the nearest is SHUTDOWN_GRACE (environment)",
    ],
  ])("refuses %s=%s", (name, text, sentence) => {
    expect(problemsOf({ [name]: text })).toEqual([sentence]);
  });

  it("lists all problems at once and shows no secret", () => {
    const env = { PORT: "x", LOG_FORMAT: "xml", SESSION_KEYS: "k1:c2hvcnQ=,k1:c2hvcnQ=", UPSTREAM_TIMEOUT: "3" };
    expect(problemsOf(env)).toHaveLength(4);
    expect(() => load(env)).toThrow(/^4 setting\(s\) cannot be used:\n/);
    expect(() => load(env)).not.toThrow(/c2hvcnQ/);
  });

  it("leaves alone what a desktop, a cluster or another program puts into the environment", () => {
    const env = {
      PATH: "/bin",
      NODE_OPTIONS: "--max-old-space-size=251",
      UV_THREADPOOL_SIZE: "4",
      SESSION_MANAGER: "x",
      MCP_TIMEOUT: "1",
      HTTP_PROXY: "http://proxy:3128",
      CLIENT_ID: "x",
      DISABLE_AUTO_TITLE: "true",
      AUTH_TOKEN: "x",
      DB_HOST: "x",
      REDIS_HOST: "elsewhere",
      JWT_TOKEN: "of another program",
      REDIS_SERVICE_HOST: "10.0.0.1",
      REDIS_PORT: "tcp://10.0.0.1:6379",
      REDIS_PORT_6379_TCP_ADDR: "10.0.0.1",
    };
    expect(load(env).warnings).toEqual([]);
  });

  it("understands an alias with a warning; the own name is stronger", () => {
    const { settings, provenance, warnings } = load({ HTTPX_CONNECT_TIMEOUT: "7" });
    expect([settings.UPSTREAM_CONNECT_TIMEOUT, provenance.UPSTREAM_CONNECT_TIMEOUT]).toEqual([
      7,
      "environment (HTTPX_CONNECT_TIMEOUT)",
    ]);
    expect(warnings).toEqual(["HTTPX_CONNECT_TIMEOUT (environment) is an older name of UPSTREAM_CONNECT_TIMEOUT"]);
    for (const names of [
      ["HTTPX_CONNECT_TIMEOUT", "UPSTREAM_CONNECT_TIMEOUT"],
      ["UPSTREAM_CONNECT_TIMEOUT", "HTTPX_CONNECT_TIMEOUT"],
    ])
      expect(
        load(Object.fromEntries(names.map((name) => [name, name.startsWith("U") ? "8" : "7"]))).settings
          .UPSTREAM_CONNECT_TIMEOUT,
      ).toBe(8);
  });

  it("warns of every unknown name in a file, and takes an empty value for none", () => {
    const path = envFile("SOMETHING_ELSE=1\nPORT=\n");
    const { settings, warnings } = loadSettings({ env: {}, envFile: path });
    expect(warnings).toEqual([`SOMETHING_ELSE (${path}:1) is no setting of this gateway and is ignored`]);
    expect(settings.PORT).toBe(4444);
  });

  it("refuses a file that was named and cannot be read", () => {
    expect(() => loadSettings({ env: {}, envFile: "/nonexistent/.env" })).toThrow(
      /\/nonexistent\/\.env cannot be read/,
    );
  });
});

describe("showing settings", () => {
  it("hides secrets and keeps where a URL points", () => {
    const env = { JWT_SECRET_KEY: "s".repeat(40), DATABASE_URL: "postgresql://app:hunter2@db:5432/mcp?sslpassword=x" };
    const { settings, provenance } = load(env);
    expect(redacted(settings)).toMatchObject({
      JWT_SECRET_KEY: "(hidden)",
      DATABASE_URL: "postgresql://app:***@db:5432/mcp?***",
    });
    const table = printSettings(settings, provenance);
    expect(table).not.toMatch(/hunter2|ssss|sslpassword/);
    expect(table.split("\n").find((line) => line.startsWith("PORT "))).toMatch(/^PORT +4444 +default$/);
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Deployment, readDeployment } from "../../../infra/from-env/index.ts";
import { readInput } from "../../../infra/sizing/index.ts";

const env = (text: string): Deployment => readDeployment(text, ".env");
/** Name, verdict, our name and value. */
const rows = ({ report }: Deployment) =>
  report.entries.map(({ name, verdict, ours, value }) => [name, verdict, ours, value]);
const given = ({ input }: Deployment) => (input as { given: unknown }).given;
const load = { peakRps: 50, concurrentUsers: 20, meanLatencyMs: 150 };

describe("an environment file", () => {
  const text = readFileSync(join(import.meta.dirname, "contextforge.env"), "utf8");
  const deployment = readDeployment(text, "contextforge.env");

  it("becomes a complete input: numbers, pins, and stated assumptions for the rest", () => {
    expect(deployment.input).toEqual({
      environment: "dev",
      load: {
        peakRps: 2000,
        burst: 1,
        dbQueriesPerRequest: 1,
        concurrentUsers: 2500,
        meanLatencyMs: 250,
        toolTimeoutS: 60,
      },
      gateway: { engine: "bounded", workers: 16, cpu: 16, memory: "8192Mi" },
      database: { mode: "pgbouncer", overflow: 30, postgres: { cpu: 4, memory: "8192Mi" } },
      redis: { role: "both", connectionsPerWorker: 150 },
      mcp: { maxTotalSessions: 12_800 },
      security: { auditTrail: false },
      given: {
        "gateway.backlog": 8192,
        "gateway.inFlightPerWorker": 64,
        "database.poolPerWorker": 15,
        "database.recycleS": 3600,
        "timeouts.dbAcquireS": 30,
        "timeouts.sessionTransportS": 30,
        "pgbouncer.maxClientConn": 3000,
        "pgbouncer.clientIdleTimeoutS": 120,
      },
    });
    expect(readInput(deployment.input).ok).toBe(true);
  });

  it("gets one verdict per name, every kind among them", () => {
    expect(rows(deployment)).toEqual([
      ["HOST", "honoured", "HOST", undefined],
      ["PORT", "honoured", "PORT", undefined],
      ["DATABASE_URL", "honoured", "DATABASE_URL", undefined],
      ["REDIS_URL", "honoured", "REDIS_URL", undefined],
      ["CACHE_TYPE", "sized", "redis.role", "both"],
      ["JWT_SECRET_KEY", "honoured", "JWT_SECRET_KEY", undefined],
      ["JWT_ALGORITHM", "honoured", "JWT_ALGORITHM", undefined],
      ["AUTH_ENCRYPTION_SECRET", "honoured", "AUTH_ENCRYPTION_SECRET", undefined],
      ["PLATFORM_ADMIN_EMAIL", "honoured", "PLATFORM_ADMIN_EMAIL", undefined],
      ["PLATFORM_ADMIN_PASSWORD", "honoured", "PLATFORM_ADMIN_PASSWORD", undefined],
      ["LOG_LEVEL", "honoured", "LOG_LEVEL", undefined],
      ["HTTP_SERVER", "sized", "gateway.engine", "bounded"],
      ["GRANIAN_WORKERS", "sized", "gateway.workers", 16],
      ["GRANIAN_BACKLOG", "sized", "given.gateway.backlog", 8192],
      ["GRANIAN_BACKPRESSURE", "sized", "given.gateway.inFlightPerWorker", 64],
      ["GUNICORN_WORKERS", "meaningless", undefined, undefined],
      ["DB_POOL_SIZE", "sized", "given.database.poolPerWorker", 15],
      ["DB_MAX_OVERFLOW", "sized", "database.overflow", 30],
      ["DB_POOL_RECYCLE", "sized", "given.database.recycleS", 3600],
      ["DB_POOL_TIMEOUT", "sized", "given.timeouts.dbAcquireS", 30],
      ["REDIS_MAX_CONNECTIONS", "sized", "redis.connectionsPerWorker", 150],
      ["TOOL_TIMEOUT", "sized", "load.toolTimeoutS", 60],
      ["MCP_SESSION_POOL_TRANSPORT_TIMEOUT", "sized", "given.timeouts.sessionTransportS", 30],
      ["MAX_CLIENT_CONN", "sized", "given.pgbouncer.maxClientConn", 3000],
      ["CLIENT_IDLE_TIMEOUT", "sized", "given.pgbouncer.clientIdleTimeoutS", 120],
      ["QUERY_WAIT_TIMEOUT", "meaningless", undefined, undefined],
      ["SSRF_PROTECTION_ENABLED", "honoured", "SSRF_PROTECTION_ENABLED", undefined],
      ["RATE_LIMITING_ENABLED", "honoured", "RATE_LIMITING_ENABLED", undefined],
      ["RATE_LIMIT_MEDIUM_RPM", "honoured", "RATE_LIMIT_MEDIUM_RPM", undefined],
      ["REQUIRE_JTI", "honoured", "REQUIRE_JTI", undefined],
      ["SSO_ENABLED", "honoured", "SSO_ENABLED", undefined],
      ["MCPGATEWAY_UI_ENABLED", "meaningless", "MCP_CONFIG", undefined],
      ["MCPGATEWAY_SKIP_MIGRATIONS", "renamed", "MIGRATE_ON_START", undefined],
      ["HTTPX_CONNECT_TIMEOUT", "renamed", "UPSTREAM_CONNECT_TIMEOUT", undefined],
      ["STREAMABLE_HTTP_EVENT_TTL", "renamed", "REPLAY_TTL", undefined],
      ["AUDIT_TRAIL_ENABLED", "sized", "security.auditTrail", false],
      ["SMTP_HOST", "meaningless", undefined, undefined],
      ["DB_POOL_SZIE", "unknown", "DB_POOL_SIZE", undefined],
    ]);
    expect(deployment.report.foreign).toBe(2);
    expect(deployment.report.problems).toEqual([]);
  });
});

describe("numbers", () => {
  it("are converted from the unit in which the other program reads them", () => {
    const text = `services:
  gateway:
    environment: [GUNICORN_TIMEOUT=600, RETRY_BASE_DELAY=1.5, RETRY_MAX_DELAY=60, REDIS_SOCKET_TIMEOUT=0.5]
  postgres:
    command: postgres -c shared_buffers=65536 -c work_mem=4096 -c max_wal_size=4GB -c statement_timeout=1500
      -c idle_in_transaction_session_timeout=5min -c maintenance_work_mem=512kB -c jit=off -c wal_compression=on
    shm_size: 256m
    mem_limit: 8589934592
  redis:
    command: redis-server --maxmemory 1g --appendonly yes
`;
    const deployment = readDeployment(text, "compose.yaml");
    expect(given(deployment)).toEqual({
      "timeouts.handlerS": 600,
      "retries.tool.baseMs": 1500,
      "retries.tool.maxMs": 60_000,
      "timeouts.redisCommandS": 0.5,
      "postgres.sharedBuffersMiB": 512,
      "postgres.workMemMiB": 4,
      "postgres.maxWalSizeMiB": 4096,
      "timeouts.dbStatementS": 1.5,
      "timeouts.idleInTransactionS": 300,
      "postgres.maintenanceWorkMemMiB": 1,
      "postgres.jit": false,
      "postgres.walCompression": "pglz",
      "postgres.shmMiB": 256,
      "redis.maxmemoryMiB": 954,
      "gateway.replicas.min": 1,
      "gateway.replicas.max": 1,
    });
    expect(deployment.input).toMatchObject({
      redis: { persistence: true },
      database: { postgres: { memory: "8192Mi" } },
    });
  });

  it.each(["DB_POOL_SIZE=many", "DB_POOL_SIZE=1.5", "DB_POOL_SIZE=0x10", "DB_POOL_SIZE=1e3", "DB_POOL_SIZE=∞"])(
    "%s is a problem that does not repeat it",
    (line) => {
      expect(env(`A=1\n${line}`).report.problems).toEqual([
        { line: 2, message: "DB_POOL_SIZE has to be a whole number" },
      ]);
    },
  );

  it("that mean something else to the other program stay out of the plan", () => {
    const deployment = env("DB_MAX_OVERFLOW=-1\nMAX_DB_CONNECTIONS=0\nCLIENT_IDLE_TIMEOUT=0\nDB_POOL_RECYCLE=-1\n");
    expect(deployment.report.entries.map(({ verdict, because }) => [verdict, because])).toEqual(
      Array(4).fill(["meaningless", "it means no limit, which a plan cannot prove"]),
    );
    expect(given(deployment)).toEqual({});
  });

  it("of the server that does not run do not count", () => {
    const both = "GUNICORN_WORKERS=24\nGRANIAN_WORKERS=8\nGRANIAN_BACKPRESSURE=64\n";
    expect(rows(env(both)).map(([name, verdict]) => `${name} ${verdict}`)).toEqual([
      "GUNICORN_WORKERS sized",
      "GRANIAN_WORKERS meaningless",
      "GRANIAN_BACKPRESSURE meaningless",
    ]);
    expect(rows(env(`HTTP_SERVER=granian\n${both}`)).map(([name, verdict]) => `${name} ${verdict}`)).toEqual([
      "HTTP_SERVER sized",
      "GUNICORN_WORKERS meaningless",
      "GRANIAN_WORKERS sized",
      "GRANIAN_BACKPRESSURE sized",
    ]);
  });

  it("of workers may be left to the program: then by the documents' rule", () => {
    expect(env("GUNICORN_WORKERS=auto").input).toMatchObject({ gateway: { workers: "auto", workerRule: "documents" } });
  });

  it("of a pooler are told from what runs where no address says", () => {
    const run = (services: string) => readDeployment(`services:\n  gateway: {}\n${services}`, "compose.yml").input;
    expect(run("  pgbouncer: {}\n  postgres: {}\n")).toMatchObject({ database: { mode: "pgbouncer" } });
    expect(run("  postgres: {}\n")).toMatchObject({ database: { mode: "direct" } });
    expect(run("")).not.toHaveProperty("database.mode");
  });

  it("at a service that does not read them do nothing", () => {
    const text =
      "services:\n  gateway: { environment: { MAX_CLIENT_CONN: 100 } }\n  redis: { environment: [DB_POOL_SIZE=5] }\n";
    const deployment = readDeployment(text, "compose.yml");
    expect(deployment.report.entries.map(({ name, verdict, because }) => [name, verdict, because])).toEqual([
      ["MAX_CLIENT_CONN", "meaningless", "nothing reads it at this service"],
      ["DB_POOL_SIZE", "meaningless", "nothing reads it at this service"],
    ]);
  });

  it("of a pooler count only where the gateway goes through it", () => {
    const pooler = "MAX_CLIENT_CONN=100\n";
    const modes = [
      ["postgresql://u:p@pgbouncer/mcp", "pgbouncer", { "pgbouncer.maxClientConn": 100 }],
      ["postgresql+psycopg://u:p@10.0.0.7:6432/mcp", "pgbouncer", { "pgbouncer.maxClientConn": 100 }],
      ["postgres://u:p@postgres:5432/mcp", "direct", {}],
    ] as const;
    for (const [url, mode, pins] of modes) {
      const deployment = env(`DATABASE_URL=${url}\n${pooler}`);
      expect(deployment.input).toMatchObject({ database: { mode }, given: pins });
      expect(readInput(deployment.input).ok).toBe(true);
    }
  });
});

describe("what the file does not say", () => {
  it("is assumed, and the assumption stated", () => {
    const deployment = env("");
    expect(deployment.input).toEqual({
      environment: "dev",
      load,
      gateway: { cpu: 1, memory: "512Mi" },
      database: { postgres: { cpu: 1, memory: "1024Mi" } },
      mcp: { maxTotalSessions: 800 },
      given: {},
    });
    expect(readInput(deployment.input).ok).toBe(true);
    expect(deployment.report.assumptions).toEqual([
      { path: "environment", value: "dev", source: "ContextForge's own default" },
      { path: "load.peakRps", value: 50, source: "an example load of this project" },
      { path: "load.concurrentUsers", value: 20, source: "an example load of this project" },
      { path: "load.meanLatencyMs", value: 150, source: "an example load of this project" },
      { path: "gateway.cpu", value: 1, source: "no limit is set; one core per worker" },
      { path: "gateway.memory", value: "512Mi", source: "no limit is set; 512 MiB per worker" },
      { path: "database.postgres.cpu", value: 1, source: "no limit is set; enough for the rest" },
      { path: "database.postgres.memory", value: "1024Mi", source: "no limit is set; enough for the rest" },
      { path: "mcp.maxTotalSessions", value: 800, source: "no limit is set; enough for the rest" },
    ]);
  });

  it("is not assumed where the file says it", () => {
    const { report } = env("ENVIRONMENT=production\n");
    expect(report.assumptions.map(({ path }) => path)).not.toContain("environment");
  });
});

describe("protections", () => {
  const verdictOf = (text: string, name: string) =>
    env(text).report.entries.find((entry) => entry.name === name)?.verdict;

  it.each([
    ["RATE_LIMIT_LOCKOUT_ENABLED=true", "refused"],
    ["RATE_LIMIT_LOCKOUT_ENABLED=FALSE", "meaningless"],
    ["RATE_LIMIT_LOCKOUT_THRESHOLD=30", "refused"],
    ["RATE_LIMIT_LOCKOUT_THRESHOLD=30\nRATE_LIMIT_LOCKOUT_ENABLED=off", "meaningless"],
    ["RATE_LIMITING_ENABLED=true", "honoured"],
    ['SSRF_BLOCKED_NETWORKS=["10.0.0.0/8"]', "honoured"],
    ["SSRF_ALLOW_PRIVATE_NETWORKS=true", "honoured"],
    ["PLUGINS_ENABLED=true", "refused"],
    ["REDIS_SSL=true", "refused"],
    ["REDIS_SSL=false", "meaningless"],
    ["REQUIRE_TOKEN_EXPIRATION=true", "honoured"],
    ["SIEM_EXPORT_ENABLED=true", "refused"],
    ["AUTH_HEADER_NAME=X-MCP-Gateway-Auth", "refused"],
    ["AUTH_HEADER_NAME=Authorization", "meaningless"],
    ["ALLOW_PUBLIC_VISIBILITY=false", "honoured"],
    ["JWT_ALGORITHM=RS256", "honoured"],
    ["JWT_ALGORITHM=hs256", "honoured"],
    ["DATABASE_URL=sqlite:///./mcp.db", "refused"],
    ["SKIP_SSL_VERIFY=true", "meaningless"],
    ["MCP_REQUIRE_AUTH=true", "renamed"],
    ["MCP_REQUIRE_AUTH=true\nAUTH_REQUIRED=false", "refused"],
    ["CORS_ENABLED=false", "refused"],
    ["CORS_ENABLED=true", "meaningless"],
    ["POOL_MODE=session", "refused"],
    ["POOL_MODE=transaction", "meaningless"],
    ["SIEM_EXPORT_ENABLED=", "meaningless"],
  ])("%s is %s", (text, verdict) => {
    expect(verdictOf(text, text.slice(0, text.indexOf("=")))).toBe(verdict);
  });
});

describe("files that are none", () => {
  it.each([
    ["compose.yml", ": : :", 1],
    [".env", "\u0000\u0001", 1],
    [".env", "services:\n  nothing: {}", 1],
    [".env", `A=${"x".repeat(2 ** 20)}`, 1],
  ])("%s of garbage is a problem with a line", (name, text, line) => {
    const { report } = readDeployment(text, name);
    expect(report.problems.map((problem) => problem.line)).toEqual([line]);
  });
});

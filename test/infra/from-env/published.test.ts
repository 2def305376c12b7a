/** Published configurations of the other gateway: what does not hold is refused for the reason that a person would give. */
import { describe, expect, it } from "vitest";
import type { PlanDocument } from "../../../contract/plan.ts";
import { readDeployment } from "../../../infra/from-env/index.ts";
import { plan, readInput } from "../../../infra/sizing/index.ts";

type Published = {
  readonly gateway: readonly string[];
  readonly replicas: number;
  readonly cpus?: number;
  readonly memory?: string;
  readonly pooler?: readonly string[];
  readonly postgres?: readonly string[];
  readonly postgresMemory?: string;
  readonly redis?: readonly string[];
};

/** A compose file with these figures. */
function compose(published: Published): string {
  const { gateway, replicas, cpus = 8, memory = "8G", pooler, postgres, postgresMemory = "8G", redis } = published;
  const host = pooler === undefined ? "postgres:5432" : "pgbouncer:6432";
  const limits = (cores: number, size: string) => `resources: { limits: { cpus: '${cores}', memory: ${size} } }`;
  const flow = (items: readonly string[]) => `[${items.map((item) => JSON.stringify(item)).join(", ")}]`;
  const lines = [
    "services:",
    "  gateway:",
    `    environment: ${flow([`DATABASE_URL=postgresql+psycopg://u:p@${host}/mcp`, ...gateway])}`,
    `    deploy: { replicas: ${replicas}, ${limits(cpus, memory)} }`,
  ];
  if (pooler !== undefined) lines.push("  pgbouncer:", `    environment: ${flow(pooler)}`);
  lines.push("  postgres:", "    image: postgres:18", `    deploy: { ${limits(8, postgresMemory)} }`);
  if (postgres !== undefined)
    lines.push(`    command: ${flow(["postgres", ...postgres.flatMap((one) => ["-c", one])])}`);
  if (redis !== undefined) lines.push("  redis:", `    command: ${flow(["redis-server", ...redis])}`);
  return lines.join("\n");
}

function planOf(published: Published): PlanDocument {
  const { input, report } = readDeployment(compose(published), "docker-compose.yml");
  expect(report.problems).toEqual([]);
  const reading = readInput(input);
  if (!reading.ok) throw new Error(reading.problems.map(({ message }) => message).join("\n"));
  return plan(reading.input);
}

/** Both sides of the first budget of this id whose statement has these words. */
function sidesOf(document: PlanDocument, id: string, words = ""): readonly [number, number, boolean] {
  const budget = document.budgets.find((one) => one.id === id && one.statement.includes(words));
  if (budget === undefined) throw new Error(`no budget ${id} with ${words}`);
  return [budget.left, budget.right, budget.holds];
}

const redisServer = ["--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru", "--tcp-backlog", "2048"];

describe("published configurations that do not hold", () => {
  it("the guide's chart of 20 pods with a pool of 50: 9 600 connections for 1 500", () => {
    const document = planOf({
      gateway: ["GUNICORN_WORKERS=8", "DB_POOL_SIZE=50", "DB_MAX_OVERFLOW=10", "CACHE_TYPE=redis"],
      replicas: 20,
      cpus: 2,
      memory: "4Gi",
      postgres: ["max_connections=1500"],
    });
    expect(document.plan.database).toMatchObject({ mode: "direct", appConnections: 9600 });
    expect(sidesOf(document, "I8", "max_connections")).toEqual([9618, 1500, false]);
  });

  it("the guide's reference of 50 pods: 50 000 backends do not fit into 32 GiB", () => {
    const document = planOf({
      gateway: ["GUNICORN_WORKERS=16", "DB_POOL_SIZE=50", "DB_MAX_OVERFLOW=10"],
      replicas: 50,
      cpus: 4,
      memory: "8Gi",
      postgres: ["max_connections=50000", "shared_buffers=8GB", "effective_cache_size=24GB", "work_mem=32MB"],
      postgresMemory: "32Gi",
    });
    const [needed, memory, holds] = sidesOf(document, "I41");
    expect(needed).toBeGreaterThan(10 * 50_000);
    expect([memory, holds]).toEqual([0.9 * 32_768, false]);
    expect(sidesOf(document, "I8", "max_connections")).toEqual([48_018, 50_000, true]);
  });

  it("the same with 150 Redis connections per worker: 120 000 for 10 000", () => {
    const document = planOf({
      gateway: ["GUNICORN_WORKERS=16", "REDIS_MAX_CONNECTIONS=150", "CACHE_TYPE=redis"],
      replicas: 50,
      redis: [...redisServer, "--maxclients", "10000"],
    });
    expect(sidesOf(document, "I10", "maxclients")).toEqual([120_010, 10_000, false]);
  });

  it("connections that live an hour behind a pooler that closes them after two minutes", () => {
    const document = planOf({
      gateway: ["GUNICORN_WORKERS=16", "DB_POOL_RECYCLE=3600"],
      replicas: 2,
      pooler: ["CLIENT_IDLE_TIMEOUT=120"],
    });
    expect(sidesOf(document, "I19", "recycleS")).toEqual([7200, 120, false]);
  });

  it("the guide's PgBouncer: a pool of 600 and a reserve of 150 within 700", () => {
    const pooler = ["MAX_CLIENT_CONN=5000", "DEFAULT_POOL_SIZE=600", "MIN_POOL_SIZE=100", "RESERVE_POOL_SIZE=150"];
    const document = planOf({
      gateway: ["GUNICORN_WORKERS=16"],
      replicas: 2,
      pooler: [...pooler, "MAX_DB_CONNECTIONS=700"],
    });
    expect(sidesOf(document, "I7", "default pool")).toEqual([750, 700, false]);
  });

  it("sessions and locks on a Redis that evicts", () => {
    const document = planOf({
      gateway: ["GUNICORN_WORKERS=16", "CACHE_TYPE=redis"],
      replicas: 2,
      redis: redisServer,
    });
    expect(document.plan.redis).toMatchObject({ role: "both", policy: "allkeys-lru", maxmemoryMiB: 1024 });
    expect(document.refusals.map(({ id }) => id)).toContain("I43");
  });

  it("65 536 admitted requests before a database of 120 connections", () => {
    const document = planOf({
      gateway: ["HTTP_SERVER=granian", "GRANIAN_WORKERS=16", "GRANIAN_BACKPRESSURE=2048"],
      replicas: 2,
      pooler: ["MAX_CLIENT_CONN=3000", "DEFAULT_POOL_SIZE=120", "MAX_DB_CONNECTIONS=200"],
    });
    const { gateway } = document.plan;
    expect(gateway.replicas.peak * gateway.workers * gateway.inFlightPerWorker).toBe(65_536);
    expect(document.refusals.map(({ id }) => id)).toContain("I52");
  });

  it("the chart's defaults: 900 connections at most replicas for a server of 100", () => {
    const document = planOf({
      gateway: ["GUNICORN_WORKERS=2", "DB_POOL_SIZE=15", "DB_MAX_OVERFLOW=30"],
      replicas: 10,
      postgres: ["max_connections=100"],
    });
    expect(sidesOf(document, "I8", "max_connections")).toEqual([918, 100, false]);
  });

  it("tools that may run longer than the sessions that carry them, and a backlog that the kernel cuts", () => {
    const document = planOf({
      gateway: [
        "HTTP_SERVER=granian",
        "GRANIAN_WORKERS=16",
        "GRANIAN_BACKLOG=8192",
        "TOOL_TIMEOUT=60",
        "MCP_SESSION_POOL_TRANSPORT_TIMEOUT=30",
      ],
      replicas: 2,
    });
    expect(sidesOf(document, "I21", "toolS")).toEqual([60, 30, false]);
    expect(document.warnings.filter(({ id }) => id === "I29").map(({ left, right }) => [left, right])).toEqual([
      [8192, 4096],
    ]);
  });
});

describe("published configurations whose connections hold", () => {
  it("the guide's compose reference", () => {
    const document = planOf({
      gateway: ["GUNICORN_WORKERS=16", "DB_POOL_SIZE=15", "DB_MAX_OVERFLOW=30", "REDIS_MAX_CONNECTIONS=150"],
      replicas: 2,
      pooler: ["MAX_CLIENT_CONN=3000", "DEFAULT_POOL_SIZE=120", "RESERVE_POOL_SIZE=25", "MAX_DB_CONNECTIONS=200"],
      postgres: ["max_connections=500"],
      redis: [...redisServer, "--maxclients", "10000"],
    });
    expect(sidesOf(document, "I6")).toEqual([1440, 3000, true]);
    expect(sidesOf(document, "I7", "default pool")).toEqual([145, 200, true]);
    expect(sidesOf(document, "I8", "max_connections")).toEqual([218, 500, true]);
    expect(sidesOf(document, "I10", "maxclients")).toEqual([4810, 10_000, true]);
  });

  it("ContextForge's own compose at three replicas, for the clients of its pooler and its Redis", () => {
    const document = planOf({
      gateway: ["GUNICORN_WORKERS=24", "DB_POOL_SIZE=20", "DB_MAX_OVERFLOW=10", "REDIS_MAX_CONNECTIONS=50"],
      replicas: 3,
      pooler: ["MAX_CLIENT_CONN=5000", "DEFAULT_POOL_SIZE=600", "RESERVE_POOL_SIZE=150", "MAX_DB_CONNECTIONS=700"],
      postgres: ["max_connections=800"],
      redis: [...redisServer, "--maxclients", "15000"],
    });
    expect(sidesOf(document, "I6")).toEqual([2160, 5000, true]);
    // 3 · 24 · 50, and ten for exporters and administrators.
    expect(sidesOf(document, "I10", "maxclients")).toEqual([3610, 15_000, true]);
  });
});

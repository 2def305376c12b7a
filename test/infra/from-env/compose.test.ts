// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of compose files are written so
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCompose } from "../../../infra/from-env/compose.ts";

const rows = (text: string) =>
  readCompose(text).assignments.map(({ role, kind, name, value, line }) => [role, kind, name, value, line]);

describe("compose files", () => {
  it("reads environments as a mapping and as a list, with defaults of variables", () => {
    const text = `
services:
  gateway:
    environment:
      DB_POOL_SIZE: 20
      AUTH_REQUIRED: true
      NOTHING:
      GUNICORN_WORKERS: "\${GUNICORN_WORKERS:-24}"
  pgbouncer:
    environment:
      - MAX_CLIENT_CONN=5000
      - POOL_MODE=transaction
      - FROM_SHELL
`;
    expect(rows(text)).toEqual([
      ["gateway", "environment", "DB_POOL_SIZE", "20", 5],
      ["gateway", "environment", "AUTH_REQUIRED", "true", 6],
      ["gateway", "environment", "GUNICORN_WORKERS", "24", 8],
      ["pgbouncer", "environment", "MAX_CLIENT_CONN", "5000", 11],
      ["pgbouncer", "environment", "POOL_MODE", "transaction", 12],
    ]);
    expect(readCompose(text).notes).toEqual([
      "line 7: a variable is taken from the shell, which is not read",
      "line 13: a variable is taken from the shell, which is not read",
    ]);
  });

  it("reads commands as a list and as one line", () => {
    const text = `
services:
  gateway: {}
  db:
    image: postgres:18
    command:
      - postgres
      - -c
      - max_connections=\${MAX:-500}
      - "-cshared_buffers=512MB"
      - --work-mem=16MB
  redis:
    command: redis-server --maxmemory 1gb --maxmemory-policy 'allkeys-lru' --save "" --tcp-backlog 2048
`;
    expect(rows(text)).toEqual([
      ["postgres", "flag", "max_connections", "500", 9],
      ["postgres", "flag", "shared_buffers", "512MB", 10],
      ["postgres", "flag", "work_mem", "16MB", 11],
      ["postgres", "service", "image", "postgres:18", 5],
      ["redis", "flag", "maxmemory", "1gb", 13],
      ["redis", "flag", "maxmemory-policy", "allkeys-lru", 13],
      ["redis", "flag", "save", "", 13],
      ["redis", "flag", "tcp-backlog", "2048", 13],
    ]);
  });

  it("reads replicas, limits, reservations and kernel parameters, the older keys too", () => {
    const text = `
services:
  gateway:
    deploy:
      replicas: 3
      resources: { limits: { cpus: '8', memory: 8G }, reservations: { cpus: 4 } }
    sysctls: [net.core.somaxconn=65535]
  nginx: { scale: 2, cpus: 1.5, mem_limit: 512m, sysctls: { net.ipv4.ip_local_port_range: 1024 65535 } }
`;
    expect(rows(text)).toEqual([
      ["gateway", "service", "replicas", "3", 5],
      ["gateway", "service", "cpus", "8", 6],
      ["gateway", "service", "memory", "8G", 6],
      ["gateway", "service", "reservations.cpus", "4", 6],
      ["gateway", "service", "net.core.somaxconn", "65535", 7],
      ["nginx", "service", "replicas", "2", 8],
      ["nginx", "service", "cpus", "1.5", 8],
      ["nginx", "service", "memory", "512m", 8],
      ["nginx", "service", "net.ipv4.ip_local_port_range", "1024 65535", 8],
    ]);
  });

  it("follows anchors and merge keys; what stands beside a merge is stronger", () => {
    const text = `
x-common: &common
  DB_POOL_SIZE: 5
  LOG_LEVEL: ERROR
services:
  gateway: &service
    environment:
      <<: *common
      DB_POOL_SIZE: 20
  other: *service
`;
    expect(rows(text)).toEqual([
      ["gateway", "environment", "DB_POOL_SIZE", "20", 9],
      ["gateway", "environment", "LOG_LEVEL", "ERROR", 4],
    ]);
  });

  it("finds services by name, else by image; what runs once and what only looks at them is neither", () => {
    const service = (image: string, mark: string) => `{ image: "${image}", environment: { MARK: ${mark} } }`;
    const text = `
services:
  migration: ${service("mcpgateway/mcpgateway:latest", "no")}
  register_time: ${service("mcpgateway/mcpgateway:latest", "no")}
  app: ${service("ghcr.io/ibm/mcp-context-forge:1.0.8", "gateway")}
  pool: ${service("edoburu/pgbouncer:v1.24.1-p1", "pgbouncer")}
  pgadmin: ${service("dpage/pgadmin4:latest", "no")}
  exporter: ${service("prom/postgres-exporter:latest", "no")}
  web_ui_redis: ${service("redis:7", "no")}
  redis: ${service("valkey/valkey:8", "redis")}
  db: ${service("timescale/x:1", "postgres")}
  edge: ${service("nginx:1.29", "nginx")}
`;
    const marks = rows(text).filter(([, , name]) => name === "MARK");
    expect(marks.map(([role, , , value]) => [role, value])).toEqual([
      ["gateway", "gateway"],
      ["pgbouncer", "pgbouncer"],
      ["postgres", "postgres"],
      ["redis", "redis"],
      ["nginx", "nginx"],
    ]);
  });

  it("takes the last of two values and says so, and names files it does not read", () => {
    const { assignments, notes } = readCompose(`
services:
  gateway:
    env_file: .env
    extends: { file: base.yml, service: gateway }
    environment: [A=1, B=2, A=3]
`);
    expect(assignments.map(({ name, value }) => [name, value])).toEqual([
      ["A", "3"],
      ["B", "2"],
    ]);
    expect(notes).toEqual([
      "lines 6 and 6 set the same name; the last one counts",
      "env_file of the gateway service names another file, which is not read",
      "extends of the gateway service names another file, which is not read",
    ]);
  });

  it.each([
    ["", [{ line: 1, message: "no service is called gateway or runs an image of it" }]],
    ["services: [1, 2]", [{ line: 1, message: "no service is called gateway or runs an image of it" }]],
    ["services:\n  gateway:\n    environment:\n      - {a: b}\n", [{ line: 4, message: "not NAME=value" }]],
    [
      "services:\n  gateway:\n    environment:\n      - A=${\n",
      [{ line: 4, message: "a dollar and a brace are not followed by a name" }],
    ],
    ["services:\n  gateway: {a: [\n", [{ line: 3, message: "not YAML: bad indent" }]],
    ["a: *nowhere\nservices:\n  gateway: {}", []],
    ["x: &x [*x]\nservices:\n  gateway: &g {<<: *g, environment: *x}", expect.any(Array)],
  ])("%j is read as far as it goes", (text, problems) => {
    expect(readCompose(text).problems).toEqual(problems);
  });

  it("a file that is nested deeper than a parser's stack is a problem", () => {
    expect(readCompose(`services: ${"[".repeat(20_000)}`).problems.length).toBeGreaterThan(0);
  });

  it("never throws", () => {
    const part = fc.constantFrom(
      "services:",
      "gateway:",
      "environment:",
      "command:",
      "deploy:",
      "- ",
      "  ",
      "\n",
      "A=1",
      "&a ",
      "*a",
      "<<: *a",
      "{",
      "}",
      "[",
      "]",
      ":",
      "'",
      '"',
      "${",
      "|",
      "? ",
      "!!binary x",
      "\t",
      "%YAML 9",
      "---\n",
      "...",
      "#",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const { problems } = readCompose(parts.join(""));
        expect(problems.every(({ line }) => Number.isInteger(line) && line >= 1)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});

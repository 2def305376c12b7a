import { describe, expect, it } from "vitest";
import { formatConsequences, formatEnvReport, readDeployment } from "../../../infra/from-env/index.ts";
import { plan, readInput } from "../../../infra/sizing/index.ts";

const plain = { colour: false };
const small = `PORT=4444
JWT_SECRET_KEY=
DB_POOL_SIZE=5
DB_POOL_RECYCLE=3600
CLIENT_IDLE_TIMEOUT=120
HTTPX_CONNECT_TIMEOUT=5
SIEM_EXPORT_ENABLED=true
TEMPLATES_DIR=/x
DB_POOL_SZIE=3
HOME=/root
`;

describe("the report as text", () => {
  it("counts first, then a line per name by verdict, then assumptions", () => {
    const { report } = readDeployment(small, "old.env");
    expect(formatEnvReport(report, plain)).toBe(`\
old.env: 9 names: 1 refused, 1 unknown, 3 sized, 1 renamed, 2 honoured, 1 meaningless; 1 for other programs

Refused: somebody relies on it, and this gateway does not keep it
  SIEM_EXPORT_ENABLED  line 7  security events are kept in the database and on stderr, and not exported; instead: log lines on stderr (DISABLE_ACCESS_LOG=false for one per request)

Unknown: mistyped, or of a version that is not known here
  DB_POOL_SZIE  line 9  no such name; DB_POOL_SIZE is the nearest

Sized: numbers that the plan takes and proves
  DB_POOL_SIZE         line 3  given.database.poolPerWorker = 5 (pinned; also setting DB_POOL_SIZE)
  DB_POOL_RECYCLE      line 4  given.database.recycleS = 3600 (pinned; also setting DB_POOL_RECYCLE)
  CLIENT_IDLE_TIMEOUT  line 5  given.pgbouncer.clientIdleTimeoutS = 120 (pinned)

Renamed: the same thing under another name
  HTTPX_CONNECT_TIMEOUT  line 6  UPSTREAM_CONNECT_TIMEOUT: the same value

Honoured: the same name and meaning
  PORT            line 1  as it stands
  JWT_SECRET_KEY  line 2  empty, so it sets nothing

Meaningless: nothing is lost without it
  TEMPLATES_DIR  line 8  there are no admin pages; the registry is managed over its API and a file; instead: MCP_CONFIG

Assumed, since the file does not say
  environment = dev (ContextForge's own default)
  load.peakRps = 50 (an example load of this project)
  load.concurrentUsers = 20 (an example load of this project)
  load.meanLatencyMs = 150 (an example load of this project)
  gateway.cpu = 1 (no limit is set; one core per worker)
  gateway.memory = 512Mi (no limit is set; 512 MiB per worker)
  database.postgres.cpu = 1 (no limit is set; enough for the rest)
  database.postgres.memory = 1024Mi (no limit is set; enough for the rest)
  mcp.maxTotalSessions = 800 (no limit is set; enough for the rest)
  better: --what-if load.peakRps=…
`);
  });

  it("of a file that is not understood says where, and assumes nothing", () => {
    const { report } = readDeployment("TOOL_TIMEOUT=ninety\n???\nPORT=1\n", "old.env");
    expect(formatEnvReport(report, plain)).toBe(`\
old.env: 1 name: 1 honoured, 2 not understood

Not understood
  line 1: TOOL_TIMEOUT has to be a time in seconds
  line 2: neither a comment nor NAME=value

Honoured: the same name and meaning
  PORT  line 3  as it stands
`);
  });

  it("of an empty file is short", () => {
    const { report } = readDeployment("", ".env");
    expect(formatEnvReport(report, plain).split("\n")[0]).toBe(".env: 0 names");
  });

  it("of a compose file names the service, and how a flag is written", () => {
    const text = `services:
  gateway: { image: mcpgateway/mcpgateway, environment: { DB_POOL_SIZE: 5 }, env_file: .env }
  postgres: { command: postgres -c max_connections=500 }
  redis: { command: redis-server --maxclients 10000 }
`;
    const { report } = readDeployment(text, "compose.yml");
    const lines = formatEnvReport(report, plain).split("\n");
    expect(lines.filter((line) => /^ {2}(?:gateway|postgres|redis): /.test(line))).toEqual([
      "  gateway: DB_POOL_SIZE         line 2  given.database.poolPerWorker = 5 (pinned; also setting DB_POOL_SIZE)",
      "  postgres: -c max_connections  line 3  given.postgres.maxConnections = 500 (pinned)",
      "  redis: --maxclients           line 4  given.redis.maxclients = 10000 (pinned)",
    ]);
    expect(lines.slice(-3)).toEqual([
      "Notes",
      "  env_file of the gateway service names another file, which is not read",
      "",
    ]);
  });

  it("is coloured only when asked, and says the same", () => {
    const { report } = readDeployment(small, "old.env");
    const coloured = formatEnvReport(report, { colour: true });
    expect(coloured).toContain("\u001B[31mRefused: ");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a colour is
    expect(coloured.replace(/\u001B\[\d+m/g, "")).toBe(formatEnvReport(report, plain));
  });
});

describe("the consequences as text", () => {
  const consequences = (text: string, name: string) => {
    const { input, report } = readDeployment(text, name);
    const reading = readInput(input);
    if (!reading.ok) throw new Error(reading.problems.map(({ message }) => message).join("\n"));
    return formatConsequences(report, plan(reading.input), plain);
  };

  it("name what does not hold, and what to write instead of which line", () => {
    expect(consequences("DB_POOL_SIZE=5\nDB_POOL_RECYCLE=3600\nCLIENT_IDLE_TIMEOUT=120\n", "old.env")).toBe(`\
What does not hold: 1 budget
  I19  2 · life of a gateway's database connection (recycleS) ≤ pgbouncer.clientIdleTimeoutS: 7200 ≤ 120 s is false
      write given.pgbouncer.clientIdleTimeoutS: 7200 instead of 120 (CLIENT_IDLE_TIMEOUT, line 3)
      write given.database.recycleS: 60 instead of 3600 (DB_POOL_RECYCLE, line 2)
`);
  });

  it("say what of it is an assumption, and what a default of the plan", () => {
    const text = `services:
  gateway: { scale: 2, environment: [GUNICORN_WORKERS=16, "DATABASE_URL=postgres://u:p@postgres/mcp"] }
  postgres: { cpus: 1, mem_limit: 8g }
`;
    expect(consequences(text, "compose.yml")).toBe(`\
What does not hold: 1 budget
  I51  database processor time at the peak ≤ 0.7 · cores of PostgreSQL: 1.92 ≤ 0.7 cores is false
      write load.peakRps: 729.1 instead of 2000 (assumed)
      write load.dbQueriesPerRequest: 0.364 instead of 1 (assumed)
      write database.postgres.cpu: 2.75 instead of 1 (postgres: cpus, line 3)
      write load.dbCpuMs: 0.36 instead of 1 (a default)
`);
  });

  it("of what holds are one sentence", () => {
    expect(consequences("DB_POOL_SIZE=2\n", ".env")).toBe("What the file asks for holds.\n");
  });
});

/** A topology carries the plan's numbers and nothing else: through the gateway's own reader, with no secret in it, one tier at a time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settingsFingerprint } from "../../../contract/setting-values.ts";
import { settingNames } from "../../../contract/settings.ts";
import { loadSettings } from "../../../gateway/settings/index.ts";
import { resolveText, secretMarker, secretsIn, type Topology, type Workload } from "../../../infra/topology/index.ts";
import { built, refused, stackFile } from "./stacks.ts";

const STACKS = ["dev", "local", "prod"] as const;
const workload = ({ workloads }: Topology, name: string): Workload => {
  const found = workloads.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no workload ${name}`);
  return found;
};
const checksums = ({ workloads }: Topology) =>
  Object.fromEntries(workloads.map(({ name, checksum }) => [name, checksum]));
/** Names whose checksums differ. */
const changed = (before: Topology, after: Topology) => {
  const [one, other] = [checksums(before), checksums(after)];
  return Object.keys({ ...one, ...other }).filter((name) => one[name] !== other[name]);
};

describe("the stacks of this repository", () => {
  it("start in an order in which nothing comes before what it needs", () => {
    for (const stack of STACKS) {
      const { workloads } = built(stack).topology;
      workloads.forEach(({ name, after }, at) => {
        const before = workloads.slice(0, at).map((one) => one.name);
        expect([stack, name, after.filter((needed) => !before.includes(needed))]).toEqual([stack, name, []]);
      });
    }
  });

  it("consist of these workloads", () => {
    const names = (stack: string) => built(stack).topology.workloads.map(({ name, shape }) => `${name} ${shape.kind}`);
    const data = ["postgres stateful", "redis stateful", "roles job", "migrations job", "pgbouncer replicated"];
    const backups = ["backup schedule", "restore-test schedule"];
    expect(names("dev")).toEqual([...data, "gateway replicated", "nginx replicated", ...backups]);
    expect(names("prod")).toEqual([...data, "gateway replicated", "nginx replicated", ...backups]);
    expect(names("local")).toEqual([...data, "gateway-1 replicated", "gateway-2 replicated", "nginx replicated"]);
  });

  it("are the same twice", () => {
    for (const stack of STACKS) expect(built(stack)).toEqual(built(stack));
  });
});

describe("the gateway's environment", () => {
  /** Every `<NAME>_FILE` is there as a rendered file, and nothing else comes as a file. */
  const plainOf = ({ environment, files }: Workload) => {
    const paths = files.map(({ path }) => path);
    for (const [name, value] of Object.entries(environment)) if (name.endsWith("_FILE")) expect(paths).toContain(value);
    return Object.fromEntries(
      Object.entries(environment).filter(
        ([name]) => !name.endsWith("_FILE") && !["PATH", "NODE_ENV", "UV_THREADPOOL_SIZE"].includes(name),
      ),
    );
  };

  it.each(STACKS)("of %s is read by the gateway without a warning, as the plan's numbers", (stack) => {
    const { topology, document } = built(stack);
    const gateway = workload(topology, stack === "local" ? "gateway-1" : "gateway");
    const { settings, warnings } = loadSettings({ env: plainOf(gateway), envFile: false });
    const { plan } = document;
    expect(warnings).toEqual([]);
    expect({
      pool: settings.DB_POOL_SIZE,
      acquire: settings.DB_POOL_TIMEOUT,
      keepAlive: settings.KEEP_ALIVE_TIMEOUT,
      backlog: settings.BACKLOG,
      inFlight: settings.MAX_IN_FLIGHT,
      streams: settings.MAX_STREAMS,
      tool: settings.TOOL_TIMEOUT,
      sockets: settings.UPSTREAM_CONNECTIONS,
      grace: settings.SHUTDOWN_GRACE,
      health: settings.HEALTH_CHECK_INTERVAL,
      sse: settings.SSE_KEEPALIVE_INTERVAL,
      engine: settings.HTTP_SERVER,
      migrates: settings.MIGRATE_ON_START,
      idle: settings.DB_POOL_IDLE_TIMEOUT,
      recycle: settings.DB_POOL_RECYCLE,
      query: settings.DB_QUERY_TIMEOUT,
      redis: settings.REDIS_COMMAND_TIMEOUT,
      upstreamIdle: settings.UPSTREAM_KEEP_ALIVE_TIMEOUT,
      believed: settings.AUTH_CACHE_TTL,
      ready: settings.READY_CHECK_TIMEOUT,
    }).toEqual({
      pool: plan.database.poolPerWorker,
      acquire: plan.timeouts.dbAcquireS,
      keepAlive: plan.timeouts.gatewayKeepaliveS,
      backlog: plan.gateway.backlog,
      inFlight: plan.gateway.inFlightPerWorker,
      streams: plan.mcp.streamsPerWorker,
      tool: plan.timeouts.toolS,
      sockets: plan.mcp.socketsPerOrigin,
      grace: plan.shutdown.drainS,
      health: plan.timeouts.healthIntervalS,
      sse: plan.timeouts.sseKeepaliveS,
      engine: plan.engine.kind,
      migrates: false,
      idle: plan.timeouts.dbIdleS,
      recycle: plan.database.recycleS,
      query: plan.timeouts.dbQueryS,
      redis: plan.timeouts.redisCommandS,
      upstreamIdle: plan.timeouts.upstreamKeepaliveS,
      believed: plan.caches.jwtTtlS,
      ready: plan.timeouts.probeCheckS,
    });
  });

  it("names settings only", () => {
    const gateway = workload(built("prod").topology, "gateway");
    const names = Object.keys(gateway.environment).map((name) => name.replace(/_FILE$/, ""));
    const known: readonly string[] = [...settingNames, "PATH", "NODE_ENV", "UV_THREADPOOL_SIZE", "PLAN"];
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
  });

  it("of all replicas has one fingerprint", () => {
    const { topology } = built("local");
    const [one, other] = ["gateway-1", "gateway-2"].map((name) => workload(topology, name).environment);
    expect(one).not.toEqual(other);
    expect(settingsFingerprint(one ?? {})).toBe(settingsFingerprint(other ?? {}));
  });
});

describe("secrets", () => {
  it.each(STACKS)("of %s are names: declared, used, and only in files that are secret", (stack) => {
    const { topology } = built(stack);
    const used = new Set<string>();
    for (const { files, environment, command } of topology.workloads) {
      for (const { text, isSecret } of files) {
        for (const name of secretsIn(text)) used.add(name);
        expect(isSecret).toBe(secretsIn(text).length > 0);
      }
      expect(secretsIn(JSON.stringify([environment, command]))).toEqual([]);
    }
    const declared = topology.secrets.map(({ name }) => name);
    // Backups and exporters are no workloads of the local target; their roles are there all the same.
    expect([...used].toSorted()).toEqual(declared.toSorted());
  });

  it("stand in their place as it wants them, whatever they hold", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: "grapheme-ascii" }), (value) => {
        const text = `a ${secretMarker("one")} b ${secretMarker("one", "url")} c '${secretMarker("one", "sql")}'`;
        const resolved = resolveText(text, { one: value });
        expect(resolved).toBe(`a ${value} b ${encodeURIComponent(value)} c '${value.replaceAll("'", "''")}'`);
      }),
    );
  });

  it("that are missing, or could end a line, are named and never shown", () => {
    expect(() => resolveText(secretMarker("one"), {})).toThrow("secret one has no value");
    expect(() => resolveText(secretMarker("one"), { one: "hidden\nvalue" })).toThrow(
      /^secret one holds a control character$/,
    );
    expect(() => resolveText(secretMarker("constructor"), {})).toThrow("secret constructor has no value");
  });
});

describe("what starts again after a change", () => {
  const before = built("prod").topology;

  it("is nginx alone, after a limit of nginx", () => {
    const access = { ...Object(stackFile("prod").deployment).access, limits: { requestsPerSecond: 101 } };
    expect(changed(before, built("prod", { deployment: { access } }).topology)).toEqual(["nginx"]);
  });

  it("is nobody, after another price or another MCP server", () => {
    const prices = { currency: "EUR", cpuMonth: 20, memoryGiBMonth: 3, storageGiBMonth: 0.1 };
    expect(changed(before, built("prod", { sizing: { prices } }).topology)).toEqual([]);
    const one = { servers: { one: { type: "http", url: "https://one.example.com/mcp" } } };
    const two = { servers: { ...one.servers, two: { type: "http", url: "https://two.example.com/mcp" } } };
    const with_ = (upstreams: object) => built("prod", { deployment: { upstreams } }).topology;
    expect(changed(with_(one), with_(two))).toEqual([]);
  });

  it("is whoever has the password, after a rotation", () => {
    const rotated = built("prod", { deployment: { secrets: { database: "2" } } }).topology;
    expect(changed(before, rotated)).toEqual(["roles", "migrations", "pgbouncer", "gateway", "backup"]);
    expect(changed(before, built("prod", { deployment: { secrets: { redis: "2" } } }).topology)).toEqual([
      "redis",
      "gateway",
    ]);
    expect(changed(before, built("prod", { deployment: { secrets: { signing: "2" } } }).topology)).toEqual(["gateway"]);
  });
});

describe("variants", () => {
  const managed = {
    variant: "external",
    host: "db.example.com",
    networks: ["203.0.113.0/24"],
    database: "gate way",
    user: "o'neil",
  };

  const operated = {
    variant: "cloudnativepg",
    imageName: `ghcr.io/cloudnative-pg/postgresql:18.1@sha256:${"0".repeat(64)}`,
  };

  it("a managed PostgreSQL has no postgres, roles or backups, and its password is given", () => {
    const { topology } = built("prod", { deployment: { postgres: managed } });
    expect(topology.workloads.map(({ name }) => name)).toEqual([
      "redis",
      "migrations",
      "pgbouncer",
      "gateway",
      "nginx",
    ]);
    expect(topology.secrets.find(({ name }) => name === "database-gateway")).toEqual({
      name: "database-gateway",
      why: "password of o'neil in the managed PostgreSQL",
      kind: "given",
      key: "mcp-stack:databasePassword",
      version: "1",
    });
    const url = workload(topology, "migrations").files[0]?.text ?? "";
    expect(resolveText(url, { "database-gateway": "p@ss/word" })).toBe(
      "postgresql://o'neil:p%40ss%2Fword@db.example.com:5432/gate%20way?sslmode=verify-full",
    );
    const [ini] = workload(topology, "pgbouncer").files;
    expect(ini?.text.match(/server_tls.*/g)).toEqual([
      "server_tls_sslmode = verify-full",
      "server_tls_ca_file = /etc/ssl/certs/ca-certificates.crt",
    ]);
  });

  it("a given secret that is another one starts again whoever has read it, at its version's word", () => {
    const redis = { variant: "external", networks: ["203.0.113.0/24"] };
    const given = (secrets: object) => built("prod", { deployment: { postgres: managed, redis, secrets } }).topology;
    expect(changed(given({}), given({ database: "2" }))).toEqual(["migrations", "pgbouncer", "gateway"]);
    expect(changed(given({}), given({ redis: "2" }))).toEqual(["gateway"]);
  });

  it("a managed PostgreSQL of a private authority, or that is not checked, is told to the pooler and to the driver alike", () => {
    const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    const of = (changes: object) => built("prod", { deployment: { postgres: { ...managed, ...changes } } }).topology;
    const told = (topology: Topology) => [
      workload(topology, "pgbouncer").files[0]?.text.match(/server_tls.*/g),
      workload(topology, "migrations").files.at(-1)?.text.replace(/^.*\?/, ""),
    ];
    expect(told(of({ authority: pem }))).toEqual([
      ["server_tls_sslmode = verify-full", "server_tls_ca_file = /etc/mcp-stack/postgres-authority.pem"],
      "sslmode=verify-full&sslrootcert=/etc/mcp-stack/postgres-authority.pem",
    ]);
    for (const name of ["pgbouncer", "migrations"])
      expect(workload(of({ authority: pem }), name).files).toContainEqual({
        path: "/etc/mcp-stack/postgres-authority.pem",
        text: pem,
        isSecret: false,
        isReread: false,
      });
    expect(told(of({ tls: "require" }))).toEqual([["server_tls_sslmode = require"], "sslmode=no-verify"]);
    expect(told(of({ tls: "disable" }))).toEqual([null, "sslmode=disable"]);
  });

  it("a direct connection has no pooler", () => {
    const { database } = Object(stackFile("dev").sizing);
    const { topology } = built("dev", { sizing: { database: { ...database, mode: "direct" } } });
    expect(topology.workloads.map(({ name }) => name)).not.toContain("pgbouncer");
    const gateway = workload(topology, "gateway");
    expect(gateway.after).toEqual(["migrations", "redis"]);
    expect(gateway.files.find(({ path }) => path.endsWith("database-url"))?.text).toBe(
      `postgresql://gateway:${secretMarker("database-gateway", "url")}@postgres:5432/mcp`,
    );
    expect(topology.edges.some(({ from, to }) => from === "gateway" && to === "postgres")).toBe(true);
  });

  it("CloudNativePG has neither postgres nor pgbouncer of ours, and its names", () => {
    const { topology } = built("prod", { deployment: { postgres: operated } });
    expect(topology.workloads.map(({ name }) => name)).toEqual(["redis", "migrations", "gateway", "nginx"]);
    expect(workload(topology, "gateway").files.find(({ path }) => path.endsWith("database-url"))?.text).toBe(
      `postgresql://gateway:${secretMarker("database-gateway", "url")}@pgbouncer.mcp.svc.cluster.local:5432/mcp`,
    );
    expect(workload(topology, "migrations").files[0]?.text).toBe(
      `postgresql://migrator:${secretMarker("database-migrator", "url")}@postgres-rw.mcp.svc.cluster.local:5432/mcp`,
    );
  });

  it("CloudNativePG reaches its object store at the port of its endpoint", () => {
    const at = (endpoint?: string) => {
      const backup = {
        destination: "s3://backups/mcp",
        secretName: "store",
        ...(endpoint === undefined ? {} : { endpoint }),
      };
      const { topology } = built("prod", { deployment: { postgres: { ...operated, backup } } });
      return topology.edges.flatMap(({ from, to, port }) => (to === "object-store" ? [`${from} ${port}`] : []));
    };
    expect([at(), at("https://minio.example:9000"), at("http://minio.example")]).toEqual([
      ["postgres 443"],
      ["postgres 9000"],
      ["postgres 80"],
    ]);
  });

  it("a Redis of a private authority is known by it", () => {
    const authority = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
    const redis = { variant: "cluster", networks: ["203.0.113.0/24"], authority };
    const { environment, files } = workload(built("prod", { deployment: { redis } }).topology, "gateway");
    expect(environment.REDIS_CA_FILE).toBe("/etc/mcp-stack/redis-authority.pem");
    expect(files.find(({ path }) => path === environment.REDIS_CA_FILE)?.text).toBe(`${authority}\n`);
  });

  it("Redis watched by Sentinels is somebody else's, with the Sentinels' port among the edges", () => {
    const redis = { variant: "sentinel", networks: ["203.0.113.0/24"] };
    const { topology } = built("prod", { deployment: { redis } });
    expect(topology.edges.filter(({ to }) => to === "managed-redis").map(({ from, port }) => [from, port])).toEqual([
      ["gateway", 6379],
      ["gateway", 26379],
    ]);
  });
});

describe("exporters", () => {
  const digest = `@sha256:${"0".repeat(64)}`;
  const image = (name: string) => ({ reference: `registry.example/${name}:1${digest}` });
  const { topology } = built("prod", { deployment: { exporters: { redis: image("redis") } } });

  it("of Redis finds its password under the address with its user, as it looks it up", () => {
    const { environment, files } = workload(topology, "exporter-redis");
    expect(environment.REDIS_ADDR).toBe("redis://redis.mcp.svc.cluster.local:6379");
    expect(environment.REDIS_USER).toBe("monitor");
    const passwords: unknown = JSON.parse(files[0]?.text ?? "");
    expect(passwords).toEqual({
      "redis://monitor@redis.mcp.svc.cluster.local:6379": secretMarker("redis-monitor"),
    });
    expect(files[0]?.path).toBe(environment.REDIS_PASSWORD_FILE);
  });
});

describe("what cannot be built is refused with the key", () => {
  const gateway = Object(stackFile("prod").sizing).gateway;
  const images = Object(stackFile("prod").deployment).images;

  it("an image by tag in production", () => {
    expect(refused("prod", { deployment: { images: { ...images, redis: {} } } })).toBe(
      'stack prod cannot be built:\n  deployment.images.redis.reference is "docker.io/library/redis:8.2.1"; allowed: …@sha256:<64 hexadecimal digits> (a tag may become another image; in production every image is named by its digest)',
    );
  });

  it("CloudNativePG's image by tag in production, or left to the operator", () => {
    const imageName = "ghcr.io/cloudnative-pg/postgresql:18.1";
    expect(refused("prod", { deployment: { postgres: { variant: "cloudnativepg", imageName } } })).toContain(
      `\n  deployment.postgres.imageName is "${imageName}"; allowed: …@sha256:`,
    );
    expect(refused("prod", { deployment: { postgres: { variant: "cloudnativepg" } } })).toContain(
      "\n  deployment.postgres.imageName is not there; allowed: …@sha256:",
    );
  });

  it("an image of another version than files are written for, where its tag says so", () => {
    const at = (reference: string, more: object = {}) => ({ images: { nginx: { reference, ...more } } });
    expect(refused("dev", { deployment: at("docker.io/library/nginx:1.26-alpine") })).toBe(
      'stack dev cannot be built:\n  deployment.images.nginx.version is "1.28.0"; allowed: that of the image, 1.26 (deployment.images.nginx.reference is docker.io/library/nginx:1.26-alpine)',
    );
    expect(refused("dev", { deployment: { images: { postgres: { reference: "postgres:17.2" } } } })).toContain(
      '\n  sizing.database.postgres.version is "18"; allowed: that of the image, 17.2',
    );
    for (const deployment of [
      at("docker.io/library/nginx:1.26-alpine", { version: "1.26.3" }),
      at("docker.io/library/nginx:stable"),
      at("registry.example/my-proxy:7"),
      { images: { pgbouncer: { reference: "edoburu/pgbouncer:v1.25.2-p0" } } },
    ])
      expect(built("dev", { deployment }).topology.workloads).not.toEqual([]);
  });

  it("a balancer in front that nobody believes", () => {
    expect(refused("prod", { deployment: { access: { hosts: ["mcp.example.com"] } } })).toBe(
      "stack prod cannot be built:\n  deployment.access.trustedProxies is []; allowed: the networks of the ingress's pods, as in deployment.kubernetes.podNetworks (requests come through it, and limits are of one client)",
    );
  });

  it("what needs counters that nobody reads", () => {
    const kubernetes = { inFlightMetric: true, monitoring: { rules: true, dashboards: true } };
    const why =
      "allowed: false, or deployment.kubernetes.monitoring.serviceMonitors: true (nobody reads the counters that it needs)";
    expect(refused("prod", { deployment: { kubernetes } })).toBe(
      [
        "stack prod cannot be built:",
        `  deployment.kubernetes.inFlightMetric is true; ${why}`,
        `  deployment.kubernetes.monitoring.rules is true; ${why}`,
        `  deployment.kubernetes.monitoring.dashboards is true; ${why}`,
      ].join("\n"),
    );
  });

  it("an authority by which nobody is checked", () => {
    const authority = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    const postgres = {
      variant: "external",
      host: "db.example.com",
      networks: ["203.0.113.0/24"],
      tls: "require",
      authority,
    };
    expect(refused("prod", { deployment: { postgres } })).toBe(
      'stack prod cannot be built:\n  deployment.postgres.tls is "require"; allowed: verify-full, or no authority (nobody is checked by it)',
    );
  });

  it("several workers, an engine that is not there", () => {
    expect(refused("prod", { sizing: { gateway: { ...gateway, cpu: 2, workers: 2, memory: "2Gi" } } })).toBe(
      "stack prod cannot be built:\n  sizing.gateway.workers is 2; allowed: 1 (a replica of the gateway is one process; more cores are more replicas)",
    );
  });

  it("an operator outside Kubernetes, ports that meet, a port of root", () => {
    expect(refused("dev", { deployment: { postgres: { variant: "cloudnativepg" } } })).toBe(
      'stack dev cannot be built:\n  deployment.postgres.variant is "cloudnativepg"; allowed: self-contained or external (the operator runs in Kubernetes only)',
    );
    expect(refused("dev", { deployment: { docker: { ports: { redis: 8080 } } } })).toBe(
      "stack dev cannot be built:\n  deployment.docker.ports.redis is 8080; allowed: a port of its own (nginx has it already)",
    );
    expect(refused("local", { deployment: { local: { ports: { redis: 4445, nginx: 80 } } } })).toBe(
      "stack local cannot be built:\n  deployment.local.ports.nginx is 80; allowed: 1024 to 65535 (nothing here runs as root)\n  deployment.local.ports.gateway + 1 is 4445; allowed: a port of its own (redis has it already)",
    );
  });

  it("a plan that does not hold, with its whole text", () => {
    const { database } = Object(stackFile("prod").sizing);
    const text = refused("prod", {
      sizing: { database: { ...database, postgres: { cpu: 8, memory: "32Gi", ceiling: 20 } } },
    });
    expect(text).toMatch(/^REFUSED|does not hold/);
    expect(text).toContain("max_connections");
  });
});

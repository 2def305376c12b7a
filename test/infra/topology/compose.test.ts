/** A topology carries the plan's numbers and nothing else: through the gateway's own reader, with no secret in it, one tier at a time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settingsFingerprint } from "../../../contract/setting-values.ts";
import { settings as declared, settingNames } from "../../../contract/settings.ts";
import { loadSettings } from "../../../gateway/settings/index.ts";
import { resolveSubnets, resolveText, secretMarker, secretsIn, type Workload } from "../../../infra/topology/index.ts";
import { built, changed, stackFile, workload } from "./stacks.ts";

const STACKS = ["dev", "local", "prod"] as const;
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

/** Every `<NAME>_FILE` is there as a rendered file, and nothing else comes as a file; networks as an engine would have chosen them. */
const plainOf = ({ environment, files }: Workload) => {
  const paths = files.map(({ path }) => path);
  for (const [name, value] of Object.entries(environment)) if (name.endsWith("_FILE")) expect(paths).toContain(value);
  return Object.fromEntries(
    Object.entries(environment)
      .filter(([name]) => !name.endsWith("_FILE") && !["PATH", "NODE_ENV"].includes(name))
      .map(([name, value]) => [name, resolveSubnets(value, { inside: "172.31.7.0/24" })]),
  );
};

describe("the gateway's environment", () => {
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

  /** A stack whose replicas have two cores and two workers on them. */
  const withTwo = (stack: string, engine: string) => {
    const { gateway, calibration } = Object(stackFile(stack).sizing);
    // A production plan holds only with the figures of the engine that it names.
    const measured = calibration === undefined ? {} : { calibration: { ...calibration, engine } };
    return built(stack, {
      sizing: { ...measured, gateway: { ...gateway, engine, workers: 2, cpu: 2, memory: "1Gi" } },
    });
  };

  it.each(STACKS.flatMap((stack) => ["fastify", "bounded"].map((engine) => [stack, engine] as const)))(
    "of %s with two workers of %s differs in settings alone, and each is of one worker",
    (stack, engine) => {
      const { topology, document } = withTwo(stack, engine);
      const name = stack === "local" ? "gateway-1" : "gateway";
      const { settings, warnings } = loadSettings({ env: plainOf(workload(topology, name)), envFile: false });
      const { gateway, mcp, database } = document.plan;
      const requestsMiB = (gateway.inFlightPerWorker * gateway.bytesPerRequest) / 1024 ** 2;
      expect(warnings).toEqual([]);
      expect([
        settings.HTTP_SERVER,
        settings.WORKERS,
        settings.MAX_IN_FLIGHT,
        settings.MAX_STREAMS,
        settings.DB_POOL_SIZE,
        settings.BLOCKING_THREADS,
        settings.WORKER_MEMORY,
      ]).toEqual([
        engine,
        2,
        gateway.inFlightPerWorker,
        mcp.streamsPerWorker,
        database.poolPerWorker,
        gateway.threadPool,
        Math.floor((gateway.maxOldSpaceMiB + gateway.workerBaseMiB + requestsMiB) * 1024 ** 2),
      ]);
      // Two of them and the primary fit into what the replica has.
      expect(2 * (settings.WORKER_MEMORY ?? 0) + 60 * 1024 ** 2).toBeLessThanOrEqual(
        0.9 * gateway.memoryMiB * 1024 ** 2,
      );
    },
  );

  it.each(STACKS)("of %s is all that the engine changes", (stack) => {
    const [fastify, bounded] = ["fastify", "bounded"].map((engine) => withTwo(stack, engine).topology);
    const apart = (topology: typeof fastify) =>
      topology?.workloads.map(
        ({ checksum: _, environment: { HTTP_SERVER: _engine, BACKLOG: _backlog, ...environment }, ...rest }) => ({
          ...rest,
          environment,
          files: rest.files.filter(({ path }) => !path.endsWith("/plan.json")),
        }),
      );
    expect(apart(bounded)).toEqual(apart(fastify));
  });

  it("with one worker leaves its memory to the container: nobody watches it", () => {
    expect(workload(built("dev").topology, "gateway").environment).not.toHaveProperty("WORKER_MEMORY");
  });

  it("names settings only", () => {
    const gateway = workload(built("prod").topology, "gateway");
    const names = Object.keys(gateway.environment).map((name) => name.replace(/_FILE$/, ""));
    const known: readonly string[] = [...settingNames, "PATH", "NODE_ENV", "PLAN"];
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

describe("callers", () => {
  const settingsOf = (stack: (typeof STACKS)[number], deployment: Readonly<Record<string, unknown>> = {}) => {
    const { topology } = built(stack, { deployment });
    const env = plainOf(workload(topology, stack === "local" ? "gateway-1" : "gateway"));
    return loadSettings({ env, envFile: false }).settings;
  };

  it.each([
    ["local", ["127.0.0.1/32"]],
    ["dev", ["172.31.7.0/24"]],
    ["prod", ["10.244.0.0/16"]],
  ] as const)("of %s come by an nginx that the gateway believes", (stack, networks) => {
    expect(settingsOf(stack).TRUSTED_PROXIES).toEqual(networks);
  });

  it("of a cluster come from the pods' networks, whatever balancers nginx believes", () => {
    const { access, kubernetes } = Object(stackFile("prod").deployment);
    const changes = {
      access: { ...access, trustedProxies: ["192.0.2.0/24"] },
      kubernetes: { ...kubernetes, podNetworks: ["10.1.0.0/16", "fd00:1::/48"] },
    };
    expect(settingsOf("prod", changes).TRUSTED_PROXIES).toEqual(["10.1.0.0/16", "fd00:1::/48"]);
    const { topology } = built("prod", { deployment: changes });
    const text = workload(topology, "nginx").files.find(({ path }) => path.endsWith("nginx.conf"))?.text ?? "";
    expect(text.match(/set_real_ip_from .*/g)).toEqual(["set_real_ip_from 192.0.2.0/24;"]);
  });

  it("have the limits and quotas that the stack says, and none where it says nothing", () => {
    const access = { rateLimits: ["principal=600/min", "tool:github/*=10/s+20"], quotas: ["team=100000/month"] };
    const { RATE_LIMITS, QUOTAS } = settingsOf("local", { access });
    expect({ RATE_LIMITS, QUOTAS }).toEqual({ RATE_LIMITS: access.rateLimits, QUOTAS: access.quotas });
    const plain = settingsOf("local");
    expect([plain.RATE_LIMITS, plain.QUOTAS, plain.SSRF_ALLOWED_NETWORKS]).toEqual([[], [], []]);
  });

  it.each([
    ["rateLimits", "principal=600/week"],
    ["quotas", "team=1000/min"],
  ])("cannot be limited by %s %s", (key, rule) => {
    expect(() => built("local", { deployment: { access: { [key]: [rule] } } })).toThrow(/<subject>\[&<subject>\]/);
  });

  it("are written down as the stack says", () => {
    const namesOf = (records: object) => {
      const { topology } = built("local", { deployment: { gateway: { records } } });
      const { environment } = workload(topology, "gateway-1");
      return Object.entries(environment).filter(([name]) => /^(AUDIT|SECURITY|DISABLE)_/.test(name));
    };
    expect(namesOf({})).toEqual([]);
    expect(namesOf({ audit: "none" })).toEqual([]);
    expect(namesOf({ audit: "changes" })).toEqual([["AUDIT_TRAIL_ENABLED", "true"]]);
    expect(namesOf({ audit: "calls", security: true, accessLog: true })).toEqual([
      ["AUDIT_TRAIL_ENABLED", "true"],
      ["AUDIT_TRAIL_CALLS", "true"],
      ["SECURITY_LOGGING_ENABLED", "true"],
      ["DISABLE_ACCESS_LOG", "false"],
    ]);
  });

  it.each([
    ["prod", true],
    ["dev", false],
    ["local", false],
  ] as const)("of %s are in the audit trail as its plan says, unless the stack says more", (stack, isKept) => {
    const { plan } = built(stack).document;
    const said = settingsOf(stack);
    expect([plan.security.auditTrail, said.AUDIT_TRAIL_ENABLED, said.AUDIT_TRAIL_CALLS]).toEqual([
      isKept,
      isKept,
      false,
    ]);
    const more = settingsOf(stack, { gateway: { records: { audit: "calls" } } });
    expect([more.AUDIT_TRAIL_ENABLED, more.AUDIT_TRAIL_CALLS]).toEqual([true, true]);
  });

  it("may name upstreams in those private networks that are the users' own, not in all that the gateway may reach", () => {
    const upstreams = { networks: ["10.20.0.0/16"] };
    expect(settingsOf("prod", { upstreams }).SSRF_ALLOWED_NETWORKS).toEqual([]);
    const shared = { ...upstreams, userNetworks: ["10.20.30.0/24"] };
    expect(settingsOf("prod", { upstreams: shared }).SSRF_ALLOWED_NETWORKS).toEqual(["10.20.30.0/24"]);
  });

  it("of a cluster reach neither pods nor Services, unless the stack lets the gateway to them", () => {
    const { default: always } = declared.SSRF_BLOCKED_NETWORKS;
    const blocked = (networks: readonly string[]) =>
      settingsOf("prod", { upstreams: { networks } }).SSRF_BLOCKED_NETWORKS;
    expect(blocked([])).toEqual([...always, "10.244.0.0/16", "10.96.0.0/12"]);
    expect(blocked(["10.0.0.0/8"])).toEqual([...always, "10.244.0.0/16", "10.96.0.0/12"]);
    expect(blocked(["10.244.0.0/16"])).toEqual([...always, "10.96.0.0/12"]);
    expect(blocked(["10.244.3.0/24", "10.100.0.0/16"])).toEqual([...always]);
    expect(settingsOf("dev").SSRF_BLOCKED_NETWORKS).toEqual([...always]);
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
    expect(changed(before, rotated)).toEqual(["roles", "migrations", "pgbouncer", "backup"]);
    const atPooler = built("prod", { deployment: { secrets: { pooler: "2" } } }).topology;
    expect(changed(before, atPooler)).toEqual(["pgbouncer", "gateway"]);
    expect(changed(before, built("prod", { deployment: { secrets: { redis: "2" } } }).topology)).toEqual([
      "redis",
      "gateway",
    ]);
    expect(changed(before, built("prod", { deployment: { secrets: { signing: "2" } } }).topology)).toEqual(["gateway"]);
  });
});

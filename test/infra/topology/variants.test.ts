/** Data services that somebody else runs, and what is read for counters: what each variant has, and by which names. */
import { describe, expect, it } from "vitest";
import { resolveText, secretMarker, type Topology } from "../../../infra/topology/index.ts";
import { built, changed, stackFile, workload } from "./stacks.ts";

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

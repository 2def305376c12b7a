/** The rendered files: golden copies of a full plan, versions, and what is refused. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Plan } from "../../../contract/plan.ts";
import {
  PlaceError,
  renderCredentialScript,
  renderHba,
  renderNginx,
  renderPgbouncer,
  renderPostgresql,
  renderRedis,
  renderUserlist,
} from "../../../infra/topology/index.ts";
import { hbaPlace, nginxPlace, pgbouncerPlace, pooledUsers, postgresPlace, redisPlace } from "./places.ts";
import { plans } from "./plans.ts";

const GOLDEN = join(import.meta.dirname, "../../golden/files");
const full = withPostgres(withPooler(plans.prod, { version: "1.25" }), { version: 18 });

const files: Readonly<Record<string, () => string>> = {
  "nginx.conf": () => renderNginx(full, nginxPlace),
  "credential.js": () => renderCredentialScript(),
  "pgbouncer.ini": () => renderPgbouncer(full, pgbouncerPlace),
  "userlist.txt": () => renderUserlist(full, pgbouncerPlace, pooledUsers),
  "postgresql.conf": () => renderPostgresql(full, postgresPlace),
  "pg_hba.conf": () => renderHba(hbaPlace),
  "redis.conf": () => renderRedis(full, redisPlace),
};

function withPooler(plan: Plan, changes: Partial<NonNullable<Plan["pgbouncer"]>>): Plan {
  return { ...plan, pgbouncer: plan.pgbouncer === null ? null : { ...plan.pgbouncer, ...changes } };
}

function withPostgres(plan: Plan, changes: Partial<Plan["postgres"]>): Plan {
  return { ...plan, postgres: { ...plan.postgres, ...changes } };
}

/** Names of the settings of a file, in its order. */
function keysOf(text: string): string[] {
  return text.split("\n").flatMap((line) => /^([a-z_]+) =/.exec(line)?.[1] ?? []);
}

describe.each(Object.entries(files))("%s", (name, render) => {
  it("is the golden copy (UPDATE_GOLDEN=1 writes it)", () => {
    if (process.env.UPDATE_GOLDEN === "1") writeFileSync(join(GOLDEN, name), render());
    expect(render()).toBe(readFileSync(join(GOLDEN, name), "utf8"));
  });

  it("is the same when rendered twice", () => {
    expect(render()).toBe(render());
  });
});

describe("pgbouncer.ini by version", () => {
  const added = (version: string) => {
    const oldest = keysOf(renderPgbouncer(withPooler(full, { version: "1.18" }), pgbouncerPlace));
    return keysOf(renderPgbouncer(withPooler(full, { version }), pgbouncerPlace)).filter(
      (key) => !oldest.includes(key),
    );
  };

  it.each([
    ["1.18", []],
    ["1.19", []],
    ["1.20", []],
    ["1.21", ["max_prepared_statements"]],
    ["1.22", ["max_prepared_statements"]],
    ["1.23", ["max_prepared_statements"]],
    ["1.24", ["max_prepared_statements"]],
    ["1.25", ["max_prepared_statements", "query_wait_notify"]],
  ])("%s", (version, keys) => {
    expect(added(version)).toEqual(keys);
  });

  it("is refused before 1.18, without a pooler, and for other databases than the plan has counted", () => {
    expect(() => renderPgbouncer(withPooler(full, { version: "1.17" }), pgbouncerPlace)).toThrow(
      'plan.pgbouncer.version is "1.17"; allowed: 1.18 or newer',
    );
    expect(() => renderPgbouncer({ ...full, pgbouncer: null }, pgbouncerPlace)).toThrow(
      "plan.pgbouncer is null; allowed: a pooler; this plan's gateway speaks to PostgreSQL directly",
    );
    expect(() => renderPgbouncer(withPooler(full, { databases: 2 }), pgbouncerPlace)).toThrow(
      "pgbouncer.databases is 1; allowed: 2, as the plan has counted",
    );
  });

  it("names a user for each database exactly where the plan forces one", () => {
    const [database] = pgbouncerPlace.databases;
    if (database === undefined) throw new Error("no database");
    const place = { ...pgbouncerPlace, databases: [{ ...database, user: null }] };
    expect(() => renderPgbouncer(full, place)).toThrow(
      "pgbouncer.databases[0].user is null; allowed: a name: the plan counts a forced user",
    );
    expect(renderPgbouncer(withPooler(full, { forcedUser: false }), place)).toContain(
      "mcp = host=postgres port=5432 dbname='mcp'\n",
    );
    expect(() => renderPgbouncer(withPooler(full, { forcedUser: false }), pgbouncerPlace)).toThrow(
      'pgbouncer.databases[0].user is "gateway"; allowed: null: the plan forces none',
    );
  });

  it("refuses a userlist that could not work", () => {
    const verifier = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy";
    expect(() => renderUserlist(full, pgbouncerPlace, [{ name: "gateway", secret: verifier }])).toThrow(
      'pgbouncer.userlist[0].secret is "(a SCRAM verifier)"; allowed: the password: PgBouncer logs in as this user itself',
    );
    expect(() => renderUserlist(full, pgbouncerPlace, [...pooledUsers, ...pooledUsers])).toThrow(
      'pgbouncer.userlist is "gateway"; allowed: every user once',
    );
    expect(() => renderUserlist(withPooler(full, { forcedUser: false }), pgbouncerPlace, pooledUsers)).toThrow(
      "pgbouncer.userlist is 3; allowed: 1 users, as the plan has counted pools for",
    );
    expect(() => renderUserlist(full, pgbouncerPlace, [{ name: "a", secret: "secret\nline" }])).toThrow(
      'pgbouncer.userlist[0].secret is "(secret)"; allowed: 1 to 2047 bytes of UTF-8 without control characters',
    );
  });
});

describe("postgresql.conf by version", () => {
  const oldest = keysOf(renderPostgresql(withPostgres(full, { version: 15 }), postgresPlace));

  it.each([
    [15, []],
    [16, ["reserved_connections"]],
    [17, ["reserved_connections"]],
    [18, ["reserved_connections", "io_method", "io_workers", "autovacuum_worker_slots"]],
  ])("%s", (version, keys) => {
    const here = keysOf(renderPostgresql(withPostgres(full, { version }), postgresPlace));
    expect(here.filter((key) => !oldest.includes(key))).toEqual(keys);
    expect(oldest.filter((key) => !here.includes(key))).toEqual([]);
  });

  it("is refused for a version that is not known, and where nothing would be left for clients", () => {
    expect(() => renderPostgresql(withPostgres(full, { version: 19 }), postgresPlace)).toThrow(
      "plan.postgres.version is 19; allowed: 15 to 18",
    );
    expect(() => renderPostgresql(withPostgres(full, { maxConnections: 18 }), postgresPlace)).toThrow(
      "plan.postgres.maxConnections is 18; allowed: more than the 18 that are kept back",
    );
  });
});

describe("nginx.conf by version", () => {
  const upstream = (version: string, changes: Partial<typeof nginxPlace> = {}) =>
    /upstream gateway \{\n([^}]*)\}/
      .exec(renderNginx(full, { ...nginxPlace, version, ...changes }))?.[1]
      ?.split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  const gateway = "server gateway.mcp.svc.cluster.local:4444";
  const kept = [
    `keepalive ${full.nginx.keepalivePerWorker};`,
    `keepalive_requests ${full.nginx.keepaliveRequests};`,
    "keepalive_timeout 60s;",
  ];
  const following = [
    "zone gateway 256k;",
    "least_conn;",
    "resolver 10.96.0.10:53 valid=5s;",
    "resolver_timeout 3s;",
    `${gateway} resolve;`,
    ...kept,
  ];
  const lookedUpOnce = ["zone gateway 256k;", "least_conn;", `${gateway};`, ...kept, "keepalive_time 60s;"];

  it.each([
    ["1.22.1", lookedUpOnce],
    ["1.26", lookedUpOnce],
    ["1.27.2", lookedUpOnce],
    ["1.27.3", following],
    ["1.28", following],
    ["1.29.7", following],
    ["2.0.0", following],
  ])("%s", (version, lines) => {
    expect(upstream(version)).toEqual(lines);
  });

  it("looks a name up once where it has no name server, and an address never", () => {
    expect(upstream("1.28", { resolvers: [] })).toEqual(lookedUpOnce);
    expect(upstream("1.28", { gateways: [{ host: "::1", port: 4444 }] })).toEqual([
      "zone gateway 256k;",
      "least_conn;",
      "server [::1]:4444;",
      ...kept,
      "keepalive_time 60s;",
    ]);
  });

  it("is refused before 1.22", () => {
    expect(() => renderNginx(full, { ...nginxPlace, version: "1.20.2" })).toThrow(
      'nginx.version is "1.20.2"; allowed: 1.22 or newer',
    );
  });

  it("has its counters on a port of their own", () => {
    expect(() => renderNginx(full, { ...nginxPlace, status: { address: "127.0.0.1", port: 8080 } })).toThrow(
      "nginx.status.port is 8080; allowed: a port that the proxy does not listen on",
    );
  });

  it("keeps no identity without the digest, or for less than a second", () => {
    const without = renderNginx(full, { ...nginxPlace, credentialDigest: null });
    expect(without).not.toMatch(/identity:|js_|load_module/);
    const brief = renderNginx({ ...full, nginx: { ...full.nginx, identityTtlS: 0.9 } }, nginxPlace);
    expect(brief).not.toContain("proxy_cache identity");
  });

  it("keeps answers of different compressions apart where it does not compress itself", () => {
    const text = renderNginx(full, { ...nginxPlace, isCompressing: false });
    const keys = text.match(/proxy_cache_key "\$request_method.*/g);
    expect(keys).toEqual(
      Array(4).fill(
        'proxy_cache_key "$request_method $forwarded_proto $http_host $request_uri $cache_identity $accepted_encoding";',
      ),
    );
    expect(text).toContain("gzip off;");
    expect(text).not.toContain("gzip on;");
  });
});

describe("redis.conf", () => {
  it("is refused before 7.0, and without users where more than loopback can reach it", () => {
    expect(() => renderRedis(full, { ...redisPlace, version: "6.2.1" })).toThrow(
      'redis.version is "6.2.1"; allowed: 7.0 or newer',
    );
    expect(() => renderRedis(full, { ...redisPlace, aclPath: null })).toThrow(
      "redis.aclPath is null; allowed: a file, since it listens beyond loopback (0.0.0.0, ::)",
    );
    const loopback = { addresses: ["127.0.0.1", "::1"], port: 6379 };
    expect(renderRedis(full, { ...redisPlace, aclPath: null, listen: loopback })).not.toContain("aclfile");
  });
});

describe("ports", () => {
  it.each([80, 1023, 0, 65_536, 8080.5, Number.NaN])("%s is no port to listen on", (port) => {
    const listen = [{ address: "0.0.0.0", port }];
    expect(() => renderNginx(full, { ...nginxPlace, listen })).toThrow(PlaceError);
    expect(() => renderRedis(full, { ...redisPlace, listen: { addresses: ["::1"], port } })).toThrow(
      /redis\.listen\.port is .*; allowed: a whole number from 1024 to 65535/,
    );
  });
});

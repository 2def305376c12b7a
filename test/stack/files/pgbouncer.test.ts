/** A real PgBouncer with the rendered files says the plan's limits, counts descriptors as the plan does, and logs in where it has to. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Plan } from "../../../contract/plan.ts";
import type { PgbouncerPlace, PooledUser } from "../../../infra/topology/index.ts";
import { missing, type Running, titled } from "../../harness/index.ts";
import { planNames, plans } from "../../infra/topology/plans.ts";
import { ask, query, startPooler, startRendered, verifierOf } from "./databases.ts";
import { attempt, end, makeSite, type Site } from "./running.ts";

const reason = missing("pgbouncer");
const noServers = reason ?? missing("postgres");
type Pooler = NonNullable<Plan["pgbouncer"]>;

/** Somebody who may read counters, with a name that wants every kind of quoting; and his password. */
const reader = { name: `o'dd"na\\me`, password: `pass "word"` };

function poolerOf(plan: Plan): Pooler {
  if (plan.pgbouncer === null) throw new Error("the plan has no pooler");
  return plan.pgbouncer;
}

function databasesOf(port: number, users: readonly (string | null)[]): PgbouncerPlace["databases"] {
  return users.map((user, at) => ({
    name: `db${at}`,
    databaseName: "mcp",
    postgres: { host: "127.0.0.1", port },
    user,
  }));
}

describe.skipIf(reason !== undefined)(titled("PgBouncer", reason), () => {
  let site: Site;
  const running: Running[] = [];
  beforeEach(async () => {
    site = await makeSite();
  });
  afterEach(async () => {
    for (const one of running.splice(0).reverse()) await end(one, "SIGQUIT");
    await site.remove();
  });

  /** The version that is installed, since the file is written for one. */
  function installedVersion(): string {
    return /PgBouncer (\d+\.\d+)/.exec(attempt("pgbouncer", ["--version"], site).text)?.[1] ?? "";
  }

  function forInstalled(plan: Plan, changes: Partial<Pooler> = {}): Plan {
    return { ...plan, pgbouncer: { ...poolerOf(plan), version: installedVersion(), ...changes } };
  }

  /** The port of a server with this user and a database for it. */
  async function postgresFor(plan: Plan, user: string, password: string): Promise<number> {
    const grants = [{ database: "mcp", user, networks: ["127.0.0.0/8"] }];
    const postgres = await startRendered(plan, site, grants);
    running.push(postgres.running);
    await ask(site, postgres.port, `create role "${user.replaceAll('"', '""')}" login password '${password}'`);
    await ask(site, postgres.port, "create database mcp");
    return postgres.port;
  }

  it.skipIf(noServers !== undefined).each(planNames)(
    "is what the plan %s says, without a word of warning",
    async (name) => {
      const plan = forInstalled(plans[name]);
      const pooler = poolerOf(plan);
      const server = await postgresFor(plan, "gateway", "a password");
      const users: PooledUser[] = [
        { name: "gateway", secret: "a password" },
        { name: reader.name, secret: verifierOf(reader.password) },
      ];
      const place = {
        databases: databasesOf(server, ["gateway"]),
        statsUsers: [reader.name],
        adminUsers: ["nobody-else"],
      };
      const started = await startPooler(plan, site, users, place, pooler.nofile);
      running.push(started.running);
      const as = { user: reader.name, password: reader.password, database: "pgbouncer" };
      const rows = await query(started.port, as, "show config");
      const config = Object.fromEntries(rows.map(({ key, value }) => [key, value]));
      const expected = {
        listen_addr: "127.0.0.1",
        listen_port: String(started.port),
        listen_backlog: String(pooler.listenBacklog),
        auth_type: "scram-sha-256",
        admin_users: "nobody-else",
        stats_users: reader.name,
        pool_mode: "transaction",
        max_client_conn: String(pooler.maxClientConn),
        default_pool_size: String(pooler.defaultPoolSize),
        min_pool_size: String(pooler.minPoolSize),
        reserve_pool_size: String(pooler.reservePoolSize),
        max_db_connections: String(pooler.maxDbConnections),
        max_user_connections: String(pooler.maxUserConnections),
        server_reset_query: "DISCARD ALL",
        server_reset_query_always: pooler.resetQueryAlways ? "1" : "0",
        ignore_startup_parameters: "extra_float_digits",
        query_wait_timeout: String(pooler.queryWaitTimeoutS),
        reserve_pool_timeout: String(pooler.reservePoolTimeoutS),
        server_connect_timeout: String(pooler.serverConnectTimeoutS),
        server_lifetime: String(pooler.serverLifetimeS),
        server_idle_timeout: String(pooler.serverIdleTimeoutS),
        client_idle_timeout: String(pooler.clientIdleTimeoutS),
        idle_transaction_timeout: String(plan.timeouts.idleTransactionS),
        unix_socket_dir: "",
      };
      expect(Object.fromEntries(Object.keys(expected).map((key) => [key, config[key] ?? ""]))).toEqual(expected);
      expect(reported(started.running)).toEqual({
        limit: pooler.nofile,
        clients: pooler.maxClientConn,
        expected: pooler.maxClientConn + 12 + pooler.defaultPoolSize,
      });
      const levels = new Set(
        started.running
          .stderr()
          .split("\n")
          .flatMap((line) => / (LOG|WARNING|ERROR|FATAL|NOISE) /.exec(line)?.[1] ?? []),
      );
      expect(levels).toEqual(new Set(["LOG"]));
    },
  );

  // Clients, pool, users in the userlist, forced user → descriptors: + 12, and a pool per database and user, its own administrator included.
  it.each([
    [5000, 600, 1, false, 6212],
    [5000, 600, 3, false, 7412],
    [5000, 600, 1, true, 5612],
    [1000, 20, 1, false, 1052],
    [1000, 20, 4, false, 1112],
  ])(
    "expects for %s clients, pools of %s, %s users, forced %s: %s descriptors",
    async (clients, pool, count, isForced, expected) => {
      const sizes = {
        maxClientConn: clients,
        defaultPoolSize: pool,
        minPoolSize: 0,
        users: count,
        forcedUser: isForced,
      };
      const users = Array.from({ length: count }, (_, at) => ({ name: `user${at}`, secret: "p" }));
      const place = { databases: databasesOf(1, [isForced ? "user0" : null]) };
      const started = await startPooler(forInstalled(plans.dev, sizes), site, users, place, 1024);
      running.push(started.running);
      expect(reported(started.running)).toEqual({ limit: 1024, clients, expected });
    },
  );

  it.skipIf(noServers !== undefined)(
    titled("lets clients in by verifier and logs in itself as the forced user, with any name", noServers),
    async () => {
      const forced = `the "forced" o'ne \\`;
      const server = await postgresFor(plans.dev, forced, 'pass "word"');
      const users = [
        { name: forced, secret: 'pass "word"' },
        { name: "app", secret: verifierOf("app's own") },
      ];
      const pooler = await startPooler(forInstalled(plans.dev), site, users, {
        databases: databasesOf(server, [forced]),
      });
      running.push(pooler.running);
      const as = (user: string, password: string) =>
        query(pooler.port, { user, password, database: "db0" }, "select current_user as name");
      expect(await as("app", "app's own")).toEqual([{ name: forced }]);
      expect(await as(forced, 'pass "word"')).toEqual([{ name: forced }]);
      await expect(as("app", "wrong")).rejects.toThrow(/SASL authentication failed/);
      await expect(as("nobody", "wrong")).rejects.toThrow(/SASL authentication failed|no such user/);
    },
  );
});

/** What it prints at its start. */
function reported(running: Running): Record<string, number> {
  const found = /descriptor limit: (\d+) .*max_client_conn: (\d+), max expected fd use: (\d+)/.exec(running.stderr());
  return { limit: Number(found?.[1]), clients: Number(found?.[2]), expected: Number(found?.[3]) };
}

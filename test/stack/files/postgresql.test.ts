/** A real PostgreSQL with the rendered files says the plan's limits, and lets in whom it may. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Plan } from "../../../contract/plan.ts";
import { renderPostgresql } from "../../../infra/topology/index.ts";
import { missing, type Running, titled } from "../../harness/index.ts";
import { planNames, plans } from "../../infra/topology/plans.ts";
import { ask, query, SUPERUSER, startRendered } from "./databases.ts";
import { end, makeSite, type Site } from "./running.ts";

const reason = missing("postgres");
const MIB = 1024 * 1024;

/** What each setting has to be, in bytes, milliseconds or as it is. */
function expectedOf({ postgres, timeouts }: Plan): Record<string, string> {
  const numbers = {
    max_connections: postgres.maxConnections,
    superuser_reserved_connections: postgres.reservedConnections,
    statement_timeout: timeouts.dbStatementS * 1000,
    idle_in_transaction_session_timeout: timeouts.idleInTransactionS * 1000,
    shared_buffers: postgres.sharedBuffersMiB * MIB,
    effective_cache_size: postgres.effectiveCacheSizeMiB * MIB,
    work_mem: postgres.workMemMiB * MIB,
    maintenance_work_mem: postgres.maintenanceWorkMemMiB * MIB,
    autovacuum_work_mem: postgres.autovacuumWorkMemMiB * MIB,
    random_page_cost: postgres.randomPageCost,
    effective_io_concurrency: postgres.effectiveIoConcurrency,
    max_worker_processes: postgres.maxWorkerProcesses,
    max_parallel_workers: postgres.maxParallelWorkers,
    max_parallel_workers_per_gather: postgres.maxParallelWorkersPerGather,
    max_parallel_maintenance_workers: postgres.maxParallelMaintenanceWorkers,
    autovacuum_max_workers: postgres.autovacuumMaxWorkers,
    wal_buffers: postgres.walBuffersMiB * MIB,
    min_wal_size: postgres.minWalSizeMiB * MIB,
    max_wal_size: postgres.maxWalSizeMiB * MIB,
    max_wal_senders: postgres.maxWalSenders,
  };
  return {
    ...Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, String(value)])),
    huge_pages: postgres.hugePages,
    jit: postgres.jit ? "on" : "off",
    wal_compression: postgres.walCompression,
    listen_addresses: "127.0.0.1",
    password_encryption: "scram-sha-256",
    shared_preload_libraries: "",
    log_destination: "stderr",
    logging_collector: "off",
  };
}

/** Units of pg_settings, as bytes and milliseconds. */
const SETTINGS = `select json_object_agg(name, case unit
  when 'B' then setting when 'kB' then (setting::bigint * 1024)::text when '8kB' then (setting::bigint * 8192)::text
  when 'MB' then (setting::bigint * 1048576)::text when 's' then (setting::bigint * 1000)::text else setting end)
  from pg_settings where sourcefile is not null and name not in ('port', 'hba_file', 'unix_socket_directories')`;

describe.skipIf(reason !== undefined)(titled("PostgreSQL", reason), () => {
  let site: Site;
  let server: Running | undefined;
  beforeEach(async () => {
    site = await makeSite();
  });
  afterEach(async () => {
    await end(server, "SIGQUIT");
    server = undefined;
    await site.remove();
  });

  it.each(planNames)("is what the plan %s says, without a word of warning", async (name) => {
    const { port, running } = await startRendered(plans[name], site, []);
    server = running;
    expect(JSON.parse(await ask(site, port, SETTINGS))).toEqual(expectedOf(plans[name]));
    // Every line of the file is applied, and none is there twice.
    expect(await ask(site, port, "select name from pg_file_settings where not applied or error is not null")).toBe("");
    const lines = Number(await ask(site, port, "select count(*) from pg_file_settings"));
    const place = {
      listen: { addresses: ["127.0.0.1"], port },
      socketDirectory: site.path,
      hbaPath: `${site.path}/pg_hba.conf`,
    };
    expect(renderPostgresql(plans[name], place).match(/^\w+ = /gm)).toHaveLength(lines);
    const levels = new Set(
      server
        .stderr()
        .split("\n")
        .flatMap((line) => / ([A-Z]+): {2}/.exec(line)?.[1] ?? []),
    );
    expect(levels).toEqual(new Set(["LOG"]));
  });

  it("lets in by password who is named, to what is named, from where is named; nobody to copy it all", async () => {
    const odd = `odd "name", #1`;
    const from = (user: string, networks: string[]) => ({ database: "mcp", user, networks });
    const grants = [
      from("gateway", ["10.0.0.0/8", "127.0.0.0/8"]),
      from("far", ["10.0.0.0/8"]),
      from(odd, ["127.0.0.1/32"]),
    ];
    const { port, running } = await startRendered(plans.dev, site, grants);
    server = running;
    for (const user of ["gateway", "far", odd])
      await ask(site, port, `create role "${user.replaceAll('"', '""')}" login replication superuser password 'p w'`);
    await ask(site, port, "create database mcp");
    expect(await ask(site, port, "select error from pg_hba_file_rules where error is not null")).toBe("");
    const attempts = (user: string, database = "mcp", password = "p w") =>
      query(port, { user, password, database }, "select current_user as name").catch((error: Error) => error.message);
    expect(await attempts("gateway")).toEqual([{ name: "gateway" }]);
    expect(await attempts(odd)).toEqual([{ name: odd }]);
    expect(await attempts("gateway", "mcp", "wrong")).toBe('password authentication failed for user "gateway"');
    expect(await attempts("gateway", "postgres")).toMatch(/^pg_hba.conf rejects connection/);
    expect(await attempts("far")).toMatch(/^pg_hba.conf rejects connection/);
    expect(await attempts(SUPERUSER)).toMatch(/^pg_hba.conf rejects connection/);
    const copying = ask(site, port, "IDENTIFY_SYSTEM", "replication=true host=127.0.0.1 user=gateway password='p w'");
    await expect(copying).rejects.toThrow(/pg_hba.conf rejects replication connection/);
  });
});

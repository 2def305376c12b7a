/** postgresql.conf, for PostgreSQL 15 to 18. Whatever is not here keeps the default of that version. */
import type { Plan } from "../../../contract/plan.ts";
import type { PostgresPlace } from "./place.ts";
import { addressOf, fileOf, listenPortOf, PlaceError, pathOf } from "./writing.ts";

type Postgres = Plan["postgres"];
type Lines = readonly (string | undefined)[];

const OLDEST = 15;
const NEWEST = 18;
/** Reads and writes of PostgreSQL 18 go through processes of their own: its default, and more for many cores. */
const MIN_IO_WORKERS = 3;
const MAX_IO_WORKERS = 32;
const CORES_PER_IO_WORKER = 4;

/** The file for the plan's PostgreSQL. Throws PlaceError, also for a version that is not known and for slots that exceed max_connections. */
export function renderPostgresql({ postgres, timeouts }: Plan, place: PostgresPlace): string {
  if (postgres.version < OLDEST || postgres.version > NEWEST)
    throw new PlaceError("plan.postgres.version", postgres.version, `${OLDEST} to ${NEWEST}`);
  const addresses = place.listen.addresses.map((one, at) => addressOf(`postgres.listen.addresses[${at}]`, one));
  return fileOf([
    text("listen_addresses", addresses.join(",")),
    `port = ${listenPortOf("postgres.listen.port", place.listen.port)}`,
    text("unix_socket_directories", pathOf("postgres.socketDirectory", place.socketDirectory)),
    text("hba_file", pathOf("postgres.hbaPath", place.hbaPath)),
    "password_encryption = scram-sha-256",
    "",
    ...connections(postgres),
    `statement_timeout = ${milliseconds(timeouts.dbStatementS)}`,
    `idle_in_transaction_session_timeout = ${milliseconds(timeouts.idleInTransactionS)}`,
    "",
    ...memory(postgres),
    "",
    ...parallelism(postgres),
    "",
    ...writeAhead(postgres),
    "",
    "shared_preload_libraries = ''",
    "logging_collector = off",
    "log_destination = stderr",
  ]);
}

/** Since 16 the users that come past the pooler can have slots that the gateway cannot take (pg_use_reserved_connections). */
function connections(postgres: Postgres): Lines {
  const { maxConnections, reservedConnections, directConnections, version } = postgres;
  const isReserving = version >= 16;
  const kept = reservedConnections + (isReserving ? directConnections : 0);
  if (kept >= maxConnections)
    throw new PlaceError("plan.postgres.maxConnections", maxConnections, `more than the ${kept} that are kept back`);
  return [
    `max_connections = ${maxConnections}`,
    `superuser_reserved_connections = ${reservedConnections}`,
    isReserving ? `reserved_connections = ${directConnections}` : undefined,
  ];
}

function memory(postgres: Postgres): Lines {
  return [
    `shared_buffers = ${megabytes(postgres.sharedBuffersMiB)}`,
    `effective_cache_size = ${megabytes(postgres.effectiveCacheSizeMiB)}`,
    `work_mem = ${megabytes(postgres.workMemMiB)}`,
    `maintenance_work_mem = ${megabytes(postgres.maintenanceWorkMemMiB)}`,
    `autovacuum_work_mem = ${megabytes(postgres.autovacuumWorkMemMiB)}`,
    `huge_pages = ${postgres.hugePages}`,
    `jit = ${onOff(postgres.jit)}`,
    `random_page_cost = ${postgres.randomPageCost}`,
    `effective_io_concurrency = ${postgres.effectiveIoConcurrency}`,
    ...(postgres.version >= 18 ? ["io_method = worker", `io_workers = ${ioWorkers(postgres.cpu)}`] : []),
  ];
}

function parallelism(postgres: Postgres): Lines {
  const { autovacuumMaxWorkers } = postgres;
  return [
    `max_worker_processes = ${postgres.maxWorkerProcesses}`,
    `max_parallel_workers = ${postgres.maxParallelWorkers}`,
    `max_parallel_workers_per_gather = ${postgres.maxParallelWorkersPerGather}`,
    `max_parallel_maintenance_workers = ${postgres.maxParallelMaintenanceWorkers}`,
    `autovacuum_max_workers = ${autovacuumMaxWorkers}`,
    // Slots are set at a start, workers may then change up to them; 16 are the default, each costs a semaphore.
    postgres.version >= 18 ? `autovacuum_worker_slots = ${Math.max(16, autovacuumMaxWorkers)}` : undefined,
  ];
}

function writeAhead(postgres: Postgres): Lines {
  return [
    `wal_buffers = ${megabytes(postgres.walBuffersMiB)}`,
    `min_wal_size = ${megabytes(postgres.minWalSizeMiB)}`,
    `max_wal_size = ${megabytes(postgres.maxWalSizeMiB)}`,
    `wal_compression = ${postgres.walCompression}`,
    `max_wal_senders = ${postgres.maxWalSenders}`,
  ];
}

function ioWorkers(cpu: number): number {
  return Math.min(MAX_IO_WORKERS, Math.max(MIN_IO_WORKERS, Math.floor(cpu / CORES_PER_IO_WORKER)));
}

/** PostgreSQL's MB are mebibytes. */
function megabytes(mebibytes: number): string {
  return `${mebibytes}MB`;
}

function milliseconds(seconds: number): string {
  return Number.isInteger(seconds) ? `${seconds}s` : `${Math.round(seconds * 1000)}ms`;
}

function onOff(value: boolean): string {
  return value ? "on" : "off";
}

/** Only for values that are checked: its strings know backslashes too. */
function text(key: string, checked: string): string {
  return `${key} = '${checked}'`;
}

/** pgbouncer.ini, for PgBouncer 1.18 to 1.25, and the userlist beside it, which is the only one of the two with secrets in it. */
import type { Plan } from "../../../contract/plan.ts";
import type { PgbouncerPlace, PooledDatabase, PooledUser } from "./place.ts";
import {
  addressOf,
  fileOf,
  hostOf,
  isAtLeast,
  listenPortOf,
  nameOf,
  PlaceError,
  pathOf,
  portOf,
  secretOf,
  versionOf,
} from "./writing.ts";

type Pooler = NonNullable<Plan["pgbouncer"]>;

const OLDEST = [1, 18];
/** Since then a prepared statement survives transaction mode. */
const PREPARES = [1, 21];
/** Since then it tells a client that waits; the plan ends such waits itself. */
const NOTIFIES = [1, 25];
/** MAX_PASSWORD of PgBouncer, minus the zero at the end. */
const MAX_SECRET_BYTES = 2047;
/** MAX_USERNAME of PgBouncer, minus the zero: what stands between the quotes, doubled ones counted twice. */
const MAX_WRITTEN_NAME_BYTES = 127;
/** node-postgres sends it where a client asks for it; anything else that PgBouncer does not know stays an error. */
const IGNORED_PARAMETERS = "extra_float_digits";

/**
 * The file for one of the plan's poolers. What the program then counts as descriptors is max_client_conn + 12 + default_pool_size per
 * database with a forced user, or per database and user without one. Throws PlaceError, also where the place has other databases than
 * the plan has counted.
 */
export function renderPgbouncer({ pgbouncer, timeouts }: Plan, place: PgbouncerPlace): string {
  const pooler = planned(pgbouncer);
  const version = versionOf("plan.pgbouncer.version", pooler.version);
  if (!isAtLeast(version, OLDEST)) throw new PlaceError("plan.pgbouncer.version", pooler.version, "1.18 or newer");
  if (place.databases.length !== pooler.databases)
    throw new PlaceError("pgbouncer.databases", place.databases.length, `${pooler.databases}, as the plan has counted`);
  const addresses = place.listen.addresses.map((one, at) => addressOf(`pgbouncer.listen.addresses[${at}]`, one));
  if (addresses.length === 0) throw new PlaceError("pgbouncer.listen.addresses", [], "at least one address");
  return fileOf([
    "[databases]",
    ...place.databases.map((database, at) => databaseLine(`pgbouncer.databases[${at}]`, database, pooler.forcedUser)),
    "",
    "[pgbouncer]",
    `listen_addr = ${addresses.join(",")}`,
    `listen_port = ${listenPortOf("pgbouncer.listen.port", place.listen.port)}`,
    `listen_backlog = ${pooler.listenBacklog}`,
    `unix_socket_dir =${place.socketDirectory === null ? "" : ` ${pathOf("pgbouncer.socketDirectory", place.socketDirectory)}`}`,
    ...encryption(place.serverTls),
    "auth_type = scram-sha-256",
    `auth_file = ${pathOf("pgbouncer.userlistPath", place.userlistPath)}`,
    listOfUsers("admin_users", "pgbouncer.adminUsers", place.adminUsers),
    listOfUsers("stats_users", "pgbouncer.statsUsers", place.statsUsers),
    "",
    ...pooling(pooler, version),
    "",
    ...timing(pooler, timeouts, version),
    "",
    "# A line per connection would be most of the log; errors are logged regardless.",
    "log_connections = 0",
    "log_disconnections = 0",
  ]);
}

function encryption(tls: PgbouncerPlace["serverTls"]): readonly string[] {
  if (tls === null) return [];
  const verified =
    tls.mode === "verify-full" ? [`server_tls_ca_file = ${pathOf("pgbouncer.serverTls.caPath", tls.caPath)}`] : [];
  return [`server_tls_sslmode = ${tls.mode}`, ...verified];
}

/** Throws PlaceError where the plan has no pooler. */
function planned(pooler: Plan["pgbouncer"]): Pooler {
  if (pooler === null)
    throw new PlaceError("plan.pgbouncer", null, "a pooler; this plan's gateway speaks to PostgreSQL directly");
  return pooler;
}

function pooling(pooler: Pooler, version: readonly number[]): readonly (string | undefined)[] {
  return [
    "pool_mode = transaction",
    `max_client_conn = ${pooler.maxClientConn}`,
    `default_pool_size = ${pooler.defaultPoolSize}`,
    `min_pool_size = ${pooler.minPoolSize}`,
    `reserve_pool_size = ${pooler.reservePoolSize}`,
    `max_db_connections = ${pooler.maxDbConnections}`,
    `max_user_connections = ${pooler.maxUserConnections}`,
    isAtLeast(version, PREPARES) ? `max_prepared_statements = ${pooler.maxPreparedStatements}` : undefined,
    "server_reset_query = DISCARD ALL",
    `server_reset_query_always = ${pooler.resetQueryAlways ? 1 : 0}`,
    `ignore_startup_parameters = ${IGNORED_PARAMETERS}`,
  ];
}

function timing(
  pooler: Pooler,
  { idleTransactionS, dbAcquireS }: Plan["timeouts"],
  version: readonly number[],
): readonly (string | undefined)[] {
  return [
    `query_wait_timeout = ${pooler.queryWaitTimeoutS}`,
    `reserve_pool_timeout = ${pooler.reservePoolTimeoutS}`,
    `server_connect_timeout = ${pooler.serverConnectTimeoutS}`,
    // After PostgreSQL was away it is asked again within the time that a gateway waits; the default of 15 s would make all of them not ready.
    `server_login_retry = ${Math.max(1, Math.floor(dbAcquireS))}`,
    `server_lifetime = ${pooler.serverLifetimeS}`,
    `server_idle_timeout = ${pooler.serverIdleTimeoutS}`,
    `client_idle_timeout = ${pooler.clientIdleTimeoutS}`,
    `idle_transaction_timeout = ${idleTransactionS}`,
    isAtLeast(version, NOTIFIES) ? "query_wait_notify = 0" : undefined,
  ];
}

/** Keys have no quotes in every version, values have: `'`, doubled inside. */
function databaseLine(field: string, database: PooledDatabase, isForced: boolean): string {
  const { name, databaseName, postgres, user } = database;
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/.test(name) || name === "pgbouncer")
    throw new PlaceError(`${field}.name`, name, "letters, digits and _.- (at most 63), and not pgbouncer");
  if (isForced !== (user !== null))
    throw new PlaceError(
      `${field}.user`,
      user,
      isForced ? "a name: the plan counts a forced user" : "null: the plan forces none",
    );
  return [
    `${name} = host=${hostOf(`${field}.postgres.host`, postgres.host)}`,
    `port=${portOf(`${field}.postgres.port`, postgres.port)}`,
    `dbname=${quoted(nameOf(`${field}.databaseName`, databaseName))}`,
    ...(user === null ? [] : [`user=${quoted(nameOf(`${field}.user`, user))}`]),
  ].join(" ");
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A list between commas and blanks, without any way to quote: a name with one of them would become two other names. */
function listOfUsers(key: string, field: string, users: readonly string[]): string {
  const names = users.map((user, at) => {
    const name = nameOf(`${field}[${at}]`, user);
    if (/[,\s]/.test(name))
      throw new PlaceError(`${field}[${at}]`, user, "a name without comma or blank: the list has no quotes");
    return name;
  });
  return names.length === 0 ? `${key} =` : `${key} = ${names.join(",")}`;
}

const VERIFIER = /^SCRAM-SHA-256\$/;

/**
 * userlist.txt: a line per user, sorted as given. A forced user needs its password here, for PgBouncer cannot log in with a SCRAM
 * verifier then (pgbouncer(5), authentication file format). Throws PlaceError, also for more users than the plan has counted pools for.
 */
export function renderUserlist(
  { pgbouncer }: Plan,
  { databases }: PgbouncerPlace,
  users: readonly PooledUser[],
): string {
  const pooler = planned(pgbouncer);
  if (!pooler.forcedUser && users.length !== pooler.users)
    throw new PlaceError(
      "pgbouncer.userlist",
      users.length,
      `${pooler.users} users, as the plan has counted pools for`,
    );
  const names = users.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new PlaceError("pgbouncer.userlist", twice, "every user once");
  const forced = new Set(databases.map(({ user }) => user));
  return fileOf(
    users.map((user, at) => {
      const field = `pgbouncer.userlist[${at}]`;
      if (forced.has(user.name) && VERIFIER.test(user.secret))
        throw new PlaceError(
          `${field}.secret`,
          "(a SCRAM verifier)",
          "the password: PgBouncer logs in as this user itself",
        );
      return `${inList(`${field}.name`, nameOf(`${field}.name`, user.name), MAX_WRITTEN_NAME_BYTES)} ${inList(`${field}.secret`, secretOf(`${field}.secret`, user.secret, MAX_SECRET_BYTES), MAX_SECRET_BYTES)}`;
    }),
  );
}

/** Its reader measures what is written, doubled quotes included. */
function inList(field: string, value: string, mostBytes: number): string {
  const written = value.replaceAll('"', '""');
  if (Buffer.byteLength(written) > mostBytes)
    throw new PlaceError(field, "(quoted)", `at most ${mostBytes} bytes with its quotes doubled`);
  return `"${written}"`;
}

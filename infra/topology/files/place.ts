/** What a topology knows and a plan does not: where a daemon listens, whom it reaches, where its files are. One shape per renderer. */

export type Listen = {
  /** IPv4 or IPv6; `0.0.0.0` and `::` for all. */
  readonly address: string;
  /** 1024 or more: nothing here runs as root. */
  readonly port: number;
};

export type Neighbour = { readonly host: string; readonly port: number };

export type NginxPlace = {
  /** Of nginx itself, `1.28.0`. */
  readonly version: string;
  readonly listen: readonly Listen[];
  /** Counters of connections and a probe that needs no gateway, on a port of their own; null: none. */
  readonly status: Listen | null;
  /** The name behind which all replicas of the gateway are, headless where nginx can follow its addresses; or each replica. */
  readonly gateways: readonly Neighbour[];
  /** How the gateway proves itself to nginx, which believes this authority alone; null: it speaks plain. */
  readonly gatewayTls: { readonly authorityPath: string; readonly name: string } | null;
  /** Name servers, by address or by a name that the system resolves, for an nginx that can follow a name's addresses (1.27.3 and newer); empty: the name is looked up once. */
  readonly resolvers: readonly Neighbour[];
  /** Networks whose X-Forwarded-For and X-Forwarded-Proto are believed. */
  readonly trustedProxies: readonly string[];
  readonly directories: {
    /** Where the caches live, one directory each below it. */
    readonly cache: string;
    readonly temporary: string;
  };
  readonly pidFile: string;
  /** A file, or null for no access log: at thousands of requests per second it is the busiest writer of the machine. */
  readonly accessLog: string | null;
  /** Of one client address. */
  readonly limits: { readonly requestsPerSecond: number; readonly burst: number; readonly connections: number };
  readonly maxBodyBytes: number;
  /** False where another layer compresses: it must be exactly one. */
  readonly isCompressing: boolean;
  /** Modules for other encodings than gzip, where the image has them: paths of shared objects. */
  readonly compressors: { readonly brotli: string | null; readonly zstd: string | null };
  /**
   * nginx's JavaScript module and the script that renderCredentialScript returns: with them the answers of the identity check are kept
   * for a moment under a digest of the credential. Null: every cached request asks the gateway who is asking.
   */
  readonly credentialDigest: { readonly modulePath: string; readonly scriptPath: string } | null;
};

export type PooledDatabase = {
  /** As clients name it. */
  readonly name: string;
  /** As PostgreSQL names it. */
  readonly databaseName: string;
  readonly postgres: Neighbour;
  /** Whom all clients of it become; null exactly where the plan has no forced user. */
  readonly user: string | null;
};

export type PgbouncerPlace = {
  readonly listen: { readonly addresses: readonly string[]; readonly port: number };
  /** Null: no Unix socket. */
  readonly socketDirectory: string | null;
  readonly databases: readonly PooledDatabase[];
  /** How connections to PostgreSQL are encrypted; null: not at all. A path of certificates exactly where they are verified. */
  readonly serverTls: { readonly mode: "require" } | { readonly mode: "verify-full"; readonly caPath: string } | null;
  /** The file that renderUserlist fills. */
  readonly userlistPath: string;
  /** May pause, reload and stop it. */
  readonly adminUsers: readonly string[];
  /** May read its counters, for an exporter. */
  readonly statsUsers: readonly string[];
};

export type PooledUser = {
  readonly name: string;
  /** A SCRAM verifier, or the password where PgBouncer itself has to log in with it: as a forced user it must. */
  readonly secret: string;
};

export type PostgresPlace = {
  readonly listen: { readonly addresses: readonly string[]; readonly port: number };
  readonly socketDirectory: string;
  readonly hbaPath: string;
};

export type HbaPlace = {
  /** Users that may come through the Unix socket when the operating system knows them by the same name. */
  readonly localUsers: readonly string[];
  /** Everybody else comes by TCP with a password. */
  readonly grants: readonly {
    readonly database: string;
    readonly user: string;
    readonly networks: readonly string[];
  }[];
};

export type RedisPlace = {
  /** Of Redis itself, `7.4`. */
  readonly version: string;
  readonly listen: { readonly addresses: readonly string[]; readonly port: number };
  readonly directory: string;
  /** Users and what they may do; the default user must be off there. Null only where nothing but loopback is listened on. */
  readonly aclPath: string | null;
};

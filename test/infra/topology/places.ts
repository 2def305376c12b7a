/** One place of each kind, as a stack could have it. */
import type {
  HbaPlace,
  NginxPlace,
  PgbouncerPlace,
  PooledUser,
  PostgresPlace,
  RedisPlace,
} from "../../../infra/topology/index.ts";

export const nginxPlace: NginxPlace = {
  version: "1.28.0",
  listen: [
    { address: "0.0.0.0", port: 8080 },
    { address: "::", port: 8080 },
  ],
  status: { address: "0.0.0.0", port: 8081 },
  gateways: [{ host: "gateway.mcp.svc.cluster.local", port: 4444 }],
  gatewayTls: null,
  resolvers: [{ host: "10.96.0.10", port: 53 }],
  trustedProxies: ["10.0.0.0/8", "fd00::/8"],
  directories: { cache: "/var/cache/nginx", temporary: "/tmp/nginx" },
  pidFile: "/run/nginx/nginx.pid",
  accessLog: null,
  limits: { requestsPerSecond: 100, burst: 50, connections: 200 },
  maxBodyBytes: 1_048_576,
  isCompressing: true,
  compressors: { brotli: null, zstd: null },
  credentialDigest: {
    modulePath: "/usr/lib/nginx/modules/ngx_http_js_module.so",
    scriptPath: "/etc/nginx/credential.js",
  },
};

export const pgbouncerPlace: PgbouncerPlace = {
  listen: { addresses: ["0.0.0.0", "::"], port: 6432 },
  socketDirectory: "/tmp",
  databases: [{ name: "mcp", databaseName: "mcp", postgres: { host: "postgres", port: 5432 }, user: "gateway" }],
  serverTls: null,
  userlistPath: "/etc/pgbouncer/userlist.txt",
  adminUsers: ["pooler-admin"],
  statsUsers: ["exporter"],
};

export const pooledUsers: readonly PooledUser[] = [
  { name: "gateway", secret: 'a "quoted" password' },
  { name: "pooler-admin", secret: "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy" },
  { name: "exporter", secret: "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy" },
];

export const postgresPlace: PostgresPlace = {
  listen: { addresses: ["0.0.0.0", "::"], port: 5432 },
  socketDirectory: "/run/postgresql",
  hbaPath: "/etc/postgresql/pg_hba.conf",
};

export const hbaPlace: HbaPlace = {
  localUsers: ["postgres"],
  grants: [
    { database: "mcp", user: "gateway", networks: ["10.0.0.0/8", "fd00::/8"] },
    { database: "mcp", user: "backup", networks: ["10.0.0.0/8"] },
  ],
};

export const redisPlace: RedisPlace = {
  version: "8.2",
  listen: { addresses: ["0.0.0.0", "::"], port: 6379 },
  directory: "/data",
  aclPath: "/etc/redis/users.acl",
};

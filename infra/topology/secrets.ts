/** The secrets of a stack by name: which there are, who makes them, and what may rotate. */
import type { SecretDeclaration } from "./model.ts";
import { isPooledByUs, type Site } from "./site.ts";

export const SECRETS = {
  superuser: "database-superuser",
  migrator: "database-migrator",
  gateway: "database-gateway",
  backup: "database-backup",
  monitor: "database-monitor",
  pooled: "pooler-gateway",
  redisGateway: "redis-gateway",
  redisMonitor: "redis-monitor",
  redisUrl: "redis-url",
  signing: "token-signing",
  sessions: "session-keys",
  encryption: "credential-encryption",
  metrics: "metrics-token",
  gatewayKey: "gateway-tls-key",
} as const;

/** Keys of the stack's configuration under which given secrets stand. */
const GIVEN = {
  databasePassword: "mcp-stack:databasePassword",
  redisUrl: "mcp-stack:redisUrl",
  gatewayKey: "mcp-stack:gatewayTlsKey",
} as const;
/** 48 letters and digits are 285 bits. */
const LENGTH = 48;
/** What is encrypted with it has to stay readable, and PostgreSQL takes the superuser's password only when its directory is made. */
const NEVER_ROTATED = "1";

/** Every secret that some file of this site needs. */
export function declareSecrets(site: Site): readonly SecretDeclaration[] {
  const { postgres, redis, gateway, secrets } = site.deployment;
  const made = (name: string, version: string, why: string): SecretDeclaration => ({
    name,
    why,
    kind: "generated",
    length: LENGTH,
    version,
  });
  const kept = (name: string, why: string): SecretDeclaration => ({
    name,
    why,
    kind: "generated",
    length: LENGTH,
    version: NEVER_ROTATED,
    isKept: true,
  });
  const given = (name: string, key: string, version: string, why: string): SecretDeclaration => ({
    name,
    why,
    kind: "given",
    key,
    version,
  });
  const ofDatabase =
    postgres.variant === "external"
      ? [
          given(
            SECRETS.gateway,
            GIVEN.databasePassword,
            secrets.database,
            `password of ${postgres.user} in the managed PostgreSQL`,
          ),
        ]
      : [
          kept(SECRETS.superuser, "password of PostgreSQL's superuser"),
          made(SECRETS.migrator, secrets.database, "password of the schema's owner"),
          made(
            SECRETS.gateway,
            secrets.database,
            "password of the gateway in PostgreSQL, which a pooler of ours keeps for it",
          ),
          made(SECRETS.backup, secrets.database, "password of the backups, which may read everything"),
          made(SECRETS.monitor, secrets.database, "password of the exporters, which may read counters"),
        ];
  const ofRedis =
    redis.variant === "self-contained"
      ? [
          made(SECRETS.redisGateway, secrets.redis, "password of the gateway in Redis"),
          made(SECRETS.redisMonitor, secrets.redis, "password of the exporter in Redis"),
        ]
      : [given(SECRETS.redisUrl, GIVEN.redisUrl, secrets.redis, "URL of the managed Redis, with user and password")];
  const ofPooler = isPooledByUs(site)
    ? [made(SECRETS.pooled, secrets.pooler, "password of the gateway at PgBouncer")]
    : [];
  const ofTls =
    gateway.tls === undefined
      ? []
      : [given(SECRETS.gatewayKey, GIVEN.gatewayKey, secrets.tls, "private key of the gateway's certificate, PEM")];
  return [
    ...ofDatabase,
    ...ofPooler,
    ...ofRedis,
    made(SECRETS.signing, secrets.signing, "key that signs and verifies tokens"),
    made(SECRETS.sessions, secrets.signing, "key that seals session tokens and cursors"),
    kept(SECRETS.encryption, "key that encrypts stored credentials of upstreams"),
    made(SECRETS.metrics, secrets.metrics, "token with which Prometheus reads the gateway's metrics"),
    ...ofTls,
  ];
}

type Generated = Extract<SecretDeclaration, { readonly kind: "generated" }>;

/** How a maker of passwords is told: letters and digits, which need no quotes anywhere, and another value with another version. */
export function passwordSettings({ length, version }: Generated) {
  return { length, special: false, keepers: { version } };
}

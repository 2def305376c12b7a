/** What the kernel, the cluster and the disks have to grant. */
import { cpuTarget, isSafeSysctl } from "../kernels/cluster.ts";
import { reservedBy, sumOf } from "../kernels/cost.ts";
import { serverConnections } from "../kernels/postgres.ts";
import { redisData } from "../kernels/redis.ts";
import { type BudgetRule, refuse, warn } from "./rule.ts";

const TIME_WAIT_S = 60;

function backlog(
  name: string,
  path: string,
  of: (plan: Parameters<BudgetRule["sides"]>[0]["plan"]) => number | undefined,
): BudgetRule {
  return warn({
    id: "I29",
    statement: `listen backlog of ${name} ≤ somaxconn`,
    unit: "connections",
    source: "listen(2): the kernel cuts a longer one silently",
    terms: [path, "kernel.somaxconn"],
    sides: ({ plan }) => {
      const length = of(plan);
      return length === undefined ? undefined : [length, plan.kernel.somaxconn];
    },
  });
}

const kernel: readonly BudgetRule[] = [
  backlog("the gateway", "gateway.backlog", (plan) => plan.gateway.backlog),
  backlog("nginx", "nginx.backlog", (plan) => plan.nginx.backlog),
  backlog("PgBouncer", "pgbouncer.listenBacklog", (plan) => plan.pgbouncer?.listenBacklog),
  backlog("Redis", "redis.tcpBacklog", (plan) => plan.redis.tcpBacklog),
  refuse({
    id: "I30",
    statement: "sysctls that the cluster does not allow ≤ 0",
    unit: "sysctls",
    source: "Kubernetes documentation, safe and unsafe sysctls",
    terms: [
      "input.cluster.somaxconn",
      "input.cluster.ephemeralPorts",
      "kernel.unsafeSysctls",
      "kernel.kubernetesMinor",
    ],
    sides: ({ plan: { kernel } }) => [
      kernel.unsafeSysctls ? 0 : kernel.sysctls.filter((name) => !isSafeSysctl(name, kernel.kubernetesMinor)).length,
      0,
    ],
  }),
  warn({
    id: "I31",
    statement: "60 s · new connections per second from an nginx to one address ≤ ephemeral ports",
    unit: "ports",
    source: "TCP: a closed connection keeps its port for 60 s (TIME_WAIT)",
    terms: ["nginx.newConnectionsPerSecond", "kernel.ephemeralPorts"],
    sides: ({ plan }) => [TIME_WAIT_S * plan.nginx.newConnectionsPerSecond, plan.kernel.ephemeralPorts],
  }),
];

const replicas: readonly BudgetRule[] = [
  refuse({
    id: "I34",
    statement: "fewest replicas ≤ most replicas",
    unit: "replicas",
    source: "Kubernetes documentation, HorizontalPodAutoscaler",
    terms: ["gateway.replicas.min", "gateway.replicas.max"],
    sides: ({ plan: { gateway } }) => [gateway.replicas.min, gateway.replicas.max],
  }),
  refuse({
    id: "I34",
    statement: "most replicas ≤ replicas at the worst instant of a rollout",
    unit: "replicas",
    source: "Kubernetes documentation, rolling updates: the surge comes on top",
    terms: ["gateway.replicas.max", "gateway.replicas.peak"],
    sides: ({ plan: { gateway } }) => [gateway.replicas.max, gateway.replicas.peak],
  }),
  refuse({
    id: "I34",
    statement: "max(3, zones) ≤ fewest replicas in production",
    unit: "replicas",
    source: "one may be lost while another is replaced",
    terms: ["input.load.zones", "gateway.replicas.min"],
    sides: ({ input, plan }) =>
      input.environment === "prod" ? [Math.max(3, input.load.zones), plan.gateway.replicas.min] : undefined,
  }),
  refuse({
    id: "I35",
    statement: "1 ≤ replicas that may be evicted when the fewest run",
    unit: "replicas",
    source: "Kubernetes documentation, PodDisruptionBudget: else no node can be drained",
    terms: ["disruption.minAvailable", "disruption.maxUnavailable", "gateway.replicas.min"],
    sides: ({ plan: { disruption, gateway } }) => [
      1,
      Math.min(
        disruption.maxUnavailable ?? gateway.replicas.min,
        gateway.replicas.min - (disruption.minAvailable ?? 0),
      ),
    ],
  }),
  refuse({
    id: "I54",
    statement: "CPU target of the autoscaler (70 % of the cores that workers use, of the request) ≤ 95",
    unit: "percent",
    source: "Kubernetes documentation: use is compared with the request; beyond it a busy node slows the pod first",
    terms: ["gateway.workers", "gateway.cpu", "gateway.cpuRequest", "autoscaling.enabled"],
    sides: ({ plan }) => (plan.autoscaling.enabled ? [cpuTarget(plan.gateway), 95] : undefined),
  }),
  refuse({
    id: "I54",
    statement: "CPU request of a replica ≤ its limit",
    unit: "cores",
    source: "Kubernetes documentation, resources",
    terms: ["gateway.cpuRequest", "gateway.cpu"],
    sides: ({ plan: { gateway } }) => [gateway.cpuRequest, gateway.cpu],
  }),
  ...(["cpu", "memory", "pods"] as const).map((part) =>
    refuse({
      id: "I36",
      statement: `${part} of all tiers at the worst instant ≤ quota of the namespace`,
      unit: part === "cpu" ? "cores" : part === "memory" ? "MiB" : "pods",
      source: "Kubernetes documentation, ResourceQuota: a rollout that does not fit hangs",
      terms: [
        "gateway.replicas.peak",
        ...(part === "pods"
          ? []
          : part === "cpu"
            ? ["gateway.cpuRequest", "postgres.cpu", "nginx.cpu", "redis.cpu"]
            : []),
        ...(part === "memory"
          ? ["gateway.memoryMiB", "postgres.memoryMiB", "redis.memoryMiB", "nginx.memoryMiB", "pgbouncer.memoryMiB"]
          : []),
        "nginx.replicas",
        "pgbouncer.instances",
        `input.cluster.quota.${part}`,
      ],
      sides: ({ input, plan }) => {
        const quota = input.cluster.quota?.[part];
        if (quota === undefined) return undefined;
        return [sumOf(reservedBy(plan, plan.gateway.replicas.peak), part === "memory" ? "memoryMiB" : part), quota];
      },
    }),
  ),
];

/** What a connection of PostgreSQL costs by itself, MiB. */
const CONNECTION_MIB = 10;

const data: readonly BudgetRule[] = [
  refuse({
    id: "I41",
    statement:
      "shared buffers + 10 MiB · max_connections + 2 · work_mem · active + maintenance + autovacuum ≤ 0.9 · memory of PostgreSQL",
    unit: "MiB",
    source: "PostgreSQL documentation, resource consumption: work_mem is per sort or hash node and session",
    terms: [
      "postgres.sharedBuffersMiB",
      "postgres.maxConnections",
      "postgres.workMemMiB",
      "pgbouncer.instances",
      "pgbouncer.maxDbConnections",
      "database.appConnections",
      "postgres.maintenanceWorkMemMiB",
      "postgres.autovacuumWorkMemMiB",
      "postgres.autovacuumMaxWorkers",
      "postgres.memoryMiB",
    ],
    sides: ({ plan }) => {
      const { postgres } = plan;
      const active = Math.min(postgres.maxConnections, serverConnections(plan.database, plan.pgbouncer));
      return [
        postgres.sharedBuffersMiB +
          CONNECTION_MIB * postgres.maxConnections +
          2 * postgres.workMemMiB * active +
          postgres.maintenanceWorkMemMiB +
          postgres.autovacuumMaxWorkers * postgres.autovacuumWorkMemMiB,
        0.9 * postgres.memoryMiB,
      ];
    },
  }),
  refuse({
    id: "I43",
    statement: "maxmemory < memory of the Redis container",
    unit: "MiB",
    source: "redis.conf: buffers, fragmentation and a fork's copies lie outside maxmemory",
    isStrict: true,
    terms: ["redis.maxmemoryMiB", "redis.memoryMiB"],
    sides: ({ plan: { redis } }) => [redis.maxmemoryMiB, redis.memoryMiB],
  }),
  refuse({
    id: "I43",
    statement: "state that Redis holds ≤ maxmemory",
    unit: "MiB",
    source: "beyond it writes fail (noeviction) or sessions vanish (eviction)",
    terms: [
      "input.load.sseStreams",
      "input.redis.eventsPerStream",
      "input.redis.eventKiB",
      "input.load.statefulSessions",
      "input.load.concurrentUsers",
      "input.redis.l2CacheMiB",
      "redis.maxmemoryMiB",
      "redis.role",
    ],
    sides: ({ input, plan: { redis } }) =>
      redis.role === "cache" ? undefined : [redisData(input), redis.maxmemoryMiB],
  }),
  refuse({
    id: "I43",
    statement: "evicting policies on a Redis that keeps state ≤ 0",
    unit: "policies",
    source: "redis.conf, maxmemory-policy: allkeys evicts sessions and leases",
    terms: ["redis.policy", "redis.role"],
    sides: ({ plan: { redis } }) => [redis.role !== "cache" && redis.policy !== "noeviction" ? 1 : 0, 0],
  }),
  refuse({
    id: "I43",
    statement: "cache and state on one Redis in production ≤ 0",
    unit: "instances",
    source: "a full cache must not refuse the state's writes",
    terms: ["redis.role"],
    sides: ({ input, plan }) => (input.environment === "prod" ? [plan.redis.role === "both" ? 1 : 0, 0] : undefined),
  }),
  refuse({
    id: "I44",
    statement: "2 · max_wal_size + data ≤ volume of PostgreSQL",
    unit: "GiB",
    source: "PostgreSQL documentation, max_wal_size is a soft limit",
    terms: ["postgres.maxWalSizeMiB", "input.data.dataGiB", "postgres.volumeGiB"],
    sides: ({ input, plan: { postgres } }) => [
      (2 * postgres.maxWalSizeMiB) / 1024 + input.data.dataGiB,
      postgres.volumeGiB,
    ],
  }),
  refuse({
    id: "I45",
    statement: "time of a backup < time between two",
    unit: "h",
    source: "backups must not overtake each other",
    isStrict: true,
    terms: ["backup.windowH", "backup.periodH"],
    sides: ({ plan: { backup } }) => [backup.windowH, backup.periodH],
  }),
  refuse({
    id: "I45",
    statement: "backups kept · size ≤ volume of the backups",
    unit: "GiB",
    source: "retention",
    terms: ["backup.retained", "backup.sizeGiB", "backup.volumeGiB"],
    sides: ({ plan: { backup } }) => [backup.retained * backup.sizeGiB, backup.volumeGiB],
  }),
  refuse({
    id: "I48",
    statement: "life of an identity in nginx ≤ time within which a revocation must act",
    unit: "s",
    source: "security.revocationBudgetS",
    terms: ["nginx.identityTtlS", "caches.revocationBudgetS"],
    sides: ({ plan }) => [plan.nginx.identityTtlS, plan.caches.revocationBudgetS],
  }),
  refuse({
    id: "I49",
    statement: "life of a checked token in the gateway ≤ time within which a revocation must act",
    unit: "s",
    source: "security.revocationBudgetS",
    terms: ["caches.jwtTtlS", "caches.revocationBudgetS"],
    sides: ({ plan: { caches } }) => [caches.jwtTtlS, caches.revocationBudgetS],
  }),
  refuse({
    id: "I50",
    statement: "1 ≤ audit trails in production",
    unit: "audit trails",
    source: "who did what must be known afterwards",
    terms: ["security.auditTrail"],
    sides: ({ input, plan }) => (input.environment === "prod" ? [1, plan.security.auditTrail ? 1 : 0] : undefined),
  }),
];

export const platform: readonly BudgetRule[] = [...kernel, ...replicas, ...data];

/** The budgets of kernel, cluster, stored data and belief, read off the rules. */
import type { Plan } from "../../../contract/plan.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";
import { appConnections, below, type Inequality, met, most, warn } from "./naive-inequality.ts";

/** Of the sysctls that a plan can ask for, the one that every kubelet allows; somaxconn needs the kubelet's leave. */
const SAFE: ReadonlySet<string> = new Set(["net.ipv4.ip_local_port_range"]);

export function kernel({ gateway, nginx, redis, pgbouncer, kernel: k }: Plan): readonly Inequality[] {
  const backlogs = [gateway.backlog, nginx.backlog, redis.tcpBacklog, pgbouncer?.listenBacklog ?? 0];
  return [
    ...backlogs.map((backlog) => warn(most("I29", "backlog ≤ somaxconn", backlog, k.somaxconn))),
    met("I30", "sysctls ∈ safe unless unsafeSysctls", k.unsafeSysctls || k.sysctls.every((one) => SAFE.has(one))),
    // A closed connection holds its port for another minute (TIME_WAIT).
    warn(most("I31", "new connections/s·60 ≤ ports", nginx.newConnectionsPerSecond * 60, k.ephemeralPorts)),
  ];
}

export function cluster(
  input: SizingInput,
  { gateway, disruption, autoscaling, ...tiers }: Plan,
): readonly Inequality[] {
  const { min, max, peak } = gateway.replicas;
  const { pgbouncer, postgres, redis, nginx } = tiers;
  const { quota } = input.cluster;
  const { maxUnavailable, minAvailable } = disruption;
  // Whatever the disruption budget states has to allow one; it may state either.
  const evictions = Math.min(maxUnavailable ?? min, minAvailable === null ? min : min - minAvailable);
  const instances = pgbouncer?.instances ?? 0;
  // A namespace's quota counts every pod of it: nginx as well as the data tier.
  const cpu =
    peak * gateway.cpuRequest +
    postgres.cpu +
    redis.cpu +
    instances * (pgbouncer?.cpu ?? 0) +
    nginx.replicas * nginx.cpu;
  const memory =
    peak * gateway.memoryMiB +
    postgres.memoryMiB +
    redis.memoryMiB +
    instances * (pgbouncer?.memoryMiB ?? 0) +
    nginx.replicas * nginx.memoryMiB;
  const target = Math.round((70 * Math.min(gateway.workers, gateway.cpu)) / gateway.cpuRequest);
  const asked = [
    ["cpu", cpu, quota?.cpu],
    ["memory", memory, quota?.memory],
    ["pods", peak + 2 + instances + nginx.replicas, quota?.pods],
  ] as const;
  return [
    most("I34", "1 ≤ min", 1, min),
    most("I34", "min ≤ max", min, max),
    most("I34", "autoscaler's max ≤ max", autoscaling.max, max),
    most("I34", "min ≤ autoscaler's min", min, autoscaling.min),
    most("I34", "⌈maxSurge·max⌉ ≤ peak − max", Math.ceil(autoscaling.maxSurge * max - 1e-9 * max), peak - max),
    ...(input.environment === "prod"
      ? [most("I34", "max(3, zones) ≤ min in prod", Math.max(3, disruption.zones), min)]
      : []),
    // The cores that workers can use are 70 % busy at the target, which is a percentage of the request; above 95 there is no such target.
    ...(autoscaling.enabled
      ? [
          most("I54", "70·min(W, cpu) ÷ request ≤ 95", target, 95),
          most("I54", "target as set ≤ 95", autoscaling.targetCpuPercent, 95),
        ]
      : []),
    most("I54", "cpu request ≤ limit", gateway.cpuRequest, gateway.cpu),
    most("I35", "one eviction at min", 1, evictions),
    ...asked.flatMap(([what, sum, allowed]) =>
      allowed === undefined ? [] : [most("I36", `${what} at the worst instant ≤ quota`, sum, allowed)],
    ),
  ];
}

export function data(input: SizingInput, plan: Plan): readonly Inequality[] {
  const { postgres: pg, pgbouncer, redis, backup } = plan;
  const active = pgbouncer === null ? appConnections(input, plan) : pgbouncer.instances * pgbouncer.maxDbConnections;
  const memory =
    pg.sharedBuffersMiB +
    10 * pg.maxConnections +
    2 * pg.workMemMiB * Math.min(pg.maxConnections, active) +
    pg.maintenanceWorkMemMiB +
    pg.autovacuumMaxWorkers * pg.autovacuumWorkMemMiB;
  return [
    most("I41", "shared + backends + sorts + maintenance ≤ 0.9·memory", memory, 0.9 * pg.memoryMiB),
    below("I43", "maxmemory < container", redis.maxmemoryMiB, redis.memoryMiB),
    met("I43", "role ≠ cache ⇒ noeviction", redis.role === "cache" || redis.policy === "noeviction"),
    ...(input.environment === "prod" ? [met("I43", "cache and state apart in prod", redis.role !== "both")] : []),
    // What must not be evicted has to fit: a pinned maxmemory below it fails writes instead of forgetting.
    ...(redis.role === "cache" ? [] : [most("I43", "state ≤ maxmemory", redisStateMiB(input), redis.maxmemoryMiB)]),
    most("I44", "2·max_wal_size + data ≤ volume", (2 * pg.maxWalSizeMiB) / 1024 + input.data.dataGiB, pg.volumeGiB),
    below("I45", "backup window < period", backup.windowH, backup.periodH),
    most("I45", "retained × size ≤ backup volume", backup.retained * backup.sizeGiB, backup.volumeGiB),
  ];
}

/** Kept events, stateful sessions, something per user, the second-level cache, MiB; the table adds half as much again. */
export function redisStateMiB({ load, redis }: SizingInput): number {
  const kib =
    load.sseStreams * redis.eventsPerStream * redis.eventKiB + load.statefulSessions * 0.5 + load.concurrentUsers * 0.2;
  return kib / 1024 + redis.l2CacheMiB;
}

export function security({ environment }: SizingInput, { nginx, caches, security: s }: Plan): readonly Inequality[] {
  return [
    // What nginx believes without asking is the identity check's answer; its other caches lie behind that check.
    most("I48", "nginx's belief ≤ revocation", nginx.identityTtlS, caches.revocationBudgetS),
    most("I49", "token cache ≤ revocation", caches.jwtTtlS, caches.revocationBudgetS),
    met("I50", "audit trail in prod", environment !== "prod" || s.auditTrail),
  ];
}

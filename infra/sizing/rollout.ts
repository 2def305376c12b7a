/**
 * Proves the way from one plan to the next: while a rolling update runs, pods of both generations are alive and share PgBouncer,
 * PostgreSQL, Redis and the quota. Tiers are updated from the data outwards, so the next plan's limits are in force by then: a larger
 * plan makes its room first, a smaller one must not take the room of pods that still run.
 */
import type { Budget, Plan } from "../../contract/plan.ts";
import { headroomOf } from "./budgets/index.ts";
import type { SizingInput } from "./input.ts";
import { type Reserved, reservedBy } from "./kernels/cost.ts";
import { up } from "./rounding.ts";

export type Quota = SizingInput["cluster"]["quota"];
/** Pods of each generation at one instant. */
type Mix = { readonly before: number; readonly after: number };
type Generations = { readonly before: Plan; readonly after: Plan };
type Line = Pick<Budget, "id" | "statement" | "unit" | "source"> & {
  readonly left: (mix: Mix) => number;
  readonly right: number;
};

const DURING = "during the rollout";
const BOTH = "rolling update: pods of both generations are alive at once";

/** True for the budgets of this file. */
export function isRolloutBudget({ statement }: Pick<Budget, "statement">): boolean {
  return statement.includes(DURING);
}

/**
 * Budgets of the instant at which the most connections or memory are taken, each for the worse of two mixes: all of the old pods with
 * the first new ones, and all of the new pods with the last old ones. Pods in all are the greater maximum and its surge, since the
 * autoscaler's bounds may change first. `quota` is what the namespace allows, where it is known.
 */
export function proveRollout(before: Plan, after: Plan, quota?: Quota): Budget[] {
  const generations = { before, after };
  const mixes = worstMixes(generations);
  return linesOf(generations, quota).map((line) => {
    const left = Math.max(...mixes.map(line.left));
    const { id, statement, unit, source, right } = line;
    return {
      id,
      statement,
      left: Number(left.toFixed(6)),
      right,
      strict: false,
      unit,
      headroom: headroomOf(left, right),
      severity: "refuse",
      source,
      holds: left <= right + 1e-9 * Math.max(left, right),
    };
  });
}

/** (every old pod, new ones for the rest) and the reverse. */
function worstMixes({ before, after }: Generations): readonly Mix[] {
  const most = Math.max(before.gateway.replicas.max, after.gateway.replicas.max);
  const surge = Math.max(before.autoscaling.maxSurge, after.autoscaling.maxSurge);
  const pods = Math.max(most + up(surge * most), before.gateway.replicas.peak, after.gateway.replicas.peak);
  return [
    { before: before.gateway.replicas.max, after: pods - before.gateway.replicas.max },
    { before: pods - after.gateway.replicas.max, after: after.gateway.replicas.max },
  ];
}

function linesOf(generations: Generations, quota: Quota): Line[] {
  return [
    ...poolerLines(generations),
    postgresLine(generations),
    redisLine(generations),
    ...volumeLines(generations),
    ...quotaLines(generations, quota),
  ];
}

/** Connections that one pod of the gateway opens to the database: its part of those at the worst instant, which may be pinned. */
function perPod({ gateway, database }: Plan): number {
  return database.appConnections / gateway.replicas.peak;
}

/** Only pods that speak to a pooler are its clients; a pooler that only one generation has serves that one. */
function poolerLines({ before, after }: Generations): Line[] {
  // A pooler that is given up stays until no pod uses it.
  const pooler = after.pgbouncer ?? before.pgbouncer;
  if (pooler === null) return [];
  const clients = (plan: Plan) => (plan.pgbouncer === null ? 0 : perPod(plan));
  return [
    {
      id: "I6",
      statement: `worker pools of both generations ${DURING} ≤ PgBouncer clients, one instance of several lost`,
      unit: "connections",
      source: `PgBouncer documentation, max_client_conn; ${BOTH}`,
      left: (mix) => mix.before * clients(before) + mix.after * clients(after),
      right: Math.max(1, pooler.instances - 1) * pooler.maxClientConn,
    },
  ];
}

function postgresLine({ before, after }: Generations): Line {
  const pooled = (plan: Plan) =>
    plan.pgbouncer === null ? 0 : plan.pgbouncer.instances * plan.pgbouncer.maxDbConnections;
  const direct = (plan: Plan) => (plan.pgbouncer === null ? perPod(plan) : 0);
  const own = ({ postgres }: Plan) => postgres.reservedConnections + postgres.directConnections;
  return {
    id: "I8",
    statement: `server connections of both generations ${DURING} + reserved + direct users ≤ max_connections`,
    unit: "connections",
    source: `PostgreSQL documentation, max_connections; ${BOTH}`,
    left: (mix) =>
      Math.max(pooled(before), pooled(after)) +
      mix.before * direct(before) +
      mix.after * direct(after) +
      Math.max(own(before), own(after)),
    right: after.postgres.maxConnections,
  };
}

/** What is not of a worker (monitoring, an administrator) is what a plan counts beyond its own pods. */
function redisLine({ before, after }: Generations): Line {
  const ofPod = ({ gateway, redis }: Plan) => gateway.workers * redis.connectionsPerWorker;
  const others = (plan: Plan) => Math.max(0, plan.redis.connections - plan.gateway.replicas.peak * ofPod(plan));
  return {
    id: "I10",
    statement: `Redis connections of both generations ${DURING} ≤ maxclients`,
    unit: "connections",
    source: `redis.conf, maxclients; ${BOTH}`,
    left: (mix) => mix.before * ofPod(before) + mix.after * ofPod(after) + Math.max(others(before), others(after)),
    right: after.redis.maxclients,
  };
}

/** A volume grows, and never shrinks. */
function volumeLines({ before, after }: Generations): Line[] {
  return (["postgres", "backup"] as const).map((tier) => ({
    id: "I44",
    statement: `volume of ${tier} that there is ${DURING} ≤ volume that is planned`,
    unit: "GiB",
    source: "Kubernetes documentation, PersistentVolumeClaim: a claim cannot be made smaller",
    left: () => before[tier].volumeGiB,
    right: after[tier].volumeGiB,
  }));
}

const QUOTA_PARTS = [
  ["cpu", "cpu", "cores"],
  ["memory", "memoryMiB", "MiB"],
  ["pods", "pods", "pods"],
] as const;

/** The gateway's pods of both generations beside the greater of each other tier. */
function quotaLines({ before, after }: Generations, quota: Quota): Line[] {
  return QUOTA_PARTS.flatMap(([part, field, unit]) => {
    const allowed = quota?.[part];
    if (allowed === undefined) return [];
    return [
      {
        id: "I36",
        statement: `${part} of all tiers with both generations ${DURING} ≤ quota of the namespace`,
        unit,
        source: `Kubernetes documentation, ResourceQuota; ${BOTH}`,
        left: (mix: Mix) =>
          gatewayShare(before, mix.before, field) +
          gatewayShare(after, mix.after, field) +
          otherTiers({ before, after }, field),
        right: allowed,
      },
    ];
  });
}

function gatewayShare(plan: Plan, pods: number, field: keyof Reserved): number {
  return reservedBy(plan, pods).get("gateway")?.[field] ?? 0;
}

function otherTiers({ before, after }: Generations, field: keyof Reserved): number {
  const [old, young] = [reservedBy(before, 0), reservedBy(after, 0)];
  let sum = 0;
  for (const tier of new Set([...old.keys(), ...young.keys()]))
    if (tier !== "gateway") sum += Math.max(old.get(tier)?.[field] ?? 0, young.get(tier)?.[field] ?? 0);
  return sum;
}

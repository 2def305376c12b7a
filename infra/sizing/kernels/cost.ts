/** What the deployment reserves, and what that costs with a table of prices. */
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";

export type Reserved = {
  readonly cpu: number;
  readonly memoryMiB: number;
  readonly storageGiB: number;
  readonly pods: number;
};
type Tiers = Pick<Plan, "gateway" | "pgbouncer" | "postgres" | "redis" | "nginx" | "backup">;

/** Requests of every tier with so many gateway replicas. */
export function reservedBy(plan: Tiers, replicas: number): ReadonlyMap<string, Reserved> {
  const { gateway, pgbouncer, postgres, redis, nginx, backup } = plan;
  const times = (pods: number, cpu: number, memoryMiB: number, storageGiB = 0): Reserved => ({
    cpu: pods * cpu,
    memoryMiB: pods * memoryMiB,
    storageGiB: pods * storageGiB,
    pods,
  });
  const cacheMiB = nginx.zones.static.maxSizeMiB + nginx.zones.api.maxSizeMiB + nginx.zones.schema.maxSizeMiB;
  return new Map([
    ["nginx", times(nginx.replicas, nginx.cpu, nginx.memoryMiB, cacheMiB / 1024)],
    ["gateway", times(replicas, gateway.cpuRequest, gateway.memoryMiB)],
    ["pgbouncer", pgbouncer === null ? times(0, 0, 0) : times(pgbouncer.instances, pgbouncer.cpu, pgbouncer.memoryMiB)],
    ["postgres", times(1, postgres.cpu, postgres.memoryMiB, postgres.volumeGiB)],
    ["redis", times(1, redis.cpu, redis.memoryMiB, redis.persistence ? (2 * redis.maxmemoryMiB) / 1024 : 0)],
    ["backup", { cpu: 0, memoryMiB: 0, storageGiB: backup.volumeGiB, pods: 0 }],
  ]);
}

/** The sum over the tiers. */
export function sumOf(tiers: ReadonlyMap<string, Reserved>, part: keyof Reserved): number {
  let sum = 0;
  for (const reserved of tiers.values()) sum += reserved[part];
  return sum;
}

export function planCost(input: SizingInput, plan: Tiers, derive: Derivation): Plan["cost"] {
  const { prices } = input;
  if (prices === undefined) return null;
  const price = (reserved: Reserved) =>
    reserved.cpu * prices.cpuMonth +
    (reserved.memoryMiB / 1024) * prices.memoryGiBMonth +
    reserved.storageGiB * prices.storageGiBMonth;
  const cents = (amount: number) => Math.round(amount * 100) / 100;
  const atMin = reservedBy(plan, plan.gateway.replicas.min);
  const atMax = reservedBy(plan, plan.gateway.replicas.max);
  const total = (tiers: ReadonlyMap<string, Reserved>) =>
    cents([...tiers.values()].reduce((sum, one) => sum + price(one), 0));
  const from = [
    "input.prices.cpuMonth",
    "input.prices.memoryGiBMonth",
    "input.prices.storageGiBMonth",
    "gateway.cpuRequest",
    "gateway.memoryMiB",
    "postgres.cpu",
    "postgres.memoryMiB",
    "postgres.volumeGiB",
    "redis.memoryMiB",
    "redis.cpu",
    "redis.maxmemoryMiB",
    "redis.persistence",
    "nginx.replicas",
    "nginx.cpu",
    "nginx.memoryMiB",
    "nginx.zones.static.maxSizeMiB",
    "nginx.zones.api.maxSizeMiB",
    "nginx.zones.schema.maxSizeMiB",
    "backup.volumeGiB",
    ...(plan.pgbouncer === null ? ["database.mode"] : ["pgbouncer.instances", "pgbouncer.cpu", "pgbouncer.memoryMiB"]),
  ];
  const formula = "Σ tiers: cores · cpuMonth + GiB · memoryGiBMonth + disk · storageGiBMonth, gateway";
  return {
    currency: derive.word("cost.currency", prices.currency, "currency", ["input.prices.currency"]),
    monthlyAtMin: derive.number("cost.monthlyAtMin", total(atMin), `${formula} at the fewest replicas`, [
      "gateway.replicas.min",
      ...from,
    ]),
    monthlyAtMax: derive.number("cost.monthlyAtMax", total(atMax), `${formula} at the most replicas`, [
      "gateway.replicas.max",
      ...from,
    ]),
    tiers: Object.fromEntries(
      [...atMax].map(([tier, reserved]) => [
        tier,
        derive.number(`cost.tiers.${tier}`, cents(price(reserved)), "its part of monthlyAtMax", ["cost.monthlyAtMax"]),
      ]),
    ),
  };
}

/** The limits of a plan that rules and dashboards compare with, each derived once. */
import type { Plan } from "../../contract/plan.ts";

/** Share of a hard limit at which somebody should know. */
export const NEAR = 0.9;

/** Calls and lists that one replica admits at once. */
export function inFlightPerReplica({ gateway }: Pick<Plan, "gateway">): number {
  return gateway.inFlightPerWorker * gateway.workers;
}

/** Streams of one replica when the fewest replicas run. */
export function streamsPerReplica({ gateway, mcp }: Pick<Plan, "gateway" | "mcp">): number {
  return mcp.streamsPerWorker * gateway.workers;
}

/** Database connections of one replica. */
export function poolPerReplica({ gateway, database }: Pick<Plan, "gateway" | "database">): number {
  return (database.poolPerWorker + database.overflow) * gateway.workers;
}

/** Connections of PostgreSQL that do not need its reserve. */
export function openConnections({ postgres }: Pick<Plan, "postgres">): number {
  return postgres.maxConnections - postgres.reservedConnections;
}

/** Clients of one nginx: a request that is passed on holds two connections. */
export function clientsPerNginx({ nginx }: Pick<Plan, "nginx">): number {
  return Math.floor((nginx.workerProcesses * nginx.workerConnections) / 2);
}

/** The shortest timeout that a worker keeps, seconds: a loop that stands still for longer breaks it without anybody's fault. */
export function shortestTimeout({ timeouts }: Pick<Plan, "timeouts">): number {
  return Math.min(timeouts.redisCommandS, timeouts.dbAcquireS, timeouts.probeCheckS);
}

export function mebibytes(count: number): number {
  return count * 1024 * 1024;
}

/** Without the noise of floating point and never as 1e-7, which a reader of rules should not have to decode. */
export function figure(value: number): string {
  const text = String(Number(value.toPrecision(12)));
  return text.includes("e") ? value.toFixed(12).replace(/\.?0+$/, "") : text;
}

/** The share of a limit that counts as near, as a number of a rule. */
export function near(limit: number): string {
  return figure(NEAR * limit);
}

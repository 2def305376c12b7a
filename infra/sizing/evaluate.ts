/** Puts the kernels together: inputs in, every number of the plan and every budget out. No repairs, no provenance unless asked for. */
import type { Plan, Provenance } from "../../contract/plan.ts";
import { type BudgetLine, type Case, checkBudgets } from "./budgets/index.ts";
import { Derivation } from "./derivation.ts";
import type { SizingInput } from "./input.ts";
import { planAutoscaling, planBackup, planDisruption, planKernel } from "./kernels/cluster.ts";
import { planCost } from "./kernels/cost.ts";
import { planPooler, planPools } from "./kernels/database.ts";
import { planEngine } from "./kernels/engine.ts";
import {
  countWorkers,
  gatewayDescriptors,
  planMemory,
  planReplicas,
  planSockets,
  serviceRate,
  TARGET_USE,
} from "./kernels/gateway.ts";
import { planLoad } from "./kernels/load.ts";
import { planCaches, planMcp, planRetries } from "./kernels/mcp.ts";
import { planNginx } from "./kernels/nginx.ts";
import { planPostgres } from "./kernels/postgres.ts";
import { planRedis } from "./kernels/redis.ts";
import { planProbes, planShutdown, planTimeouts } from "./kernels/timeouts.ts";

export type Evaluation = { readonly plan: Plan; readonly budgets: readonly BudgetLine[] };

/** Deterministic; throws nothing for an input that `readInput` gave. `notes` collects where each number came from. */
export function evaluate(input: SizingInput, notes?: Map<string, Provenance>): Evaluation {
  const { plan, ...rest } = deriveCase(input, notes);
  return { plan, budgets: checkBudgets({ plan, ...rest }) };
}

/** The numbers alone, as budgets take them. */
export function deriveCase(input: SizingInput, notes?: Map<string, Provenance>): Case {
  const derive = new Derivation(input.given, notes);
  return { input, plan: derivePlan(input, derive), understated: derive.understated };
}

function derivePlan(input: SizingInput, derive: Derivation): Plan {
  const load = planLoad(input, derive);
  const engine = planEngine(input, load, derive);
  const cpu = derive.number("gateway.cpu", input.gateway.cpu, "cpu", ["input.gateway.cpu"]);
  const workers = countWorkers(input, cpu, engine.kind, derive);
  const rpsPerWorker = serviceRate(input, engine.kind, derive);
  const replicas = planReplicas(input, load, Math.min(workers, cpu) * rpsPerWorker * TARGET_USE, derive);
  const memory = planMemory(input, load, engine.kind, { min: replicas.min, workers }, derive);
  const sockets = planSockets(input, cpu, load, engine.kind, replicas.min, workers, derive);
  const database = planPools(input, load, replicas, workers, derive);
  const postgresCpu = derive.number("postgres.cpu", input.database.postgres.cpu, "cpu", [
    "input.database.postgres.cpu",
  ]);
  const pgbouncer = planPooler(input, load, database, postgresCpu, derive);
  const postgres = planPostgres(input, database, pgbouncer, postgresCpu, derive);
  const redis = planRedis(input, replicas.peak, workers, derive);
  const outer = planTimeouts(input, derive);
  const { shutdown, graceS } = planShutdown(input, outer, derive);
  const mcp = planMcp(input, replicas, workers, derive);
  const gateway: Plan["gateway"] = {
    replicas,
    workers,
    rpsPerWorker,
    cpu,
    ...memory,
    ...sockets,
    nofile: gatewayDescriptors(memory.inFlightPerWorker, { database, redis, mcp }, input.mcp.servers, derive),
  };
  const nginx = planNginx(input, load, gateway, outer.streamReadS, derive);
  const backup = planBackup(input, derive);
  return {
    engine,
    load,
    gateway,
    database,
    pgbouncer,
    postgres,
    redis,
    nginx,
    mcp,
    caches: planCaches(input, derive),
    retries: planRetries(derive),
    timeouts: { ...outer, graceS },
    probes: planProbes(input, engine.kind, derive),
    autoscaling: planAutoscaling(input, gateway, derive),
    disruption: planDisruption(input, derive),
    shutdown,
    kernel: planKernel(input, derive),
    backup,
    security: {
      auditTrail: derive.flag("security.auditTrail", input.security.auditTrail, "auditTrail", [
        "input.security.auditTrail",
      ]),
    },
    cost: planCost(input, { gateway, pgbouncer, postgres, redis, nginx, backup }, derive),
  };
}

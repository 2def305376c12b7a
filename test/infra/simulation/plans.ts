/** Plans that the tests of the simulation share. */
import type { Plan } from "../../../contract/plan.ts";
import { plan, readInput, type SizingInput } from "../../../infra/sizing/index.ts";

export type Planned = { readonly input: SizingInput; readonly plan: Plan };

/** The plan of an input as it is written. Throws with the problems of one that cannot be read. */
export function planOf(raw: unknown): Planned {
  const reading = readInput(raw);
  if (!("input" in reading)) throw new Error(JSON.stringify(reading.problems));
  return { input: reading.input, plan: plan(reading.input).plan };
}

const DEV = {
  environment: "dev",
  load: { peakRps: 50, meanLatencyMs: 150, dbQueriesPerRequest: 0.5, dbTxMs: 5, concurrentUsers: 20 },
  gateway: { cpu: 1, memory: "512Mi", rpsPerWorker: 150 },
  database: { postgres: { cpu: 1, memory: "1Gi" } },
};
const PROD = {
  environment: "prod",
  load: { peakRps: 3000, meanLatencyMs: 250, dbQueriesPerRequest: 0.4, dbTxMs: 5, zones: 3, concurrentUsers: 6500 },
  gateway: { engine: "bounded", cpu: 4, memory: "4096Mi", rpsPerWorker: 150 },
  database: { pgbouncer: { instances: 2 }, postgres: { cpu: 8, memory: "32Gi" } },
  nginx: { cpu: 2 },
};

type Groups = Readonly<Record<string, unknown>>;

/** The prod input with groups of it replaced in part. */
export function prod(
  changes: { readonly load?: Groups; readonly gateway?: Groups; readonly database?: Groups } = {},
): Planned {
  return planOf({
    ...PROD,
    load: { ...PROD.load, ...changes.load },
    gateway: { ...PROD.gateway, ...changes.gateway },
    database: { ...PROD.database, ...changes.database },
  });
}

export function dev(
  changes: { readonly load?: Groups; readonly gateway?: Groups; readonly database?: Groups } = {},
): Planned {
  return planOf({
    ...DEV,
    load: { ...DEV.load, ...changes.load },
    gateway: { ...DEV.gateway, ...changes.gateway },
    database: { ...DEV.database, ...changes.database },
  });
}

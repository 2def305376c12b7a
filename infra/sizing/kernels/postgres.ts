/** PostgreSQL: connections, memory and the settings that follow from the machine (pgtune's web profile). */
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { down, up } from "../rounding.ts";

type Postgres = Plan["postgres"];

/** superuser_reserved_connections. */
const RESERVED = 3;
/** Migrations 5, exporter 3, backup 2, administrators 5: all past the pooler. */
const DIRECT = 15;
/** max_files_per_process, and what is open besides. */
export const BACKEND_DESCRIPTORS = 1000 + 64;

/** Server connections that the gateways can hold at the worst instant: the pooler's, or their own without one. */
export function serverConnections(database: Plan["database"], pooler: Plan["pgbouncer"]): number {
  return pooler === null ? database.appConnections : pooler.instances * pooler.maxDbConnections;
}

export function planPostgres(
  input: SizingInput,
  database: Plan["database"],
  pooler: Plan["pgbouncer"],
  cpu: number,
  derive: Derivation,
): Postgres {
  const at = (path: string, value: number, source: string) => derive.standard(path, value, source);
  const version = derive.number("postgres.version", input.database.postgres.version, "version", [
    "input.database.postgres.version",
  ]);
  const reservedConnections = at("postgres.reservedConnections", RESERVED, "PostgreSQL's default");
  const directConnections = at(
    "postgres.directConnections",
    DIRECT,
    "migrations 5, exporter 3, backup 2, administrators 5",
  );
  // With less than it would take, I8 says whether what the service allows is enough.
  const allowed = input.database.postgres.ceiling ?? Number.POSITIVE_INFINITY;
  const maxConnections = derive.number(
    "postgres.maxConnections",
    Math.min(
      allowed,
      pooler === null
        ? up(1.2 * database.appConnections) + 20
        : up(1.1 * (serverConnections(database, pooler) + reservedConnections + directConnections)),
    ),
    "⌈1.1 · (instances · maxDbConnections + reserved + direct)⌉; without a pooler ⌈1.2 · appConnections⌉ + 20; at most the ceiling",
    pooler === null
      ? ["database.appConnections", "database.mode", "input.database.postgres.ceiling"]
      : [
          "input.database.postgres.ceiling",
          "pgbouncer.instances",
          "pgbouncer.maxDbConnections",
          "postgres.reservedConnections",
          "postgres.directConnections",
          "database.mode",
        ],
  );
  const maxWalSizeMiB = at("postgres.maxWalSizeMiB", 4096, "pgtune, web");
  const maxWalSenders = at("postgres.maxWalSenders", 10, "PostgreSQL's default");
  const parallel = planParallel(cpu, derive);
  const memory = planMemory(input, maxConnections, parallel.maxWorkerProcesses, derive);
  return {
    version,
    cpu,
    maxConnections,
    reservedConnections,
    directConnections,
    ...memory,
    minWalSizeMiB: at("postgres.minWalSizeMiB", 1024, "pgtune, web"),
    maxWalSizeMiB,
    randomPageCost: at("postgres.randomPageCost", 1.1, "pgtune, solid state"),
    effectiveIoConcurrency: derive.number(
      "postgres.effectiveIoConcurrency",
      input.database.postgres.disk === "nvme" ? 1000 : 200,
      "pgtune: nvme 1000, ssd 200",
      ["input.database.postgres.disk"],
    ),
    ...parallel,
    jit: derive.flag("postgres.jit", false, "pgtune, web: short queries", []),
    walCompression: derive.word("postgres.walCompression", "lz4", "lz4 since version 15", ["postgres.version"]),
    maxWalSenders,
    semaphores: derive.number(
      "postgres.semaphores",
      up((maxConnections + memory.autovacuumMaxWorkers + maxWalSenders + parallel.maxWorkerProcesses + 6) / 16) * 17,
      "⌈(maxConnections + autovacuumMaxWorkers + maxWalSenders + maxWorkerProcesses + 6) ÷ 16⌉ · 17 (PostgreSQL, kernel resources)",
      [
        "postgres.maxConnections",
        "postgres.autovacuumMaxWorkers",
        "postgres.maxWalSenders",
        "postgres.maxWorkerProcesses",
      ],
    ),
    shmMiB: at("postgres.shmMiB", 256, "parallel queries need more than the 64 MiB that containers get"),
    volumeGiB: derive.number(
      "postgres.volumeGiB",
      up(1.2 * ((2 * maxWalSizeMiB) / 1024 + input.data.dataGiB)),
      "⌈1.2 · (2 · maxWalSize + dataGiB)⌉",
      ["postgres.maxWalSizeMiB", "input.data.dataGiB"],
    ),
    nofile: at("postgres.nofile", BACKEND_DESCRIPTORS, "max_files_per_process 1000, and 64"),
  };
}

type Memory = Pick<
  Postgres,
  | "memoryMiB"
  | "sharedBuffersMiB"
  | "effectiveCacheSizeMiB"
  | "workMemMiB"
  | "maintenanceWorkMemMiB"
  | "autovacuumWorkMemMiB"
  | "autovacuumMaxWorkers"
  | "walBuffersMiB"
  | "hugePages"
>;

function planMemory(input: SizingInput, maxConnections: number, workerProcesses: number, derive: Derivation): Memory {
  const memoryMiB = derive.number("postgres.memoryMiB", input.database.postgres.memory, "memory", [
    "input.database.postgres.memory",
  ]);
  const part = (path: string, value: number, formula: string) =>
    derive.number(path, value, formula, ["postgres.memoryMiB"]);
  const sharedBuffersMiB = part(
    "postgres.sharedBuffersMiB",
    Math.max(1, down(memoryMiB / 4)),
    "memoryMiB ÷ 4 (PostgreSQL documentation)",
  );
  const maintenanceWorkMemMiB = part(
    "postgres.maintenanceWorkMemMiB",
    Math.max(1, Math.min(2048, down(memoryMiB / 16))),
    "min(2048, memoryMiB ÷ 16)",
  );
  return {
    memoryMiB,
    sharedBuffersMiB,
    effectiveCacheSizeMiB: part(
      "postgres.effectiveCacheSizeMiB",
      Math.max(1, down((memoryMiB * 3) / 4)),
      "memoryMiB · 3 ÷ 4",
    ),
    workMemMiB: derive.number(
      "postgres.workMemMiB",
      Math.max(4, down((memoryMiB - sharedBuffersMiB) / ((maxConnections + workerProcesses) * 3))),
      "max(4, (memoryMiB − sharedBuffersMiB) ÷ ((maxConnections + maxWorkerProcesses) · 3))",
      ["postgres.memoryMiB", "postgres.sharedBuffersMiB", "postgres.maxConnections", "postgres.maxWorkerProcesses"],
    ),
    maintenanceWorkMemMiB,
    autovacuumWorkMemMiB: derive.number(
      "postgres.autovacuumWorkMemMiB",
      Math.max(1, Math.min(maintenanceWorkMemMiB, down(memoryMiB / 32))),
      "min(maintenanceWorkMemMiB, memoryMiB ÷ 32)",
      ["postgres.maintenanceWorkMemMiB", "postgres.memoryMiB"],
    ),
    autovacuumMaxWorkers: derive.standard("postgres.autovacuumMaxWorkers", 3, "PostgreSQL's default"),
    walBuffersMiB: derive.number(
      "postgres.walBuffersMiB",
      walBuffers(sharedBuffersMiB),
      "3 % of sharedBuffersMiB, at most 16; from 14 on 16 (pgtune)",
      ["postgres.sharedBuffersMiB"],
    ),
    hugePages: derive.word("postgres.hugePages", sharedBuffersMiB >= 2048 ? "try" : "off", "try from 2 GiB shared", [
      "postgres.sharedBuffersMiB",
    ]),
  };
}

function walBuffers(sharedBuffersMiB: number): number {
  const share = Math.min(16, down(sharedBuffersMiB * 0.03));
  return share >= 14 ? 16 : Math.max(1, share);
}

type Parallel = Pick<
  Postgres,
  "maxWorkerProcesses" | "maxParallelWorkers" | "maxParallelWorkersPerGather" | "maxParallelMaintenanceWorkers"
>;

/** From four cores on pgtune gives parallel queries the cores; below, PostgreSQL's defaults. */
function planParallel(cpu: number, derive: Derivation): Parallel {
  const cores = down(cpu);
  const gather = cores >= 4 ? Math.min(4, up(cores / 2)) : 2;
  const by = (path: string, value: number, formula: string) => derive.number(path, value, formula, ["postgres.cpu"]);
  return {
    maxWorkerProcesses: by("postgres.maxWorkerProcesses", Math.max(8, cores), "cpu, at least 8"),
    maxParallelWorkers: by("postgres.maxParallelWorkers", cores >= 4 ? cores : 8, "cpu from 4 on, else 8"),
    maxParallelWorkersPerGather: by(
      "postgres.maxParallelWorkersPerGather",
      gather,
      "min(4, ⌈cpu ÷ 2⌉) from 4 on, else 2",
    ),
    maxParallelMaintenanceWorkers: by(
      "postgres.maxParallelMaintenanceWorkers",
      gather,
      "min(4, ⌈cpu ÷ 2⌉) from 4 on, else 2",
    ),
  };
}

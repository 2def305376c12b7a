/** Replicas, workers and memory of the gateway. */
import type { Calibration } from "../../../contract/calibration.ts";
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation, Source } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { clamp, down, powerOfTwo, tidy, up } from "../rounding.ts";

const MIB = 1024 * 1024;
/** Share of a worker's capacity that the peak may use. */
export const TARGET_USE = 0.7;
/** Least heap of a worker, MiB. */
export const LEAST_HEAP_MIB = 128;
/** The primary process beside the workers, MiB (measured 55–60). */
export const PRIMARY_MIB = 60;
/** Share of a container's memory that the plan may hand out. */
export const MEMORY_SHARE = 0.9;
/** Descriptors of a worker besides those it is sized for: files, pipes, the event loop. */
const OTHER_DESCRIPTORS = 64;
const LEAST_BACKLOG = 128;

type Replicas = Plan["gateway"]["replicas"];
type Measurement = Extract<Source, { readonly kind: "measured" }>;

/** Workers of a replica: one per core, or the documents' rule; at most 16. */
export function countWorkers(
  input: SizingInput,
  cpu: number,
  engine: Plan["engine"]["kind"],
  derive: Derivation,
): number {
  const { workers, workerRule } = input.gateway;
  const auto =
    workerRule === "documents" && engine === "fastify" ? Math.min(down(2 * cpu + 1), 16) : clamp(down(cpu), 1, 16);
  return derive.number(
    "gateway.workers",
    workers === "auto" ? auto : workers,
    "workers; auto: one per core, 1 to 16 (documents' rule with fastify: min(2·cpu + 1, 16))",
    ["input.gateway.workers", "input.gateway.workerRule", "gateway.cpu", "engine.kind"],
  );
}

/** Requests per second of a worker: as given, as measured, or the documents' guess. */
export function serviceRate(input: SizingInput, engine: Plan["engine"]["kind"], derive: Derivation): number {
  const { gateway } = input;
  const calibration = calibrationFor(input, engine);
  const path = "gateway.rpsPerWorker";
  if (gateway.rpsPerWorker !== undefined)
    return derive.number(path, gateway.rpsPerWorker, "as given", [`input.${path}`]);
  if (calibration !== undefined)
    return derive.constant(path, calibration.rpsPerWorker, {
      ...measurementOf(calibration),
      from: ["engine.kind", "input.calibration"],
    });
  return derive.constant(path, 150, {
    kind: "assumed",
    source: "the documents say 100 to 1000",
    from: ["engine.kind", "input.calibration"],
  });
}

/** The calibration, where it is one of this engine: what another one does says nothing about it. */
export function calibrationFor(
  { calibration }: Pick<SizingInput, "calibration">,
  engine: Plan["engine"]["kind"],
): SizingInput["calibration"] {
  return calibration?.engine === engine ? calibration : undefined;
}

/** What a calibration is worth as an origin: where, when and by what it was measured. */
export function measurementOf({ machine, measuredAt, load, version }: Calibration): Measurement {
  return {
    kind: "measured",
    on: `${machine.cpu}, ${machine.cores} cores, Node ${machine.runtime}`,
    at: measuredAt,
    by: `load test ${load.profile} of version ${version}`,
  };
}

/**
 * needed = ⌈λ ÷ (min(W, cores)·rate·0.7)⌉, since two workers on one core cannot use two; the fewest carry the average of the peak
 * hour, and with zones the loss of one; the most a quarter more than needed; the peak adds the surge of a rollout (Kubernetes rounds
 * it up).
 */
export function planReplicas(input: SizingInput, load: Plan["load"], perReplica: number, derive: Derivation): Replicas {
  const { haFloor, hpa, maxSurge } = input.gateway;
  const { zones } = input.load;
  const needed = derive.number(
    "gateway.replicas.needed",
    Math.max(1, up(load.gatewayRps / perReplica)),
    "⌈gatewayRps ÷ (min(workers, cpu) · rpsPerWorker · 0.7)⌉",
    ["load.gatewayRps", "gateway.workers", "gateway.cpu", "gateway.rpsPerWorker"],
  );
  // A cache that answers everything leaves no arrivals to take a share of.
  const average = load.gatewayRps === 0 ? 0 : load.averageRps / load.gatewayRps;
  const withoutZone = zones > 1 ? zones / (zones - 1) : 0;
  const fewest = hpa
    ? Math.max(haFloor, up(load.averageRps / perReplica), up(needed * average * withoutZone))
    : Math.max(haFloor, needed, up(needed * withoutZone));
  const min = derive.number(
    "gateway.replicas.min",
    fewest,
    "max(haFloor, ⌈averageRps ÷ (min(workers, cpu) · rpsPerWorker · 0.7)⌉, zones > 1: ⌈needed · averageRps ÷ gatewayRps · zones ÷ (zones − 1)⌉); for the peak without HPA",
    [
      "input.gateway.haFloor",
      "input.gateway.hpa",
      "input.load.zones",
      "load.gatewayRps",
      "load.averageRps",
      "gateway.workers",
      "gateway.cpu",
      "gateway.rpsPerWorker",
      "gateway.replicas.needed",
    ],
  );
  const max = derive.number(
    "gateway.replicas.max",
    hpa ? Math.max(min + 1, up(1.25 * needed)) : min,
    "max(min + 1, ⌈1.25 · needed⌉); min without HPA",
    ["gateway.replicas.min", "gateway.replicas.needed", "input.gateway.hpa"],
  );
  const peak = derive.number("gateway.replicas.peak", max + up(maxSurge * max), "max + ⌈maxSurge · max⌉", [
    "gateway.replicas.max",
    "input.gateway.maxSurge",
  ]);
  return { min, max, peak, needed };
}

type Memory = Pick<
  Plan["gateway"],
  "inFlightPerWorker" | "maxOldSpaceMiB" | "workerBaseMiB" | "bytesPerRequest" | "memoryMiB"
>;

/**
 * In flight per worker B = ⌈1.5·L ÷ (min·W)⌉ in 16…1024, cut where the heap would fall below 128 MiB; the heap is what is left:
 * W·(heap + base + B·bytes) + primary ≤ 0.9 · memory.
 */
export function planMemory(
  input: SizingInput,
  load: Plan["load"],
  engine: Plan["engine"]["kind"],
  { min, workers }: { readonly min: number; readonly workers: number },
  derive: Derivation,
): Memory {
  const { gateway } = input;
  const calibration = calibrationFor(input, engine);
  const sessions = input.load.statefulSessions / (min * workers);
  const memoryMiB = derive.number("gateway.memoryMiB", gateway.memory, "memory", ["input.gateway.memory"]);
  const workerBaseMiB =
    gateway.workerBaseMiB === undefined && calibration?.workerBaseMiB === undefined
      ? derive.standard("gateway.workerBaseMiB", 148, "measured on Node 26: 100 resident, 48 young generation")
      : derive.number(
          "gateway.workerBaseMiB",
          gateway.workerBaseMiB ??
            (calibration?.workerBaseMiB ?? 0) + 48 + tidy((sessions * (calibration?.bytesPerSession ?? 0)) / MIB),
          "as given; calibration: idle worker + 48 of young generation + statefulSessions ÷ (min · workers) · bytesPerSession",
          [
            "input.gateway.workerBaseMiB",
            "input.calibration",
            "engine.kind",
            "input.load.statefulSessions",
            "gateway.replicas.min",
            "gateway.workers",
          ],
        );
  const bytesPerRequest =
    gateway.bytesPerRequest === undefined && calibration?.bytesPerRequest === undefined
      ? derive.standard("gateway.bytesPerRequest", 64 * 1024, "this project: a body and an answer of some KiB")
      : derive.number(
          "gateway.bytesPerRequest",
          gateway.bytesPerRequest ?? calibration?.bytesPerRequest ?? 0,
          "as given; as measured",
          ["input.gateway.bytesPerRequest", "input.calibration", "engine.kind"],
        );
  const requestMiB = bytesPerRequest / MIB;
  const perWorker = (MEMORY_SHARE * memoryMiB - PRIMARY_MIB) / workers - workerBaseMiB;
  const wanted = clamp(up((1.5 * load.inFlight) / (min * workers)), 16, 1024);
  const affordable = requestMiB === 0 ? wanted : down((perWorker - LEAST_HEAP_MIB) / requestMiB);
  const inFlightPerWorker = derive.number(
    "gateway.inFlightPerWorker",
    Math.max(1, Math.min(wanted, affordable)),
    "⌈1.5 · inFlight ÷ (min · workers)⌉ in 16…1024, less where the heap would fall below 128 MiB",
    [
      "load.inFlight",
      "gateway.replicas.min",
      "gateway.workers",
      "gateway.memoryMiB",
      "gateway.workerBaseMiB",
      "gateway.bytesPerRequest",
    ],
  );
  const maxOldSpaceMiB = derive.number(
    "gateway.maxOldSpaceMiB",
    down(perWorker - inFlightPerWorker * requestMiB),
    "⌊(0.9 · memoryMiB − 60) ÷ workers − workerBaseMiB − inFlightPerWorker · bytesPerRequest⌋",
    [
      "gateway.memoryMiB",
      "gateway.workers",
      "gateway.workerBaseMiB",
      "gateway.inFlightPerWorker",
      "gateway.bytesPerRequest",
    ],
  );
  return { memoryMiB, workerBaseMiB, bytesPerRequest, inFlightPerWorker, maxOldSpaceMiB };
}

type Sockets = Pick<Plan["gateway"], "cpuRequest" | "threadPool" | "listeners" | "backlog">;

export function planSockets(
  input: SizingInput,
  cpu: number,
  load: Plan["load"],
  engine: Plan["engine"]["kind"],
  min: number,
  workers: number,
  derive: Derivation,
): Sockets {
  const listeners = derive.number(
    "gateway.listeners",
    engine === "bounded" ? workers : 1,
    "fastify 1, bounded workers",
    ["engine.kind", "gateway.workers"],
  );
  const arrivals = powerOfTwo(load.gatewayRps / min / listeners);
  return {
    cpuRequest: derive.number("gateway.cpuRequest", input.gateway.cpuRequest ?? cpu, "cpuRequest, else cpu", [
      "input.gateway.cpuRequest",
      "gateway.cpu",
    ]),
    threadPool: derive.number(
      "gateway.threadPool",
      clamp(4 * up(cpu / workers), 4, 16),
      "4 · ⌈cpu ÷ workers⌉ in 4…16",
      ["gateway.cpu", "gateway.workers"],
    ),
    listeners,
    backlog: derive.number(
      "gateway.backlog",
      Math.min(input.cluster.somaxconn, Math.max(LEAST_BACKLOG, arrivals)),
      "a second of arrivals per listener as a power of two, at least 128, at most somaxconn",
      ["load.gatewayRps", "gateway.replicas.min", "gateway.listeners", "input.cluster.somaxconn"],
    ),
  };
}

/** What `workerDescriptors` is made of. */
export const GATEWAY_DESCRIPTOR_TERMS = [
  "gateway.inFlightPerWorker",
  "mcp.streamsPerWorker",
  "database.poolPerWorker",
  "database.overflow",
  "redis.connectionsPerWorker",
  "mcp.socketsPerOrigin",
  "input.mcp.servers",
  "mcp.sessionsPerWorker",
] as const;

/** Descriptors of one worker: RLIMIT_NOFILE counts per process, never per container. */
export function workerDescriptors(
  inFlightPerWorker: number,
  { database, redis, mcp }: Pick<Plan, "database" | "redis" | "mcp">,
  servers: number,
): number {
  return (
    inFlightPerWorker +
    mcp.streamsPerWorker +
    database.poolPerWorker +
    database.overflow +
    redis.connectionsPerWorker +
    mcp.socketsPerOrigin * servers +
    mcp.sessionsPerWorker +
    OTHER_DESCRIPTORS
  );
}

export function gatewayDescriptors(
  inFlightPerWorker: number,
  parts: Pick<Plan, "database" | "redis" | "mcp">,
  servers: number,
  derive: Derivation,
): number {
  return derive.number(
    "gateway.nofile",
    workerDescriptors(inFlightPerWorker, parts, servers),
    "inFlightPerWorker + streamsPerWorker + pool + overflow + redis + socketsPerOrigin · servers + sessionsPerWorker + 64",
    GATEWAY_DESCRIPTOR_TERMS,
  );
}

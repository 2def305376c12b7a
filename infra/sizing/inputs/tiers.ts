/** What runs: gateway, nginx and Redis. */
import {
  choice,
  cpu,
  flag,
  memory,
  number,
  optionalCpu,
  optionalNumber,
  optionalWhole,
  whole,
  workers,
} from "../field.ts";
import { DOCUMENTS, OURS } from "./sources.ts";

export const gateway = {
  engine: choice(["fastify", "bounded", "auto"], {
    description: "Server engine; auto lets the plan choose and say why",
    fallback: "auto",
    source: OURS,
  }),
  cpu: cpu({ description: "Processor limit of a replica", min: 0.1, max: 256 }),
  cpuRequest: optionalCpu({
    description: "Processor that a replica is promised; the limit when left out",
    min: 0.1,
    max: 256,
    sameAs: "gateway.cpu",
  }),
  memory: memory({ description: "Memory of a replica, request and limit", min: 128, max: 1024 * 1024 }),
  workers: workers({ description: "Worker processes of a replica", min: 1, max: 64, fallback: "auto", source: OURS }),
  workerRule: choice(["node", "documents"], {
    description: "How auto counts workers: one per core, or as the documents do",
    fallback: "node",
    source: OURS,
  }),
  rpsPerWorker: optionalNumber({
    description: "Requests per second of one worker at full use; the calibration's when left out",
    unit: "requests/s",
    min: 0.01,
    max: 1_000_000,
  }),
  bytesPerRequest: optionalWhole({
    description: "Memory outside the heap per request in flight; the calibration's, else 64 KiB, when left out",
    unit: "bytes",
    min: 0,
    max: 1_073_741_824,
  }),
  workerBaseMiB: optionalNumber({
    description:
      "Resident memory of a worker besides heap and requests; 148 MiB when left out (100 for code and libraries, 48 for the young generation)",
    unit: "MiB",
    min: 1,
    max: 65_536,
  }),
  coldStartS: optionalNumber({
    description: "Start of a replica until it is ready; the calibration's, else 5 s, when left out",
    unit: "s",
    min: 0.01,
    max: 3600,
  }),
  maxSurge: number({
    description: "Extra replicas during a rollout",
    unit: "share",
    min: 0,
    max: 1,
    fallback: 0.25,
    source: "Kubernetes' default of a Deployment",
  }),
  haFloor: whole({
    description: "Fewest replicas whatever the load",
    unit: "replicas",
    min: 1,
    max: 1000,
    fallback: { dev: 1, prod: 3 },
    source: DOCUMENTS,
  }),
  hpa: flag({
    description: "Scale by processor use between the fewest and the most replicas",
    fallback: true,
    source: OURS,
  }),
  drainS: optionalNumber({
    description: "Wait for running calls at a stop; the handler's timeout, at least 30 s, when left out",
    unit: "s",
    min: 1,
    max: 86_400,
  }),
} as const;

export const redis = {
  role: choice(["cache", "state", "both"], {
    description: "What it keeps: only what may be evicted, only what may not, or both on one instance",
    fallback: { dev: "both", prod: "state" },
    source: OURS,
  }),
  connectionsPerWorker: whole({
    description: "Connections of a worker: one for commands, one for subscriptions",
    unit: "connections",
    min: 1,
    max: 1000,
    fallback: 2,
    source: "ioredis multiplexes one connection",
  }),
  persistence: flag({
    description: "Append-only file or snapshots; a fork may double the memory",
    fallback: { dev: false, prod: true },
    source: OURS,
  }),
  eventsPerStream: whole({
    description: "Events kept per stream for a client that resumes",
    unit: "events",
    min: 0,
    max: 1_000_000,
    fallback: 100,
    source: OURS,
  }),
  eventKiB: number({
    description: "Mean size of a kept event",
    unit: "KiB",
    min: 0.01,
    max: 65_536,
    fallback: 1,
    source: OURS,
    isAssumed: true,
  }),
  l2CacheMiB: whole({
    description: "Shared second-level cache",
    unit: "MiB",
    min: 0,
    max: 1_048_576,
    fallback: 64,
    source: OURS,
  }),
  ceiling: optionalWhole({
    description: "Clients that a managed service allows at most",
    unit: "connections",
    min: 1,
    max: 1_000_000,
  }),
} as const;

export const nginx = {
  replicas: whole({
    description: "nginx instances; with two or more, one may be lost",
    unit: "replicas",
    min: 1,
    max: 1000,
    fallback: { dev: 1, prod: 3 },
    source: OURS,
  }),
  cpu: cpu({ description: "Processor limit of an instance", min: 0.1, max: 256, fallback: 1, source: OURS }),
  memory: memory({
    description: "Memory of an instance, request and limit",
    min: 32,
    max: 1024 * 1024,
    fallback: 256,
    source: OURS,
  }),
  cacheMiB: whole({
    description: "Disk of the caches of an instance, split 4:2:1 between static files, API and schemas",
    unit: "MiB",
    min: 7,
    max: 16_777_216,
    fallback: 1792,
    source: `${DOCUMENTS}: 1 GB, 512 MB, 256 MB`,
  }),
  objectKiB: number({
    description: "Mean size of a cached answer",
    unit: "KiB",
    min: 0.1,
    max: 1_048_576,
    fallback: 16,
    source: OURS,
    isAssumed: true,
  }),
} as const;

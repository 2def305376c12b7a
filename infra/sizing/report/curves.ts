/** What a plan carries at loads other than its own: replicas, capacity and latency against requests per second. */

import { meanWait, waitQuantile } from "../queueing.ts";
import { clamp, up } from "../rounding.ts";
import type { Subject } from "./subject.ts";

export type Fleet = {
  readonly min: number;
  readonly max: number;
  readonly workers: number;
  /** Requests per second that one replica carries at the most: full use of its workers, or all it may have in flight. */
  readonly perReplica: number;
  readonly limitedBy: "processor" | "requests in flight";
  /** Requests per second of one replica at the autoscaler's target. */
  readonly atTarget: number;
  readonly serviceSeconds: number;
  readonly latencySeconds: number;
};

export function fleetOf({ document: { plan }, input }: Pick<Subject, "document" | "input">): Fleet {
  const { gateway, autoscaling } = plan;
  const latencySeconds = input.load.meanLatencyMs / 1000;
  const byProcessor = Math.min(gateway.workers, gateway.cpu) * gateway.rpsPerWorker;
  const byRequests = (gateway.workers * gateway.inFlightPerWorker) / latencySeconds;
  // The autoscaler compares with the request; a share of the cores that workers can use is meant.
  const use = (autoscaling.targetCpuPercent * gateway.cpuRequest) / 100 / Math.min(gateway.workers, gateway.cpu);
  return {
    min: gateway.replicas.min,
    max: autoscaling.enabled ? gateway.replicas.max : gateway.replicas.min,
    workers: gateway.workers,
    perReplica: Math.min(byProcessor, byRequests),
    limitedBy: byProcessor <= byRequests ? "processor" : "requests in flight",
    atTarget: byProcessor * use,
    serviceSeconds: 1 / gateway.rpsPerWorker,
    latencySeconds,
  };
}

/** Replicas that the autoscaler settles at for a steady load (Kubernetes: ⌈current · use ÷ target⌉). */
export function replicasAt({ min, max, atTarget }: Fleet, load: number): number {
  return clamp(up(load / atTarget), min, max);
}

/** More steps than this are no longer seen one by one. */
const MOST_STEPS = 200;

/**
 * Where the autoscaler adds replicas, within what it may: loads in rising order with the replicas from there on. Of very many steps
 * several are taken together.
 */
export function scalingSteps({ min, max, atTarget }: Fleet): readonly (readonly [load: number, replicas: number])[] {
  const stride = Math.max(1, up((max - min) / MOST_STEPS));
  const steps: [number, number][] = [[0, min]];
  for (let replicas = min; replicas < max; ) {
    const next = Math.min(max, replicas + stride);
    steps.push([replicas * atTarget, next]);
    replicas = next;
  }
  return steps;
}

export function capacityOf({ perReplica }: Fleet, replicas: number): number {
  return replicas * perReplica;
}

export type Point = readonly [load: number, value: number];
/** Beyond so many servers the share that waits is taken as 1, an upper bound that is no longer seen in a picture. */
const MANY_SERVERS = 100_000;

/**
 * Latency in seconds against load with a fixed number of replicas (M/M/c, each worker a server) up to the most that they carry: the
 * mean, or the mean and the wait that `quantile` of the requests do not exceed. Points lie closer where the curve bends.
 */
export function latencyCurve(fleet: Fleet, replicas: number, quantile?: number): Point[] {
  const wall = capacityOf(fleet, replicas);
  const servers = replicas * fleet.workers;
  return Array.from({ length: 121 }, (_, index) => {
    const load = wall * (1 - (1 - index / 121) ** 3);
    return [load, fleet.latencySeconds + waitAt(servers, load, fleet.serviceSeconds, quantile)] as const;
  });
}

function waitAt(servers: number, load: number, serviceSeconds: number, quantile: number | undefined): number {
  if (servers > MANY_SERVERS) {
    const mean = serviceSeconds / (servers - load * serviceSeconds);
    return quantile === undefined ? mean : -Math.log(1 - quantile) * mean;
  }
  return quantile === undefined
    ? meanWait(servers, load, serviceSeconds)
    : waitQuantile(servers, load, serviceSeconds, quantile);
}

/** What the platform is asked for: autoscaling, disruption, kernel limits, backups. */
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { up } from "../rounding.ts";
import { TARGET_USE } from "./gateway.ts";

const USUAL_SOMAXCONN = 4096;
const USUAL_PORTS = 28_232;

/** Percent of the CPU request at which the cores that the workers can use are 70 % busy; Kubernetes compares with the request. */
export function cpuTarget(gateway: Pick<Plan["gateway"], "workers" | "cpu" | "cpuRequest">): number {
  return Math.round((TARGET_USE * 100 * Math.min(gateway.workers, gateway.cpu)) / gateway.cpuRequest);
}

export function planAutoscaling(input: SizingInput, gateway: Plan["gateway"], derive: Derivation): Plan["autoscaling"] {
  const at = (path: string, value: number, source: string) => derive.standard(path, value, source);
  const { replicas } = gateway;
  return {
    enabled: derive.flag("autoscaling.enabled", input.gateway.hpa, "hpa", ["input.gateway.hpa"]),
    min: derive.number("autoscaling.min", replicas.min, "replicas.min", ["gateway.replicas.min"]),
    max: derive.number("autoscaling.max", replicas.max, "replicas.max", ["gateway.replicas.max"]),
    targetCpuPercent: derive.number(
      "autoscaling.targetCpuPercent",
      Math.min(95, cpuTarget(gateway)),
      "70 · min(workers, cpu) ÷ cpuRequest, at most 95",
      ["gateway.workers", "gateway.cpu", "gateway.cpuRequest"],
    ),
    maxSurge: derive.number("autoscaling.maxSurge", input.gateway.maxSurge, "maxSurge", ["input.gateway.maxSurge"]),
    surge: derive.number("autoscaling.surge", Math.max(0, replicas.peak - replicas.max), "peak − max, at least 0", [
      "gateway.replicas.peak",
      "gateway.replicas.max",
    ]),
    scaleUpPods: at("autoscaling.scaleUpPods", 4, "Kubernetes' default behaviour"),
    scaleUpPercent: at("autoscaling.scaleUpPercent", 100, "Kubernetes' default behaviour"),
    scaleUpPeriodS: at("autoscaling.scaleUpPeriodS", 15, "Kubernetes' default behaviour"),
    scaleDownPercent: at("autoscaling.scaleDownPercent", 10, "this project: sessions move slowly"),
    scaleDownPeriodS: at("autoscaling.scaleDownPeriodS", 60, "this project: sessions move slowly"),
    scaleDownStabilisationS: at("autoscaling.scaleDownStabilisationS", 300, "Kubernetes' default behaviour"),
  };
}

/** One replica at a time may be evicted, unless a least number is pinned instead. */
export function planDisruption(input: SizingInput, derive: Derivation): Plan["disruption"] {
  const minAvailable = input.given["disruption.minAvailable"];
  return {
    maxUnavailable:
      typeof minAvailable === "number" && input.given["disruption.maxUnavailable"] === undefined
        ? null
        : derive.standard("disruption.maxUnavailable", 1, "this project: every drain can go on"),
    minAvailable:
      typeof minAvailable === "number" ? derive.standard("disruption.minAvailable", minAvailable, "pinned") : null,
    zones: derive.demand("disruption.zones", input.load.zones, "zones", ["input.load.zones"]),
  };
}

export function planKernel(input: SizingInput, derive: Derivation): Plan["kernel"] {
  const { cluster } = input;
  const copy = (name: "somaxconn" | "nofileHard" | "ephemeralPorts" | "kubernetesMinor") =>
    derive.number(`kernel.${name}`, cluster[name], name, [`input.cluster.${name}`]);
  const somaxconn = copy("somaxconn");
  const ephemeralPorts = copy("ephemeralPorts");
  return {
    somaxconn,
    nofileHard: copy("nofileHard"),
    ephemeralPorts,
    kubernetesMinor: copy("kubernetesMinor"),
    unsafeSysctls: derive.flag("kernel.unsafeSysctls", cluster.unsafeSysctls, "unsafeSysctls", [
      "input.cluster.unsafeSysctls",
    ]),
    sysctls: [
      ...(somaxconn === USUAL_SOMAXCONN ? [] : ["net.core.somaxconn"]),
      ...(ephemeralPorts === USUAL_PORTS ? [] : ["net.ipv4.ip_local_port_range"]),
    ],
  };
}

export function planBackup({ data }: SizingInput, derive: Derivation): Plan["backup"] {
  const copy = (name: "periodH" | "windowH" | "retained") =>
    derive.number(`backup.${name}`, data.backup[name], name, [`input.data.backup.${name}`]);
  const retained = copy("retained");
  const sizeGiB = derive.number("backup.sizeGiB", data.dataGiB * data.backup.compression, "dataGiB · compression", [
    "input.data.dataGiB",
    "input.data.backup.compression",
  ]);
  return {
    periodH: copy("periodH"),
    windowH: copy("windowH"),
    retained,
    sizeGiB,
    // One more than is kept: the newest is written before the oldest goes.
    volumeGiB: derive.number(
      "backup.volumeGiB",
      Math.max(1, up(1.2 * (retained + 1) * sizeGiB)),
      "⌈1.2 · (retained + 1) · sizeGiB⌉, at least 1",
      ["backup.retained", "backup.sizeGiB"],
    ),
  };
}

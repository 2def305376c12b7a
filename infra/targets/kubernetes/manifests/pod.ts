/** The one builder of pod templates: whatever every pod must have stands here once. */
import type { Workload } from "../../../topology/index.ts";
import { literal, preStop, probeOf } from "./command.ts";
import { fileVolumes } from "./files.ts";
import { priorityName } from "./priority.ts";
import { cpu, mebibytes, seconds } from "./quantity.ts";
import { accountName, type Site, type Tree, workloadLabels, workloadSelector } from "./site.ts";
import { storageVolumes } from "./storage.ts";

/** Another content of what a process read at its start is another template: its pods are replaced, and no other tier's. */
export const CHECKSUM = "checksum/config";

export function podTemplate(site: Site, workload: Workload): Tree {
  return {
    metadata: { labels: workloadLabels(site, workload), annotations: { [CHECKSUM]: workload.checksum } },
    spec: podSpec(site, workload),
  };
}

function podSpec(site: Site, workload: Workload): Tree {
  const isBatch = workload.shape.kind === "job" || workload.shape.kind === "schedule";
  const files = fileVolumes(workload);
  const storage = storageVolumes(workload);
  const volumes = [...files.volumes, ...storage.volumes];
  return {
    serviceAccountName: accountName(workload),
    automountServiceAccountToken: false,
    // Variables of Services, REDIS_PORT=tcp://…, would be taken for settings.
    enableServiceLinks: false,
    ...(isBatch ? { restartPolicy: "Never" } : {}),
    ...(site.deployment.kubernetes.priorityClasses ? { priorityClassName: priorityName(site, workload.tier) } : {}),
    terminationGracePeriodSeconds: seconds(workload.shutdown.graceS),
    securityContext: podSecurity(workload),
    ...(workload.shape.kind === "replicated" ? { topologySpreadConstraints: spread(site, workload) } : {}),
    containers: [container(site, workload, [...files.mounts, ...storage.mounts])],
    ...(volumes.length === 0 ? {} : { volumes }),
  };
}

/** Kubernetes documentation, Pod Security Standards, restricted. */
function podSecurity({ image, sysctls }: Workload): Tree {
  const named = Object.entries(sysctls).map(([name, value]) => ({ name, value }));
  return {
    runAsNonRoot: true,
    runAsUser: image.uid,
    runAsGroup: image.uid,
    fsGroup: image.uid,
    // Giving every file of a large volume to the group at every start takes minutes, and PostgreSQL refuses data that its group may write.
    fsGroupChangePolicy: "OnRootMismatch",
    seccompProfile: { type: "RuntimeDefault" },
    ...(named.length === 0 ? {} : { sysctls: named }),
  };
}

function container(site: Site, workload: Workload, mounts: readonly Tree[]): Tree {
  const { probes, ports } = workload;
  const hook = preStop(workload.shutdown, site.minor);
  const environment = Object.entries(workload.environment).map(([name, value]) => ({ name, value: literal(value) }));
  return {
    name: workload.name,
    image: workload.image.reference,
    imagePullPolicy: "IfNotPresent",
    command: workload.command.map(literal),
    ...(environment.length === 0 ? {} : { env: environment }),
    ...(ports.length === 0
      ? {}
      : { ports: ports.map(({ name, port }) => ({ name, containerPort: port, protocol: "TCP" })) }),
    resources: resourcesOf(workload),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    ...(probes === null
      ? {}
      : {
          startupProbe: probeOf(probes.startup),
          readinessProbe: probeOf(probes.readiness),
          ...(probes.liveness === null ? {} : { livenessProbe: probeOf(probes.liveness) }),
        }),
    ...(hook === undefined ? {} : { lifecycle: { preStop: hook } }),
    ...(mounts.length === 0 ? {} : { volumeMounts: mounts }),
  };
}

function resourcesOf({ resources }: Workload): Tree {
  const fixed = { memory: mebibytes(resources.memoryMiB), "ephemeral-storage": mebibytes(resources.ephemeralMiB) };
  return {
    requests: { cpu: cpu(resources.cpuRequest), ...fixed },
    limits: { cpu: cpu(resources.cpuLimit), ...fixed },
  };
}

/**
 * Over zones as far as possible; over nodes as a must in production. Pods of an older generation do not count: otherwise a rollout
 * would spread the sum, and the new generation could end on one node. A node that no pod may run on is no place either.
 */
function spread(site: Site, workload: Workload): readonly Tree[] {
  const shared = {
    maxSkew: 1,
    labelSelector: { matchLabels: workloadSelector(site, workload) },
    nodeTaintsPolicy: "Honor",
    // On by default since 1.27; only a Deployment gives its pods such a label.
    ...(site.minor >= 27 && isOfDeployment(workload) ? { matchLabelKeys: ["pod-template-hash"] } : {}),
  };
  return [
    { topologyKey: "topology.kubernetes.io/zone", whenUnsatisfiable: "ScheduleAnyway", ...shared },
    {
      topologyKey: "kubernetes.io/hostname",
      whenUnsatisfiable: site.isProduction ? "DoNotSchedule" : "ScheduleAnyway",
      ...shared,
    },
  ];
}

function isOfDeployment({ shape }: Workload): boolean {
  return shape.kind === "replicated" && shape.rollout.order === "beside";
}

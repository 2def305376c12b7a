/** What a tier keeps, and what its workloads may lose. */
import type { Tier, Volume, Workload } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { gibibytes, mebibytes } from "./quantity.ts";
import { metadataOf, type Site, type Tree, tierLabels } from "./site.ts";

type Kept = Extract<Volume, { readonly kind: "kept" }>;

/** Every volume that is kept, once: two workloads may share one by its name, and the larger wish holds. */
export function keptVolumes(workloads: readonly Workload[]): readonly Kept[] {
  const kept = workloads.flatMap(({ volumes }) => volumes.filter((volume) => volume.kind === "kept"));
  return [...Map.groupBy(kept, ({ name }) => name).values()].flatMap((same) =>
    same.toSorted((a, b) => b.sizeGiB - a.sizeGiB).slice(0, 1),
  );
}

/**
 * Claims of their own instead of templates in a StatefulSet: a template can never be changed, so a larger volume would replace the
 * StatefulSet, while a claim grows in place where its class allows it (Kubernetes documentation, expanding persistent volumes claims).
 * Nobody waits for a claim: with a class that binds at the first consumer, it would wait for a pod that waits for it.
 */
export function claims(site: Site, tier: Tier): readonly Manifest[] {
  const { storageClass } = site.deployment.kubernetes;
  const kept = keptVolumes(site.topology.workloads.filter((workload) => workload.tier === tier));
  return kept.map(({ name, sizeGiB }) => ({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: metadataOf(site, name, tierLabels(site, tier), { "pulumi.com/skipAwait": "true" }),
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: gibibytes(sizeGiB) } },
      ...(storageClass === undefined ? {} : { storageClassName: storageClass }),
    },
  }));
}

/** Volumes of a pod, and where they are in it. */
export function storageVolumes({ volumes }: Workload): {
  readonly volumes: readonly Tree[];
  readonly mounts: readonly Tree[];
} {
  return {
    volumes: volumes.map((volume) => ({ name: volume.name, ...sourceOf(volume) })),
    mounts: volumes.map(({ name, path }) => ({ name, mountPath: path })),
  };
}

function sourceOf(volume: Volume): Tree {
  if (volume.kind === "kept") return { persistentVolumeClaim: { claimName: volume.name } };
  const medium = volume.medium === "memory" ? { medium: "Memory" } : {};
  return { emptyDir: { ...medium, sizeLimit: mebibytes(volume.sizeMiB) } };
}

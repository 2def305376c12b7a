/** Which objects an update would not change but take away: replaced, renamed or deleted. A change of size must do that to no data. */
import { isDeepStrictEqual } from "node:util";
import type { Manifest } from "../manifest.ts";
import { objectOf } from "./finding.ts";
import { isTree, textAt, textsAt, valueAt } from "./tree.ts";

export type Replacement = {
  /** `Kind/name`, as it was before. */
  readonly object: string;
  readonly change: "replaced" | "renamed" | "deleted";
  /** What changed; `metadata.name` of what was renamed or deleted. */
  readonly path: string;
  readonly why: string;
  /** Whether data, or the way to them, is lost meanwhile. */
  readonly holdsData: boolean;
};

/**
 * Kind → paths of which a change replaces the object: pulumi-kubernetes, provider/pkg/provider/diff.go, and Kubernetes' immutable fields.
 * The size of a claim is changed in place. ConfigMaps and Secrets are, because the provider is told to (`enableConfigMapMutable`,
 * `enableSecretMutable`), unless they are `immutable`. Bare Pods and the volumes of single clouds are left out: nobody here makes any.
 */
const FORCING: Readonly<Record<string, readonly string[]>> = {
  Deployment: ["spec.selector"],
  DaemonSet: ["spec.selector"],
  StatefulSet: [
    "spec.podManagementPolicy",
    "spec.revisionHistoryLimit",
    "spec.selector",
    "spec.serviceName",
    "spec.volumeClaimTemplates",
  ],
  Job: ["spec.completions", "spec.parallelism", "spec.selector", "spec.template"],
  Service: ["spec.clusterIP"],
  PersistentVolumeClaim: ["spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"],
  PersistentVolume: ["spec.csi", "spec.local", "spec.nfs", "spec.hostPath", "spec.iscsi", "spec.fc", "spec.rbd"],
  ResourceQuota: ["spec.scopes"],
  Secret: ["type"],
  RoleBinding: ["roleRef"],
  ClusterRoleBinding: ["roleRef"],
  StorageClass: ["parameters", "provisioner"],
};

/** What holds data itself; `Cluster` is CloudNativePG's. */
const DATA_KINDS = ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "Cluster"];

/** From `before` to `after`, in the order of `before`; objects that only `after` has are no loss. */
export function replacements(before: readonly Manifest[], after: readonly Manifest[]): readonly Replacement[] {
  return before.flatMap((old) => {
    const holdsData = isOfData(old, before);
    const now = after.find((one) => isSame(one, old));
    if (now !== undefined) return replacedBy(old, now).map((one) => ({ ...one, holdsData }));
    const heir = after.find((one) => isHeir(one, old) && !before.some((other) => isSame(other, one)));
    return [{ ...goneBy(old, heir), holdsData }];
  });
}

/** An object is what it is by kind, namespace and name; its API's version may change. */
function isSame(a: Manifest, b: Manifest): boolean {
  return a.kind === b.kind && a.metadata.name === b.metadata.name && a.metadata.namespace === b.metadata.namespace;
}

function isHeir(heir: Manifest, old: Manifest): boolean {
  if (heir.kind !== old.kind) return false;
  if (heir.metadata.name === old.metadata.name) return true;
  const label = (one: Manifest, key: string) => textAt(one, "metadata", "labels", `app.kubernetes.io/${key}`);
  return (
    label(old, "name") !== undefined &&
    ["name", "component", "instance"].every((key) => label(heir, key) === label(old, key))
  );
}

function goneBy(old: Manifest, heir: Manifest | undefined): Omit<Replacement, "holdsData"> {
  const object = objectOf(old);
  if (heir === undefined) {
    return { object, change: "deleted", path: "metadata.name", why: "no object of this kind and name is left" };
  }
  const path = heir.metadata.name === old.metadata.name ? "metadata.namespace" : "metadata.name";
  const from = textAt(old, ...path.split(".")) ?? "nothing";
  const to = textAt(heir, ...path.split(".")) ?? "nothing";
  return {
    object,
    change: "renamed",
    path,
    why: `it becomes ${to} and was ${from}: another object, and this one is deleted`,
  };
}

function replacedBy(old: Manifest, now: Manifest): readonly Omit<Replacement, "holdsData">[] {
  return forcingOf(old)
    .filter((path) => !isDeepStrictEqual(valueAt(old, ...path.split(".")), valueAt(now, ...path.split("."))))
    .map((path) => ({
      object: objectOf(old),
      change: "replaced",
      path,
      why: `${path} of a ${old.kind} cannot be changed in place`,
    }));
}

function forcingOf(manifest: Manifest): readonly string[] {
  const forcing = Object.hasOwn(FORCING, manifest.kind) ? (FORCING[manifest.kind] ?? []) : [];
  const isImmutable = ["ConfigMap", "Secret"].includes(manifest.kind) && valueAt(manifest, "immutable") === true;
  return isImmutable ? [...forcing, "data", "binaryData", "stringData", "immutable"] : forcing;
}

/** Data themselves, and the Services through which a StatefulSet is found. */
function isOfData(manifest: Manifest, all: readonly Manifest[]): boolean {
  if (DATA_KINDS.includes(manifest.kind) || isOnClaims(manifest)) return true;
  if (manifest.kind !== "Service") return false;
  const selector = valueAt(manifest, "spec", "selector");
  return all.some((one) => {
    if (!isOnClaims(one) || one.metadata.namespace !== manifest.metadata.namespace) return false;
    if (textAt(one, "spec", "serviceName") === manifest.metadata.name) return true;
    const labels = textsAt(one, "spec", "template", "metadata", "labels");
    return isTree(selector) && Object.entries(selector).every(([key, value]) => labels[key] === value);
  });
}

/** A StatefulSet whose pods keep something; others are of this kind for their order alone. */
function isOnClaims(manifest: Manifest): boolean {
  if (manifest.kind !== "StatefulSet") return false;
  const list = (...path: readonly string[]) => {
    const value = valueAt(manifest, ...path);
    return Array.isArray(value) ? value : [];
  };
  const isClaim = (volume: unknown) => isTree(volume) && volume.persistentVolumeClaim !== undefined;
  return list("spec", "volumeClaimTemplates").length > 0 || list("spec", "template", "spec", "volumes").some(isClaim);
}

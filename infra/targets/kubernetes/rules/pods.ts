/** The pods that a set of objects would start: every workload's template, with every container in it. */
import type { Manifest } from "../manifest.ts";
import { type Element, elementsAt, type Tree, textAt, textsAt, treeAt } from "./tree.ts";

export type ContainerRole = "containers" | "initContainers" | "ephemeralContainers";

export type Container = Element & { readonly role: ContainerRole; readonly name: string };

export type Pod = {
  readonly manifest: Manifest;
  /** Where the pod's metadata stand, as in `spec.template.metadata`; `metadata` for a bare Pod. */
  readonly metadataAt: string;
  /** Where the pod's spec stands. */
  readonly at: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: Tree;
  readonly containers: readonly Container[];
};

/** Kind → way to the template of its pods. Kubernetes API reference, workload resources. */
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  PodTemplate: ["template"],
  Deployment: ["spec", "template"],
  StatefulSet: ["spec", "template"],
  DaemonSet: ["spec", "template"],
  ReplicaSet: ["spec", "template"],
  ReplicationController: ["spec", "template"],
  Job: ["spec", "template"],
  CronJob: ["spec", "jobTemplate", "spec", "template"],
};

const ROLES: readonly ContainerRole[] = ["initContainers", "containers", "ephemeralContainers"];

/** One pod per object that has a template, in the order of the objects. */
export function podsOf(manifests: readonly Manifest[]): readonly Pod[] {
  return manifests.flatMap((manifest) => podOf(manifest) ?? []);
}

export function podOf(manifest: Manifest): Pod | undefined {
  const path = Object.hasOwn(TEMPLATES, manifest.kind) ? TEMPLATES[manifest.kind] : undefined;
  if (path === undefined) return undefined;
  const template = treeAt(manifest, ...path);
  const at = [...path, "spec"].join(".");
  const spec = treeAt(template, "spec");
  return {
    manifest,
    metadataAt: [...path, "metadata"].join("."),
    at,
    labels: textsAt(template, "metadata", "labels"),
    annotations: textsAt(template, "metadata", "annotations"),
    spec,
    containers: ROLES.flatMap((role) => containersOf(spec, at, role)),
  };
}

function containersOf(spec: Tree, at: string, role: ContainerRole): readonly Container[] {
  return elementsAt(spec, `${at}.${role}`, role).map((element) => ({
    ...element,
    role,
    name: textAt(element.body, "name") ?? "",
  }));
}

/** An init container that keeps running beside the others. Kubernetes documentation, sidecar containers. */
export function isSidecar(container: Container): boolean {
  return container.role === "initContainers" && textAt(container.body, "restartPolicy") === "Always";
}

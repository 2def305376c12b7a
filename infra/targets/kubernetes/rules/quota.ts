/** Does the namespace's quota have room for the worst instant, in which an update meets the highest load and every job. */
import type { Manifest } from "../manifest.ts";
import { type Finding, objectOf, shown } from "./finding.ts";
import { type Container, isSidecar, type Pod, podsOf } from "./pods.ts";
import { parseQuantity } from "./quantity.ts";
import { scaleOf, worstInstant } from "./scale.ts";
import { isTree, listAt, type Tree, treeAt, valueAt } from "./tree.ts";

/** Findings `quota/room` and `quota/limit`. Kubernetes documentation, resource quotas; quotas of one scope only are left alone. */
export function quota(manifests: readonly Manifest[]): readonly Finding[] {
  return manifests
    .filter(({ kind, spec }) => kind === "ResourceQuota" && isTree(spec) && !spec.scopes && !spec.scopeSelector)
    .flatMap((one) => judge(one, manifests));
}

function judge(one: Manifest, all: readonly Manifest[]): readonly Finding[] {
  const beside = all.filter(({ metadata }) => metadata.namespace === one.metadata.namespace);
  return Object.entries(treeAt(one, "spec", "hard")).flatMap(([name, hard]) => {
    const needed = neededOf(name, beside);
    if (needed === undefined) return [];
    const [limit, field] = [parseQuantity(hard), `spec.hard["${name}"]`];
    const room: Finding = {
      rule: "quota/room",
      object: objectOf(one),
      field,
      value: shown(hard),
      allowed: `at least ${amount(name, needed)}`,
      why: "replicas at their most, an update under way and every job at once need it; pods beyond it are not started",
    };
    return [...(limit === undefined || limit < needed ? [room] : []), ...unlimited(name, beside)];
  });
}

/** What everything in the namespace may use at once, of what the quota names so; undefined for names that are not reckoned here. */
function neededOf(name: string, manifests: readonly Manifest[]): number | undefined {
  const count = (kind: string) => manifests.filter((one) => one.kind === kind).length;
  const claims = claimsOf(manifests);
  const counted: Readonly<Record<string, () => number>> = {
    pods: () => sum(podsOf(manifests).map(({ manifest }) => worstInstant(manifest, manifests))),
    services: () => count("Service"),
    configmaps: () => count("ConfigMap"),
    secrets: () => count("Secret"),
    persistentvolumeclaims: () => sum(claims.map(({ times }) => times)),
    "requests.storage": () => sum(claims.map(({ bytes, times }) => bytes * times)),
  };
  const reckon = Object.hasOwn(counted, name) ? counted[name] : undefined;
  if (reckon !== undefined) return reckon();
  const resource = resourceOf(name);
  if (resource === undefined) return undefined;
  return sum(podsOf(manifests).map((pod) => ofPod(pod, resource) * worstInstant(pod.manifest, manifests)));
}

type Resource = { readonly side: "requests" | "limits"; readonly name: string };

/** `cpu` and `memory` without a side mean requests. */
function resourceOf(name: string): Resource | undefined {
  const [, side = "requests", resource] = /^(?:(requests|limits)\.)?(cpu|memory|ephemeral-storage)$/.exec(name) ?? [];
  if (resource === undefined) return undefined;
  return { side: side === "limits" ? "limits" : "requests", name: resource };
}

/**
 * Containers and sidecars run together; each init container runs alone beside the sidecars before it; the larger counts. Kubernetes
 * documentation, sidecar containers, resource sharing within containers.
 */
function ofPod(pod: Pod, resource: Resource): number {
  const running = pod.containers.filter((one) => one.role === "containers" || isSidecar(one));
  const starting = pod.containers
    .filter(({ role }) => role === "initContainers")
    .map((one, index, inits) => {
      const before = inits.slice(0, index).filter(isSidecar);
      return sum([...before, one].map((each) => ofContainer(each, resource)));
    });
  return Math.max(sum(running.map((one) => ofContainer(one, resource))), ...starting, 0);
}

function ofContainer({ body }: Container, resource: Resource): number {
  return parseQuantity(saidOf(body, resource)) ?? 0;
}

/** What a container says; one that limits and does not ask asks for its limit (Kubernetes documentation, requests and limits). */
function saidOf(body: Tree, { side, name }: Resource): unknown {
  const own = valueAt(body, "resources", side, name);
  return side === "requests" ? (own ?? valueAt(body, "resources", "limits", name)) : own;
}

/** Where limits are counted, a pod with a container that has none is refused. */
function unlimited(name: string, manifests: readonly Manifest[]): readonly Finding[] {
  const resource = resourceOf(name);
  const hasDefaults = manifests.some(({ kind }) => kind === "LimitRange");
  if (resource === undefined || hasDefaults) return [];
  return podsOf(manifests).flatMap(({ manifest, containers }) =>
    containers
      .filter(({ body }) => saidOf(body, resource) === undefined)
      .map(({ at }) => ({
        rule: "quota/limit",
        object: objectOf(manifest),
        field: `${at}.resources.${resource.side}["${resource.name}"]`,
        value: "nothing",
        allowed: "a quantity",
        why: `the quota counts ${name}, and admission refuses a pod that does not say it`,
      })),
  );
}

function claimsOf(manifests: readonly Manifest[]): readonly { readonly bytes: number; readonly times: number }[] {
  const size = (claim: unknown) => parseQuantity(valueAt(claim, "spec", "resources", "requests", "storage")) ?? 0;
  return manifests.flatMap((one) => {
    if (one.kind === "PersistentVolumeClaim") return [{ bytes: size(one), times: 1 }];
    const times = one.kind === "StatefulSet" ? scaleOf(one, manifests).most : 0;
    return listAt(one, "spec", "volumeClaimTemplates").map((template) => ({ bytes: size(template), times }));
  });
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, one) => total + one, 0);
}

/** In the unit in which people write it. */
function amount(name: string, value: number): string {
  if (/memory|storage/.test(name)) return `${Math.ceil(value / 2 ** 20)}Mi`;
  return /cpu/.test(name) ? `${Math.ceil(value * 1000)}m` : String(value);
}

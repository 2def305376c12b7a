/** A manifest becomes a resource of the same content, of the class that Pulumi has for its kind. */
import * as kubernetes from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { Manifest } from "../manifest.ts";

/** Asked for one by one: each class is loaded when it is first touched. */
const CLASSES: Readonly<Record<string, () => abstract new (...args: never) => pulumi.CustomResource>> = {
  "apps/v1 DaemonSet": () => kubernetes.apps.v1.DaemonSet,
  "apps/v1 Deployment": () => kubernetes.apps.v1.Deployment,
  "apps/v1 StatefulSet": () => kubernetes.apps.v1.StatefulSet,
  "autoscaling/v2 HorizontalPodAutoscaler": () => kubernetes.autoscaling.v2.HorizontalPodAutoscaler,
  "batch/v1 CronJob": () => kubernetes.batch.v1.CronJob,
  "batch/v1 Job": () => kubernetes.batch.v1.Job,
  "networking.k8s.io/v1 Ingress": () => kubernetes.networking.v1.Ingress,
  "networking.k8s.io/v1 NetworkPolicy": () => kubernetes.networking.v1.NetworkPolicy,
  "policy/v1 PodDisruptionBudget": () => kubernetes.policy.v1.PodDisruptionBudget,
  "scheduling.k8s.io/v1 PriorityClass": () => kubernetes.scheduling.v1.PriorityClass,
  "v1 ConfigMap": () => kubernetes.core.v1.ConfigMap,
  "v1 LimitRange": () => kubernetes.core.v1.LimitRange,
  "v1 Namespace": () => kubernetes.core.v1.Namespace,
  "v1 PersistentVolumeClaim": () => kubernetes.core.v1.PersistentVolumeClaim,
  "v1 ResourceQuota": () => kubernetes.core.v1.ResourceQuota,
  "v1 Secret": () => kubernetes.core.v1.Secret,
  "v1 Service": () => kubernetes.core.v1.Service,
  "v1 ServiceAccount": () => kubernetes.core.v1.ServiceAccount,
};

/** Kinds that operators bring have one class for all of them. */
const isOperators = ({ apiVersion }: Manifest) => /\.(?:io|com)\//.test(apiVersion) && !/\.k8s\.io\//.test(apiVersion);
const isGatewayApi = ({ apiVersion }: Manifest) => apiVersion.startsWith("gateway.networking.k8s.io/");

/**
 * Registers `content`, which is `manifest` with the values of its secrets in place. Throws TypeError for a kind that nobody has thought
 * of: it would be registered as something that no schema knows.
 */
export function register(
  manifest: Manifest,
  name: string,
  content: Readonly<Record<string, unknown>>,
  options: pulumi.CustomResourceOptions,
): pulumi.CustomResource {
  const key = `${manifest.apiVersion} ${manifest.kind}`;
  const known = Object.hasOwn(CLASSES, key) ? CLASSES[key]?.() : undefined;
  if (known === undefined && !isOperators(manifest) && !isGatewayApi(manifest))
    throw new TypeError(`no resource class for ${key}`);
  // The rules have held the content against the kind's schema; the classes' own types cannot be told so.
  const resource: pulumi.CustomResource = Reflect.construct(known ?? kubernetes.apiextensions.CustomResource, [
    name,
    content,
    options,
  ]);
  return resource;
}

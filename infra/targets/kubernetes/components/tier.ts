/** A tier of the deployment as one component: its objects are its children, in the order in which they need each other. */
import * as pulumi from "@pulumi/pulumi";
import type { Workload } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import type { Part } from "../manifests/index.ts";
import { register } from "./register.ts";
import { filled, type SecretValues } from "./secrets.ts";
import { awaitSeconds, clusterSeconds } from "./timeouts.ts";

export type TierArgs = {
  readonly part: Part;
  readonly workloads: readonly Workload[];
  readonly values: SecretValues;
  /** What every object here needs: the namespace, and what bounds it. */
  readonly ground: readonly pulumi.Resource[];
  /** By name: what starts pods, of the tiers before. */
  readonly started: ReadonlyMap<string, pulumi.Resource>;
  /** Name → names of what comes before it. */
  readonly order: ReadonlyMap<string, readonly string[]>;
  /** What is kept cannot be deleted by an update or `pulumi destroy`. */
  readonly isProtected: boolean;
};

/** Kinds that start pods; whatever else their workload has stands before them. */
const STARTING = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Cluster", "Pooler"];
/** Kinds that speak of what has been started. */
const FOLLOWING = [
  "HorizontalPodAutoscaler",
  "ScheduledBackup",
  "ServiceMonitor",
  "PodMonitor",
  "Ingress",
  "HTTPRoute",
];
/** Kinds that wait for a pod themselves: a pod that waited for them would wait for ever. */
const BOUND_LATE = ["PersistentVolumeClaim"];
/** Kinds that hold data. */
const KEPT = ["PersistentVolumeClaim", "Cluster"];

export class Tier extends pulumi.ComponentResource {
  readonly objects: readonly pulumi.CustomResource[];
  /** What starts pods here, by the name under which `after` knows it. */
  readonly started: ReadonlyMap<string, pulumi.CustomResource>;

  constructor(args: TierArgs, options: pulumi.ComponentResourceOptions) {
    super(`mcp:kubernetes:${typeOf(args.part.name)}`, args.part.name, {}, options);
    const made = new Map<Manifest, pulumi.CustomResource>();
    const started = new Map<string, pulumi.CustomResource>();
    for (const manifest of inOrder(args.part.manifests)) {
      const resource = register(manifest, logicalName(manifest), contentOf(manifest, args.values), {
        parent: this,
        ...optionsOf(manifest, args, made, started),
      });
      made.set(manifest, resource);
      if (STARTING.includes(manifest.kind)) started.set(logicalName(manifest), resource);
    }
    this.objects = [...made.values()];
    this.started = started;
    this.registerOutputs({ objects: args.part.manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`) });
  }
}

/** `node-tuning` → `NodeTuning`. */
function typeOf(name: string): string {
  return name.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** What a workload needs, then what starts pods, then what follows it; otherwise as rendered. */
function inOrder(manifests: readonly Manifest[]): readonly Manifest[] {
  const rank = ({ kind }: Manifest) => (STARTING.includes(kind) ? 1 : FOLLOWING.includes(kind) ? 2 : 0);
  return manifests.toSorted((a, b) => rank(a) - rank(b));
}

/** The same for ever: what is renamed is another resource, and its old one is deleted. A Job's content hash is no part of it. */
function logicalName({ kind, metadata }: Manifest): string {
  return kind === "Job" ? (metadata.labels?.["app.kubernetes.io/name"] ?? metadata.name) : metadata.name;
}

function contentOf(manifest: Manifest, values: SecretValues): Readonly<Record<string, unknown>> {
  return manifest.kind === "Secret" ? filled(manifest, values) : manifest;
}

function optionsOf(
  manifest: Manifest,
  { workloads, ground, started: before, order, isProtected }: TierArgs,
  made: ReadonlyMap<Manifest, pulumi.Resource>,
  started: ReadonlyMap<string, pulumi.Resource>,
): pulumi.CustomResourceOptions {
  const isPart = (kinds: readonly string[]) => kinds.includes(manifest.kind);
  const kept = isPart(KEPT) ? { protect: isProtected } : {};
  if (isPart(BOUND_LATE)) return { dependsOn: [...ground], ...kept };
  if (isPart(FOLLOWING)) return { dependsOn: [...ground, ...(started.size > 0 ? started : before).values()] };
  if (!isPart(STARTING)) {
    const namespace = [...made].filter(
      ([one]) => one.kind === "Namespace" && manifest.metadata.namespace !== undefined,
    );
    return { dependsOn: [...ground, ...namespace.map(([, resource]) => resource)] };
  }
  const workload = workloads.find(({ name }) => name === logicalName(manifest));
  const beside = [...made].filter(([one]) => !isStarted(one) && !BOUND_LATE.includes(one.kind));
  const after = (order.get(logicalName(manifest)) ?? []).map((name) => {
    const found = started.get(name) ?? before.get(name);
    if (found === undefined) throw new RangeError(`${logicalName(manifest)} starts after ${name}, which comes later`);
    return found;
  });
  const seconds = workload === undefined ? clusterSeconds(manifest) : awaitSeconds(workload);
  const limit = `${seconds}s`;
  return {
    dependsOn: [...new Set([...ground, ...beside.map(([, resource]) => resource), ...after])],
    ...kept,
    ...(isScaled(manifest) ? { ignoreChanges: ["spec.replicas"] } : {}),
    ...(seconds === null ? {} : { customTimeouts: { create: limit, update: limit, delete: limit } }),
  };
}

function isStarted({ kind }: Manifest): boolean {
  return STARTING.includes(kind);
}

/**
 * Its replicas are its autoscaler's. Where it had none before, the number that it had is kept until the autoscaler sets its own: a field
 * that is simply taken away falls back to one pod. Kubernetes documentation, migrating Deployments to horizontal autoscaling.
 */
function isScaled({ kind, spec }: Manifest): boolean {
  return kind === "Deployment" && typeof spec === "object" && spec !== null && !Object.hasOwn(spec, "replicas");
}

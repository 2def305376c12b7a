/** What keeps the pods of a workload running: a Deployment, a StatefulSet, a Job or a CronJob. */
import { createHash } from "node:crypto";
import type { Rollout, Shape, Workload } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { podTemplate } from "./pod.ts";
import { percent, seconds } from "./quantity.ts";
import { metadataOf, type Site, type Tree, workloadLabels, workloadSelector } from "./site.ts";

type ShapeOf<Kind extends Shape["kind"]> = Extract<Shape, { readonly kind: Kind }>;

/** Whoever deletes waits for the pods: nothing that they use goes before them. */
const FOREGROUND = { "pulumi.com/deletionPropagationPolicy": "foreground" };

export function controller(site: Site, workload: Workload): Manifest {
  const { shape } = workload;
  if (shape.kind === "replicated") {
    const { rollout, replicas } = shape;
    if (rollout.order === "beside") return deployment(site, workload, shape, rollout);
    return statefulSet(site, workload, { replicas, minReadySeconds: seconds(rollout.minReadyS) });
  }
  if (shape.kind === "stateful") return statefulSet(site, workload, { replicas: 1 });
  return shape.kind === "job" ? job(site, workload, shape) : cronJob(site, workload, shape);
}

/**
 * `spec.replicas` is an autoscaler's alone where there is one, from the first day on: two owners of a field are a conflict under
 * server-side apply, and taking it away later starts again from one pod.
 */
function deployment(
  site: Site,
  workload: Workload,
  { replicas, scaling }: ShapeOf<"replicated">,
  rollout: Extract<Rollout, { readonly order: "beside" }>,
): Manifest {
  const surge = percent(rollout.surge);
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadataOf(site, workload.name, workloadLabels(site, workload), FOREGROUND),
    spec: {
      ...(scaling === null ? { replicas } : {}),
      selector: { matchLabels: workloadSelector(site, workload) },
      strategy: {
        type: "RollingUpdate",
        // Both zero is no way forward, and refused by the API.
        rollingUpdate: { maxSurge: surge, maxUnavailable: surge === "0%" ? 1 : 0 },
      },
      minReadySeconds: seconds(rollout.minReadyS),
      progressDeadlineSeconds: seconds(rollout.progressDeadlineS),
      revisionHistoryLimit: 3,
      template: podTemplate(site, workload),
    },
  };
}

/**
 * One instance with storage of its own, or several of which none starts before its predecessor has ended: only this kind waits for that.
 * The fields that can never be changed are the same for every plan.
 */
function statefulSet(
  site: Site,
  workload: Workload,
  size: { readonly replicas: number; readonly minReadySeconds?: number },
): Manifest {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: metadataOf(site, workload.name, workloadLabels(site, workload), FOREGROUND),
    spec: {
      ...size,
      serviceName: workload.name,
      podManagementPolicy: size.minReadySeconds === undefined ? "OrderedReady" : "Parallel",
      revisionHistoryLimit: 3,
      selector: { matchLabels: workloadSelector(site, workload) },
      updateStrategy: { type: "RollingUpdate" },
      template: podTemplate(site, workload),
    },
  };
}

/**
 * A Job cannot be changed, so another content is another Job: its name says which. It stays after its end, for whoever compares would
 * find a removed one missing and run it again.
 */
function job(site: Site, workload: Workload, { deadlineS, retries }: ShapeOf<"job">): Manifest {
  const spec = {
    completions: 1,
    parallelism: 1,
    backoffLimit: retries,
    activeDeadlineSeconds: seconds(deadlineS),
    template: podTemplate(site, workload),
  };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: metadataOf(site, `${workload.name}-${digestOf(spec)}`, workloadLabels(site, workload), {
      ...FOREGROUND,
      "pulumi.com/replaceUnready": "true",
    }),
    spec,
  };
}

/** Never two at once; one that could not start within the time that it may take is left out. */
function cronJob(site: Site, workload: Workload, { cron, deadlineS }: ShapeOf<"schedule">): Manifest {
  return {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: metadataOf(site, workload.name, workloadLabels(site, workload), FOREGROUND),
    spec: {
      schedule: cron,
      timeZone: "Etc/UTC",
      concurrencyPolicy: "Forbid",
      startingDeadlineSeconds: seconds(deadlineS),
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 3,
      jobTemplate: {
        metadata: { labels: workloadLabels(site, workload) },
        spec: {
          backoffLimit: 1,
          activeDeadlineSeconds: seconds(deadlineS),
          template: podTemplate(site, workload),
        },
      },
    },
  };
}

/** Ten hex digits of SHA-256: a name has room for no more, and two contents of one stack do not meet. */
function digestOf(content: Tree): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 10);
}

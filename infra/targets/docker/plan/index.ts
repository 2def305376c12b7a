/** The door of the Docker target's pure half: from a topology to what an engine is to have. Imports no Pulumi. */
import type { Deployment, Topology } from "../../../topology/index.ts";
import { BUILT_IMAGE } from "../../../topology/index.ts";
import { containersOf } from "./containers.ts";
import type { DockerBuild, DockerContainer, DockerPlan, DockerVolume } from "./model.ts";
import { networksOf } from "./networks.ts";
import { schedulesOf } from "./schedules.ts";
import { storageOf } from "./storage.ts";

export { builtTag } from "../context.ts";
export type * from "./model.ts";
export { nameOf, STACK_LABEL } from "./naming.ts";

const IMAGE_NAME = "mcp-stack/gateway";

/** How the gateway's image is built: from a context with this `tag` (`contextTag`) on the stack's base image. */
export function buildOf({ images }: Deployment, tag: string): DockerBuild {
  return { imageName: `${IMAGE_NAME}:${tag}`, arguments: buildArguments({ images }) };
}

/** What the Dockerfile is told; part of the context's hash. */
export function buildArguments({ images }: Pick<Deployment, "images">): Readonly<Record<string, string>> {
  return { NODE_IMAGE: images.node };
}

/**
 * Pure. `build` is how the gateway's image is made; it is left out where the stack names an image.
 * Throws RangeError where a workload's secret files, its other files and its data share a directory.
 */
export function dockerPlan(topology: Topology, deployment: Deployment, build: DockerBuild): DockerPlan {
  const built = withImage(topology, build.imageName);
  const isBuilding = topology.workloads.some(({ image }) => image.reference === BUILT_IMAGE);
  const storage = built.workloads.map((workload) => ({ workload, storage: storageOf(built, workload) }));
  const containers: readonly DockerContainer[] = storage.flatMap(({ workload, storage: own }) => [
    ...own.preparations,
    ...containersOf(built, deployment, workload, own),
  ]);
  return {
    build: isBuilding ? build : null,
    networks: networksOf(built),
    volumes: each(storage.flatMap(({ storage: { volumes } }) => volumes)),
    containers,
    entry: { address: deployment.docker.bind, port: deployment.docker.ports.nginx },
    schedules: schedulesOf(built),
  };
}

function withImage(topology: Topology, imageName: string): Topology {
  const workloads = topology.workloads.map((workload) =>
    workload.image.reference === BUILT_IMAGE
      ? { ...workload, image: { ...workload.image, reference: imageName } }
      : workload,
  );
  return { ...topology, workloads };
}

/** Two workloads may mount one kept volume. */
function each(volumes: readonly DockerVolume[]): readonly DockerVolume[] {
  return [...new Map(volumes.map((volume) => [volume.name, volume])).values()];
}

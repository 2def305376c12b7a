/**
 * The networks of a stack. Docker publishes no port of a container that is only in an internal network, and gives every container of
 * another one the way to the Internet; so there are three, and every container is in as few as it needs.
 */
import type { Deployment, Topology, Workload } from "../../../topology/index.ts";
import { DOCKER_INSIDE, isTier } from "../../../topology/index.ts";
import type { DockerContainer, DockerNetwork } from "./model.ts";
import { labelsOf, nameOf } from "./naming.ts";

/** Ports of the machine, by the tier that is published there. */
type Published = Deployment["docker"]["ports"];

/**
 * `inside`: everybody, by name, with no way out. `edge`: ports are published, neighbours are not reached, and without address
 * translation nothing comes back from outside. `outside`: for whoever calls somebody beyond the deployment.
 */
export function networksOf(topology: Topology): readonly DockerNetwork[] {
  const labels = labelsOf(topology);
  // Docker documentation, bridge driver: options are text.
  const icc = "com.docker.network.bridge.enable_icc";
  const masquerade = "com.docker.network.bridge.enable_ip_masquerade";
  const network = (name: string, isInternal: boolean, options: DockerNetwork["options"]) => ({
    name: nameOf(topology, name),
    isInternal,
    options,
    labels,
  });
  return [
    network(DOCKER_INSIDE, true, {}),
    network("edge", false, { [icc]: "false", [masquerade]: "false" }),
    network("outside", false, { [icc]: "false", [masquerade]: "true" }),
  ];
}

/** Networks of one container of the workload, and its published ports: the first replica of the first workload of a tier has them. */
export function attachmentOf(
  topology: Topology,
  { docker }: Deployment,
  workload: Workload,
  replica: number,
): Pick<DockerContainer, "networks" | "ports"> {
  const outside = publishedPort(topology, docker.ports, workload, replica);
  const inside = workload.ports[0]?.port;
  const ports = outside === undefined || inside === undefined ? [] : [{ inside, outside, address: docker.bind }];
  const way = goesOut(topology, workload) ? ["outside"] : ports.length > 0 ? ["edge"] : [];
  return {
    networks: [
      { name: nameOf(topology, DOCKER_INSIDE), aliases: [workload.name] },
      ...way.map((name) => ({ name: nameOf(topology, name), aliases: [] })),
    ],
    ports,
  };
}

function publishedPort(
  { workloads }: Topology,
  ports: Published,
  workload: Workload,
  replica: number,
): number | undefined {
  const isFirst = replica === 0 && workloads.find(({ tier }) => tier === workload.tier) === workload;
  if (!isFirst) return undefined;
  const byTier: Readonly<Record<string, number>> = ports;
  return Object.hasOwn(byTier, workload.tier) ? byTier[workload.tier] : undefined;
}

/** Names are asked of the engine's own server, which needs no way out. */
function goesOut({ edges }: Topology, { tier }: Workload): boolean {
  return edges.some(({ from, to }) => from === tier && !isTier(to) && to !== "dns");
}

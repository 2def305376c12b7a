/** `mcp-stack verify`: asks a running deployment whether it is what its plan says. */
import { nameOf } from "../../infra/targets/docker/plan/index.ts";
import { statusOf } from "../../infra/targets/local/index.ts";
import {
  type Deployment,
  DOCKER_INSIDE,
  dockerGround,
  kubernetesGround,
  type Topology,
  type Workload,
} from "../../infra/topology/index.ts";
import {
  dockerObserver,
  dockerSubnets,
  findingsText,
  isAsPlanned,
  kubernetesObserver,
  localObserver,
  type Observer,
  type Platform,
  verify,
} from "../../infra/verify/index.ts";
import { type Command, type OptionValues, readOptions } from "../command.ts";
import { composeLocal, composePlatform, LOCAL_HOST, readStackFile, type StackFile, targetOf } from "../local-stack.ts";
import { printJson } from "../print.ts";

const options = {
  stack: { type: "string", short: "s", value: "<stack>", help: "Stack that runs" },
  target: { type: "string", value: "<target>", help: "local, docker or kubernetes instead of what its file says" },
  "data-dir": {
    type: "string",
    value: "<directory>",
    help: "Where up keeps data, files and logs of the stack (local)",
  },
  json: { type: "boolean", help: "The findings as one JSON document" },
} as const;
type Values = OptionValues<typeof options>;

type Subject = { readonly topology: Topology; readonly platform: Platform; readonly observer: Observer };

const NOT_AS_PLANNED = 1;

export const command: Command = {
  summary: "check a running stack against its plan",
  options,
  async run(argv) {
    const values = readOptions(argv, options);
    const file = await readStackFile(values.stack);
    const target = targetOf(file, values.target);
    const { topology, platform, observer } =
      target === "local" ? await local(file, values) : await onPlatform(file, target);
    const findings = await verify(topology, platform, observer);
    if (values.json === true) printJson({ stack: file.name, target, isAsPlanned: isAsPlanned(findings), findings });
    else process.stdout.write(findingsText(findings));
    return isAsPlanned(findings) ? 0 : NOT_AS_PLANNED;
  },
};

async function local(file: StackFile, values: Values): Promise<Subject> {
  const { topology, data } = await composeLocal(file, values["data-dir"]);
  const status = await statusOf(data);
  if (status === undefined) throw new RangeError(`stack ${file.name} does not run in ${data}: mcp-stack up starts it`);
  const pids = status.state.workloads.flatMap(({ name, identity }) =>
    identity === null ? [] : [[name, identity.pid] as const],
  );
  return {
    topology,
    platform: {
      host: () => LOCAL_HOST,
      subnets: {},
      memoryMiB: () => null,
      openness: "nothing isolates processes on loopback from each other",
    },
    observer: localObserver(new Map(pids)),
  };
}

async function onPlatform(file: StackFile, target: Exclude<Deployment["target"], "local">): Promise<Subject> {
  const { topology, deployment } = composePlatform(file, target);
  if (target === "docker")
    return {
      topology,
      platform: {
        host: dockerGround().host,
        subnets: await dockerSubnets({ [DOCKER_INSIDE]: nameOf(topology, DOCKER_INSIDE) }, deployment.docker.host),
        memoryMiB: dockerMemoryMiB,
        openness: "containers of a stack share a network, in which everybody reaches everybody",
      },
      observer: dockerObserver(file.name, deployment.docker.host),
    };
  const { namespace, context } = deployment.kubernetes;
  return {
    topology,
    platform: { host: kubernetesGround(deployment).host, subnets: {}, memoryMiB: requestedMiB, openness: null },
    observer: kubernetesObserver({ stack: file.name, namespace, context }),
  };
}

function requestedMiB({ resources }: Workload): number {
  return resources.memoryMiB;
}

/** Docker keeps scratch space in memory, on top of the process's own. */
function dockerMemoryMiB({ resources, volumes }: Workload): number {
  const sizes = volumes.map((volume) => (volume.kind === "scratch" && volume.medium === "disk" ? volume.sizeMiB : 0));
  return sizes.reduce((sum, size) => sum + size, resources.memoryMiB);
}

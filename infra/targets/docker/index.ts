/** The door of the Docker target: registers what `dockerPlan` describes. It decides nothing that the description does not say. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Deployment, Topology } from "../../topology/index.ts";
import { containerArguments, type Known } from "./arguments.ts";
import { builtTag } from "./context.ts";
import { failureText } from "./ended.ts";
import { buildArguments, buildOf, type DockerContainer, type DockerPlan, dockerPlan, nameOf } from "./plan/index.ts";
import { makeSecrets, type ReadSecret } from "./values.ts";

export type DockerOptions = {
  /** Absolute: the project's directory, from which the gateway's image is built. */
  readonly projectDirectory: string;
  readonly readSecret: ReadSecret;
};

export type DockerOutputs = {
  /** Where clients come in. */
  readonly url: string;
  /** The gateway's image: the id of what was built, or the reference that the stack names. */
  readonly image: pulumi.Output<string>;
  /** What runs by the clock and has to be started by somebody else's: container, cron expression in UTC, command. */
  readonly schedules: DockerPlan["schedules"];
};

/** Provider, networks, image, volumes, secrets, containers, in the order of their start. Throws RangeError as `dockerPlan` does. */
export function deployDocker(topology: Topology, deployment: Deployment, options: DockerOptions): DockerOutputs {
  const { projectDirectory, readSecret } = options;
  const tag = builtTag(projectDirectory, buildArguments(deployment));
  const plan = dockerPlan(topology, deployment, buildOf(deployment, tag));
  const { host } = deployment.docker;
  const provider = new docker.Provider("docker", host === undefined ? {} : { host });
  const stack = new DockerStack(topology.stack, { plan, topology, projectDirectory, readSecret }, { provider });
  return { url: `http://${authority(plan.entry)}`, image: stack.image, schedules: plan.schedules };
}

type DockerStackArguments = {
  readonly plan: DockerPlan;
  readonly topology: Topology;
  readonly projectDirectory: string;
  readonly readSecret: ReadSecret;
};

/** Everything of one stack on one engine. */
export class DockerStack extends pulumi.ComponentResource {
  readonly image: pulumi.Output<string>;

  constructor(name: string, args: DockerStackArguments, options: pulumi.ComponentResourceOptions) {
    super("mcp:docker:Stack", name, {}, options);
    const { plan, topology } = args;
    const children = { parent: this };
    const image = plan.build === null ? undefined : buildImage(plan.build, args.projectDirectory, children);
    const networks = new Map(plan.networks.map((network) => [network.name, registerNetwork(network, children)]));
    const volumes = new Map(
      plan.volumes.map((volume) => [volume.name, registerVolume(volume, topology.environment, children)]),
    );
    const containers = new Map<string, Registered>();
    const known: Known = {
      image: (reference) => (reference === plan.build?.imageName && image ? image.repoDigest : reference),
      network: (other) => found(networks, other).id,
      subnet: (other) =>
        found(networks, nameOf(topology, other)).ipamConfigs.apply((configs) =>
          configs.flatMap(({ subnet }) => subnet ?? []).join(","),
        ),
      volume: (other) => found(volumes, other).name,
      id: (other) => found(containers, other).resource.id,
      secrets: makeSecrets(topology.secrets, args.readSecret, topology.environment === "prod", children),
    };
    for (const container of plan.containers) {
      const dependsOn = container.after.map((other) => found(containers, other).done);
      containers.set(container.name, registerContainer(container, known, { ...children, dependsOn }));
    }
    const gateway = topology.workloads.find(({ tier }) => tier === "gateway");
    this.image = pulumi.output(image?.repoDigest ?? gateway?.image.reference ?? "");
    this.registerOutputs({ image: this.image });
  }
}

type Registered = {
  readonly resource: docker.Container;
  /** Known when whoever comes after it may start. */
  readonly done: pulumi.Output<docker.Container>;
};

function registerContainer(
  container: DockerContainer,
  known: Known,
  options: pulumi.CustomResourceOptions,
): Registered {
  const resource = new docker.Container(container.name, containerArguments(container, known), {
    ...options,
    // An old one has the name and the ports.
    deleteBeforeReplace: true,
    // The provider calls their changes updates and applies nothing. And it does not ask again whether a container that was not healthy has
    // become so: the engine's own word for a start that failed replaces it (Pulumi, initialization errors).
    replaceOnChanges: ["healthcheck", "tmpfs", "init", "cpuPeriod", "cpuQuota", "#initerror"],
    customTimeouts: { create: `${timeoutOf(container)}s` },
  });
  return { resource, done: doneOf(container, resource) };
}

/** A start that is waited for takes as long as its checks may take; a registry may be far away. */
const PULL_S = 300;

function timeoutOf({ health, deadlineS }: DockerContainer): number {
  return PULL_S + Math.max(health?.waitS ?? 0, deadlineS ?? 0);
}

/** The provider is content with every exit code; whoever comes after a job or a preparation is not. */
function doneOf(container: DockerContainer, resource: docker.Container): pulumi.Output<docker.Container> {
  if (container.deadlineS === null) return pulumi.output(resource);
  return pulumi.all([resource.exitCode, resource.containerLogs, resource.urn]).apply(([code, logs, urn]) => {
    const failure = failureText(container.name, { code, logs, urn });
    if (failure !== null) throw new pulumi.RunError(failure);
    return resource;
  });
}

/** Only ever local: containers name it by its id, so that another image is another container. The provider never deletes an image. */
function buildImage(
  build: NonNullable<DockerPlan["build"]>,
  projectDirectory: string,
  options: pulumi.CustomResourceOptions,
): docker.Image {
  return new docker.Image(
    "gateway",
    {
      imageName: build.imageName,
      build: {
        context: projectDirectory,
        dockerfile: `${projectDirectory}/Dockerfile`,
        args: build.arguments,
      },
      skipPush: true,
      buildOnPreview: false,
    },
    options,
  );
}

function registerNetwork(
  { name, isInternal, options: driver, labels }: DockerPlan["networks"][number],
  options: pulumi.CustomResourceOptions,
): docker.Network {
  return new docker.Network(
    name,
    // Written out: that a network is no longer internal is not seen where the word is only left out.
    { name, driver: "bridge", internal: isInternal, ipv6: false, options: driver, labels: asList(labels) },
    { ...options, deleteBeforeReplace: true },
  );
}

/** Kept data is never replaced, whatever a provider thinks of a change; in production it is not even deleted with its stack. */
function registerVolume(
  { slot, name, isKept, labels }: DockerPlan["volumes"][number],
  environment: Topology["environment"],
  options: pulumi.CustomResourceOptions,
): docker.Volume {
  const kept = { ignoreChanges: ["labels", "driver", "driverOpts"], protect: environment === "prod" };
  return new docker.Volume(slot, { name, labels: asList(labels) }, { ...options, ...(isKept ? kept : {}) });
}

function asList(labels: Readonly<Record<string, string>>) {
  return Object.entries(labels).map(([label, value]) => ({ label, value }));
}

function found<Value>(among: ReadonlyMap<string, Value>, name: string): Value {
  const value = among.get(name);
  if (value === undefined) throw new RangeError(`${name} is needed and not described before`);
  return value;
}

function authority({ address, port }: DockerPlan["entry"]): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

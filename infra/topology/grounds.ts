/** What each target stands on: names, addresses, ports and directories, as far as files and commands have to know them. */
import type { Deployment } from "./deployment.ts";
import type { Directories, Ground, GroundPorts } from "./model.ts";
import { subnetMarker } from "./subnet-text.ts";

/** The same in every container, whatever runs in it. */
const CONTAINER: Directories = {
  config: "/etc/mcp-stack",
  secrets: "/run/secrets/mcp-stack",
  data: "/var/lib/mcp-stack",
  run: "/run/mcp-stack",
  temporary: "/tmp",
};
const CONTAINER_PORTS: GroundPorts = {
  nginx: 8080,
  nginxStatus: 8081,
  gateways: [4444],
  pgbouncer: 6432,
  postgres: 5432,
  redis: 6379,
};
/** How the Docker target marks what it starts, and whoever looks into a stack finds it again. */
export const DOCKER_LABELS = { stack: "mcp-stack.stack", workload: "mcp-stack.workload" } as const;
/** Where the image of the gateway has this project. */
const APPLICATION = "/app";
/** Docker's own name server within a network of its own making. */
const DOCKER_DNS = { host: "127.0.0.11", port: 53 };
/** Who may come is decided by network policies and networks: daemons within take everybody who has a password. */
const ANYWHERE = ["0.0.0.0/0", "::/0"];
const LOOPBACK = "127.0.0.1/32";
/** The network of a Docker stack that everybody is in. */
export const DOCKER_INSIDE = "inside";

const IN_CONTAINERS = {
  listen: ["0.0.0.0"],
  ports: CONTAINER_PORTS,
  directories: () => CONTAINER,
  node: "node",
  application: APPLICATION,
  programs: [],
  networks: ANYWHERE,
} as const satisfies Partial<Ground>;

/** Names are Services; a name within the namespace would do for most, but nginx asks its name server itself and has no search list. */
export function kubernetesGround({ kubernetes }: Deployment): Ground {
  const { namespace, clusterDomain, dns } = kubernetes;
  return {
    target: "kubernetes",
    host: (workload) => `${workload}.${namespace}.svc.${clusterDomain}`,
    ...IN_CONTAINERS,
    // Its pods come and go with their addresses. Which other pods get to the gateway's port is the network policies' part, where a plugin
    // enforces them: Prometheus' namespace does where it reads the gateway's counters.
    proxies: kubernetes.podNetworks,
    // Every cluster has its name server under this name; its address is another one in each.
    resolvers: [{ host: dns.address ?? `kube-dns.kube-system.svc.${clusterDomain}`, port: 53 }],
  };
}

/** Names are aliases of containers in the stack's network. */
export function dockerGround(): Ground {
  return {
    target: "docker",
    host: (workload) => workload,
    ...IN_CONTAINERS,
    // Of the three networks the one in which nginx meets it: whoever comes by the gateway's own published port comes from another. The
    // engine's own machine has an address in it too.
    proxies: [subnetMarker(DOCKER_INSIDE)],
    resolvers: [DOCKER_DNS],
  };
}

export type LocalMachine = {
  /** Absolute; everything of the stack is below it. */
  readonly dataDirectory: string;
  /** Of this project. */
  readonly application: string;
  /** The program that runs it. */
  readonly node: string;
  /** Directories of daemons that are not on the usual path. */
  readonly programs: readonly string[];
  /** Replicas of the gateway, each with a port of its own. */
  readonly replicas: number;
};

/** Everything on loopback; every replica has a port of its own, and every workload a directory. */
export function localGround({ local }: Deployment, machine: LocalMachine): Ground {
  const { ports } = local;
  return {
    target: "local",
    host: () => "127.0.0.1",
    listen: ["127.0.0.1"],
    ports: {
      ...ports,
      gateways: Array.from({ length: machine.replicas }, (_, at) => ports.gateway + at),
    },
    directories: (workload) => directoriesBelow(`${machine.dataDirectory}/${workload}`),
    node: machine.node,
    application: machine.application,
    programs: machine.programs,
    resolvers: [],
    networks: [LOOPBACK],
    proxies: [LOOPBACK],
  };
}

function directoriesBelow(directory: string): Directories {
  return {
    config: `${directory}/config`,
    secrets: `${directory}/secrets`,
    data: `${directory}/data`,
    run: `${directory}/run`,
    temporary: `${directory}/temporary`,
  };
}

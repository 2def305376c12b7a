/**
 * A deployment as pure data: what runs, with which files, environment, ports, limits, probes, storage and end, and who may talk to whom.
 * A target turns it into running things and decides nothing; no secret is in it, only names of secrets.
 */
import type { Plan } from "../../contract/plan.ts";
import type { Edge, Tier } from "./edges.ts";

export type Topology = {
  /** The stack's name: letters, digits and dashes. */
  readonly stack: string;
  readonly environment: "dev" | "prod";
  readonly plan: Plan;
  /** In the order of their start: nothing comes before what it needs. */
  readonly workloads: readonly Workload[];
  readonly edges: readonly Edge[];
  readonly secrets: readonly SecretDeclaration[];
  /** Where clients come in. */
  readonly entry: { readonly workload: string; readonly port: number };
};

/** A value that nobody writes down: the target makes it, or a user gives it under `key` of the stack's configuration. */
export type SecretDeclaration = {
  readonly name: string;
  readonly why: string;
  /** Another one means another value: it is made anew, or was given anew, and whoever has read the old one starts again. */
  readonly version: string;
} & (
  | {
      readonly kind: "generated";
      /** Letters and digits, so that it needs no quotes anywhere. */
      readonly length: number;
      /** Kept volumes are of no use without it: it is deleted no sooner than they are. */
      readonly isKept?: true;
    }
  | { readonly kind: "given"; readonly key: string }
);

export type Image = {
  /** As a container engine reads it; by digest in production. */
  readonly reference: string;
  /** Whom the processes run as; never 0. */
  readonly uid: number;
};

export type Workload = {
  /** Also its host name where names are resolved: letters, digits and dashes. */
  readonly name: string;
  readonly tier: Tier;
  readonly shape: Shape;
  readonly image: Image;
  /** Program and arguments, without a shell. */
  readonly command: readonly string[];
  /** Descriptors that each process needs: raised to it at the start, refused where the hard limit is lower. Null: the image has no shell. */
  readonly nofile: number | null;
  /** Plain text; what is secret comes in a file. */
  readonly environment: Readonly<Record<string, string>>;
  readonly files: readonly File[];
  /** SHA-256 over everything that a running process has read at its start: another one means that it has to start again. */
  readonly checksum: string;
  readonly ports: readonly Port[];
  /** Whether its host name stands for one address in front of all replicas, or for the addresses of all that are ready. */
  readonly addressing: "shared" | "each";
  /** Makes the process read its files again without dropping anybody; null: it has to start again. */
  readonly reload: "SIGHUP" | null;
  readonly resources: Resources;
  /** Name to value; each allowed by the cluster that the plan knows. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly probes: { readonly startup: Probe; readonly readiness: Probe; readonly liveness: Probe | null } | null;
  readonly volumes: readonly Volume[];
  readonly shutdown: Shutdown;
  readonly disruption: { readonly maxUnavailable: number } | null;
  /** Names of workloads that are ready, or done, before this one starts. */
  readonly after: readonly string[];
};

export type Shape =
  | {
      readonly kind: "replicated";
      /** Where nothing scales it. */
      readonly replicas: number;
      readonly scaling: Scaling | null;
      readonly rollout: Rollout;
    }
  | { readonly kind: "stateful" }
  | { readonly kind: "job"; readonly deadlineS: number; readonly retries: number }
  | {
      readonly kind: "schedule";
      /** Five fields, UTC. */
      readonly cron: string;
      readonly deadlineS: number;
    };

/** How a new version takes over. */
export type Rollout =
  /** Successors start beside those that end: at most `surge` more, as a share, and each ready for so long before the next. */
  | {
      readonly order: "beside";
      readonly surge: number;
      readonly minReadyS: number;
      readonly progressDeadlineS: number;
    }
  /** One after the other, and each only when the one before it has ended: never more of them than planned. */
  | { readonly order: "after"; readonly minReadyS: number };

export type Scaling = {
  readonly min: number;
  readonly max: number;
  /** Percent of the processor request. */
  readonly targetCpuPercent: number;
  readonly up: { readonly percent: number; readonly pods: number; readonly periodS: number };
  readonly down: { readonly percent: number; readonly periodS: number; readonly stabilisationS: number };
};

export type File = {
  /** Absolute, in `directories` of its workload. */
  readonly path: string;
  /** May hold markers of secrets (`resolveText`); then `isSecret`. */
  readonly text: string;
  readonly isSecret: boolean;
  /** The process reads it again when it changes, so that it is no reason to start again. */
  readonly isReread: boolean;
};

export type Port = { readonly name: string; readonly port: number };

export type Resources = {
  /** Cores. */
  readonly cpuRequest: number;
  readonly cpuLimit: number;
  /** Request and limit. */
  readonly memoryMiB: number;
  /** Of the node's disk, request and limit. */
  readonly ephemeralMiB: number;
};

export type Probe = {
  readonly periodS: number;
  readonly timeoutS: number;
  readonly failureThreshold: number;
  readonly check: /** Over TLS nobody checks the certificate here: a kubelet does not (Kubernetes documentation, HTTP probes). */
    | { readonly kind: "http"; readonly scheme: "http" | "https"; readonly port: number; readonly path: string }
    | { readonly kind: "tcp"; readonly port: number }
    | { readonly kind: "command"; readonly command: readonly string[] };
  /** The same question for a platform that can only run a program beside the process. */
  readonly inside: readonly string[];
};

export type Volume =
  /** Survives everything but the deletion of the stack's data. */
  | { readonly kind: "kept"; readonly name: string; readonly path: string; readonly sizeGiB: number }
  /** Empty at every start. */
  | {
      readonly kind: "scratch";
      readonly name: string;
      readonly path: string;
      readonly sizeMiB: number;
      readonly medium: "disk" | "memory";
    };

export type Shutdown = {
  /** What makes the process end in order. */
  readonly signal: "SIGTERM" | "SIGINT" | "SIGQUIT";
  /** Before the signal: until nobody sends anything new. */
  readonly waitS: number;
  /** From the first moment to the kill. */
  readonly graceS: number;
};

/** Where a workload finds and puts things; absolute paths. */
export type Directories = {
  /** Rendered files without secrets, read-only. */
  readonly config: string;
  /** Rendered files with secrets, read-only, for the process's user alone. */
  readonly secrets: string;
  /** What is kept. */
  readonly data: string;
  /** Sockets and pid files; empty at every start. */
  readonly run: string;
  /** Everything that may be lost; empty at every start. */
  readonly temporary: string;
};

/** What a target stands on, as far as files and commands have to know it. */
export type Ground = {
  readonly target: "kubernetes" | "docker" | "local";
  /** Where another workload of the deployment is found. */
  host(workload: string): string;
  /** Addresses that a daemon listens on. */
  readonly listen: readonly string[];
  readonly ports: GroundPorts;
  directories(workload: string): Directories;
  /** The program `node`, and the directory of this project in which it runs. */
  readonly node: string;
  readonly application: string;
  /** Put before PATH: where daemons are that their packages keep apart. */
  readonly programs: readonly string[];
  /** Name servers, for an nginx that follows names. */
  readonly resolvers: readonly { readonly host: string; readonly port: number }[];
  /** Networks that daemons accept clients from; the rest of the network's rules are the target's. */
  readonly networks: readonly string[];
  /** Networks from which nginx comes to the gateway, which believes it about its clients. May be markers (`subnetMarker`). */
  readonly proxies: readonly string[];
};

export type GroundPorts = {
  readonly nginx: number;
  readonly nginxStatus: number;
  /** One per gateway that has a name of its own; one in all where a Service or a network name stands for every replica. */
  readonly gateways: readonly number[];
  readonly pgbouncer: number;
  readonly postgres: number;
  readonly redis: number;
};

/** What a Docker engine is to have, as plain objects: for reviews, for tests, and for whoever registers it. No secret is in it, only markers. */

export type DockerPlan = {
  /** The gateway's image where it is built here; null where the stack names one. */
  readonly build: DockerBuild | null;
  readonly networks: readonly DockerNetwork[];
  readonly volumes: readonly DockerVolume[];
  /** In the order of their start: nothing comes before what it needs. */
  readonly containers: readonly DockerContainer[];
  /** Where clients come in, on the machine of the engine. */
  readonly entry: { readonly address: string; readonly port: number };
  /** What has to be started by somebody else, since an engine has no clock. */
  readonly schedules: readonly DockerSchedule[];
};

export type DockerBuild = {
  /** name:tag, the tag is the hash of the context. */
  readonly imageName: string;
  /** Arguments of the Dockerfile. */
  readonly arguments: Readonly<Record<string, string>>;
};

export type DockerNetwork = {
  readonly name: string;
  /** Nothing goes in or out of it, and nothing in it is published. */
  readonly isInternal: boolean;
  /** Of the bridge driver. */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Labels;
};

export type DockerVolume = {
  /** What stays the same while its name changes with its content. */
  readonly slot: string;
  readonly name: string;
  /** Kept data: no change may replace it. The others are made anew whenever what is in them changes. */
  readonly isKept: boolean;
  readonly labels: Labels;
};

export type DockerContainer = {
  readonly name: string;
  /** A workload's process; or what prepares volumes for it and ends. */
  readonly role: "service" | "job" | "schedule" | "files" | "secrets" | "ownership";
  readonly workload: string;
  readonly image: string;
  /** uid:gid */
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** None: it has no network at all. */
  readonly networks: readonly { readonly name: string; readonly aliases: readonly string[] }[];
  readonly ports: readonly { readonly inside: number; readonly outside: number; readonly address: string }[];
  readonly mounts: readonly DockerMount[];
  /** Path to mount options. */
  readonly tmpfs: Readonly<Record<string, string>>;
  /** Of /dev/shm; null leaves Docker's 64. */
  readonly sharedMemoryMiB: number | null;
  /** Written before it starts. */
  readonly uploads: readonly DockerUpload[];
  readonly isRootReadOnly: boolean;
  readonly capabilities: readonly string[];
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly nofile: { readonly soft: number; readonly hard: number } | null;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly health: DockerHealth | null;
  readonly stop: { readonly signal: string; readonly graceS: number };
  readonly restart: "unless-stopped" | "no";
  /** Whether it runs until its end before anything that comes after it starts, and how long at most. */
  readonly deadlineS: number | null;
  readonly labels: Labels;
  /** Names of containers that are ready, or done, before this one starts. */
  readonly after: readonly string[];
  /** Those of them with which it starts anew: who wrote its files, and whose address it has looked up for good. */
  readonly startsWith: readonly string[];
};

export type DockerMount = { readonly volume: string; readonly path: string; readonly isReadOnly: boolean };

export type DockerUpload = {
  readonly path: string;
  /** May hold markers of secrets where the container's role is `secrets`. */
  readonly text: string;
  /** Octal. */
  readonly mode: string;
};

export type DockerHealth = {
  readonly command: readonly string[];
  readonly intervalS: number;
  readonly timeoutS: number;
  readonly retries: number;
  /** Failures within it do not count. */
  readonly startS: number;
  /** How long a start may take until it is healthy; beyond it the start has failed. */
  readonly waitS: number;
};

export type DockerSchedule = {
  readonly container: string;
  /** Five fields, UTC. */
  readonly cron: string;
  /** Runs it once and shows what it says. */
  readonly command: string;
};

export type Labels = Readonly<Record<string, string>>;

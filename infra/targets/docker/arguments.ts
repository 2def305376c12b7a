/** From a described container to the arguments of @pulumi/docker: a translation, with what its provider needs to be told. */
import type * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import type { DockerContainer, DockerHealth } from "./plan/index.ts";
import { resolveNetworks, resolveSecrets, type SecretValues } from "./values.ts";

/** What other resources say of themselves, by the names in the plan. */
export type Known = {
  readonly image: (reference: string) => pulumi.Input<string>;
  readonly network: (name: string) => pulumi.Input<string>;
  /** Addresses (CIDR) of a network, by its name within the stack. */
  readonly subnet: (name: string) => pulumi.Output<string>;
  readonly volume: (name: string) => pulumi.Input<string>;
  readonly id: (container: string) => pulumi.Output<string>;
  readonly secrets: SecretValues;
};

/**
 * Logs beyond that are the oldest: 64 MiB in all for a container. Docker's own default is without any end (Docker documentation, json-file
 * logging driver).
 */
const LOGS = { "max-size": "16m", "max-file": "4" } as const;
/** The kernel's default (kernel documentation, CFS bandwidth control). */
const CPU_PERIOD_US = 100_000;
const STARTS_WITH_LABEL = "mcp-stack.starts-with";

export function containerArguments(container: DockerContainer, known: Known): docker.ContainerArgs {
  const isService = container.role === "service";
  return {
    name: container.name,
    image: known.image(container.image),
    user: container.user,
    entrypoints: [...container.entrypoint],
    command: [...container.command],
    envs: Object.entries(container.environment).map(([name, value]) =>
      resolveNetworks(`${name}=${value}`, known.subnet),
    ),
    ...networking(container, known),
    mounts: container.mounts.map(({ volume, path, isReadOnly }) => ({
      type: "volume",
      source: known.volume(volume),
      target: path,
      readOnly: isReadOnly,
    })),
    tmpfs: container.tmpfs,
    ...(container.sharedMemoryMiB === null ? {} : { shmSize: container.sharedMemoryMiB }),
    uploads: container.uploads.map(({ path, text, mode }) => ({
      file: path,
      content: resolveSecrets(text, known.secrets),
      permissions: mode,
    })),
    readOnly: container.isRootReadOnly,
    capabilities: { drops: ["ALL"], adds: container.capabilities.map((name) => `CAP_${name}`) },
    securityOpts: ["no-new-privileges:true"],
    privileged: false,
    memory: container.memoryMiB,
    // As much as the memory: no swap, in which a process is slow instead of killed.
    memorySwap: container.memoryMiB,
    // As `cpus` the provider reads back another text than it was given, for 1 or 10 cores, and replaces the container for that.
    cpuPeriod: CPU_PERIOD_US,
    cpuQuota: Math.round(container.cpus * CPU_PERIOD_US),
    ulimits: container.nofile === null ? [] : [{ name: "nofile", ...container.nofile }],
    sysctls: container.sysctls,
    ...health(container.health),
    stopSignal: container.stop.signal,
    stopTimeout: container.stop.graceS,
    // Without it the provider kills.
    destroyGraceSeconds: container.stop.graceS,
    restart: container.restart,
    start: container.role !== "schedule",
    mustRun: isService,
    attach: container.deadlineS !== null,
    logs: container.role === "job",
    logDriver: "json-file",
    logOpts: LOGS,
    removeVolumes: true,
    labels: labels(container, known),
  };
}

/** Without networks of its own a container has none at all, instead of Docker's default one. */
function networking({ networks, ports }: DockerContainer, known: Known): Partial<docker.ContainerArgs> {
  if (networks.length === 0) return { networkMode: "none" };
  return {
    networkMode: "bridge",
    networksAdvanced: networks.map(({ name, aliases }) => ({ name: known.network(name), aliases: [...aliases] })),
    ports: ports.map(({ inside, outside, address }) => ({
      internal: inside,
      external: outside,
      ip: address,
      protocol: "tcp",
    })),
  };
}

/** NONE keeps an image's own check away (Docker documentation, HEALTHCHECK). */
function health(check: DockerHealth | null): Partial<docker.ContainerArgs> {
  if (check === null) return { healthcheck: { tests: ["NONE"] }, wait: false };
  return {
    healthcheck: {
      tests: ["CMD", ...check.command],
      interval: duration(check.intervalS),
      timeout: duration(check.timeoutS),
      startPeriod: duration(check.startS),
      retries: check.retries,
    },
    wait: true,
    waitTimeout: check.waitS,
  };
}

/** As Go writes it and the provider reads it back: `1m30s`, not `90s`. */
function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const [h, m] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const s = `${Math.round((seconds - h * 3600 - m * 60) * 1000) / 1000}s`;
  if (h > 0) return `${h}h${m}m${s}`;
  return m > 0 ? `${m}m${s}` : s;
}

/** With the ids of those with which it starts anew: where one of them is another container, so is this one. */
function labels({ labels: plain, startsWith }: DockerContainer, known: Known): docker.ContainerArgs["labels"] {
  return [
    ...Object.entries(plain).map(([label, value]) => ({ label, value })),
    ...startsWith.map((other, at) => ({ label: `${STARTS_WITH_LABEL}.${at + 1}`, value: known.id(other) })),
  ];
}

/** What it runs on and has to obey: cluster, disks, security, prices. */
import { flag, number, optionalCpu, optionalGroup, optionalMemory, optionalWhole, text, whole } from "../field.ts";
import { DOCUMENTS, OURS } from "./sources.ts";

export const cluster = {
  kubernetesMinor: whole({
    description: "Minor version of Kubernetes 1.x",
    unit: "version",
    min: 25,
    max: 60,
    fallback: 34,
    source: OURS,
  }),
  nofileHard: whole({
    description: "Hard limit of descriptors that a container gets",
    unit: "descriptors",
    min: 64,
    max: 1_073_741_816,
    fallback: 524_288,
    source: "containerd 2",
  }),
  somaxconn: whole({
    description: "net.core.somaxconn of the pods' network namespace",
    unit: "connections",
    min: 1,
    max: 2_147_483_647,
    fallback: 4096,
    source: "Linux since 5.4",
  }),
  ephemeralPorts: whole({
    description: "Ports of net.ipv4.ip_local_port_range",
    unit: "ports",
    min: 1,
    max: 64_512,
    fallback: 28_232,
    source: "Linux: 32768–60999",
  }),
  unsafeSysctls: flag({
    description: "The kubelet allows sysctls beyond the safe ones",
    fallback: false,
    source: "Kubernetes' default",
  }),
  quota: optionalGroup({
    cpu: optionalCpu({
      description: "Sum of processor requests that the namespace allows",
      min: 0.1,
      max: 1_000_000,
    }),
    memory: optionalMemory({
      description: "Sum of memory requests that the namespace allows",
      min: 1,
      max: 1_073_741_824,
    }),
    pods: optionalWhole({ description: "Pods that the namespace allows", unit: "pods", min: 1, max: 1_000_000 }),
  }),
} as const;

export const data = {
  dataGiB: number({
    description: "Data of PostgreSQL in a year",
    unit: "GiB",
    step: 0.1,
    min: 0.1,
    max: 1_048_576,
    fallback: 10,
    source: OURS,
    isAssumed: true,
  }),
  backup: {
    periodH: number({
      description: "Between two base backups",
      unit: "h",
      step: 0.5,
      min: 0.1,
      max: 8760,
      fallback: 24,
      source: OURS,
    }),
    windowH: number({
      description: "How long a backup may take",
      unit: "h",
      step: 0.5,
      min: 0.01,
      max: 8760,
      fallback: 4,
      source: OURS,
    }),
    retained: whole({
      description: "Backups that are kept",
      unit: "backups",
      min: 1,
      max: 10_000,
      fallback: 7,
      source: OURS,
    }),
    compression: number({
      description: "Size of a backup as a share of the data",
      unit: "share",
      min: 0.01,
      max: 2,
      fallback: 0.5,
      source: OURS,
      isAssumed: true,
    }),
  },
} as const;

export const security = {
  revocationBudgetS: number({
    description: "How long a revoked token may still be believed anywhere",
    unit: "s",
    min: 0.1,
    max: 3600,
    fallback: 30,
    source: `${DOCUMENTS}, revocation cache`,
  }),
  auditTrail: flag({ description: "Keep the audit trail", fallback: { dev: false, prod: true }, source: OURS }),
} as const;

export const prices = optionalGroup({
  currency: text("^[A-Z]{3}$", {
    description: "Currency of the prices, three letters",
    fallback: "EUR",
    source: OURS,
  }),
  cpuMonth: number({ description: "One core for a month", unit: "per core", min: 0, max: 1_000_000 }),
  memoryGiBMonth: number({ description: "One GiB of memory for a month", unit: "per GiB", min: 0, max: 1_000_000 }),
  storageGiBMonth: number({ description: "One GiB of disk for a month", unit: "per GiB", min: 0, max: 1_000_000 }),
});

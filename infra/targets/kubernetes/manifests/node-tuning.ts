/**
 * What only a node has: limits of the whole machine. A DaemonSet sets them, in a namespace of its own, since it has to be privileged and
 * nothing else here is. Only where the configuration asks for it; its pods' logs say what was there and what has been set.
 */
import type { Manifest } from "../manifest.ts";
import { literal } from "./command.ts";
import { podSecurityLabels } from "./namespace.ts";
import { alivePods } from "./quota.ts";
import { commonLabels, type Site, type Tree } from "./site.ts";

type Knob = {
  readonly name: string;
  readonly value: number;
  /** Whether another process of the node may want more, or less, and gets it. */
  readonly keeps: "the larger" | "the smaller" | "nothing";
  readonly why: string;
};

/** Pages of processes are swapped out only where nothing else is left. Linux, Documentation/admin-guide/sysctl/vm.rst. */
const SWAPPINESS = 1;

/** Kernel values of a node that the plan's pods need. Linux, Documentation/admin-guide/sysctl/{fs,vm,net}.rst. */
export function knobsOf({ topology }: Site): readonly Knob[] {
  const { workloads, plan } = topology;
  const nofile = workloads.map((workload) => workload.nofile ?? 0);
  const all = workloads.reduce((sum, workload) => sum + (workload.nofile ?? 0) * alivePods(workload), 0);
  const holds = (tier: string) => workloads.some((workload) => workload.tier === tier);
  return [
    { name: "fs.nr_open", value: Math.max(...nofile), keeps: "the larger", why: "descriptors of one process" },
    {
      name: "fs.file-max",
      value: all,
      keeps: "the larger",
      why: "descriptors of all pods, if one node had to hold them",
    },
    {
      name: "net.core.netdev_max_backlog",
      value: plan.kernel.somaxconn,
      keeps: "the larger",
      why: "packets of as many new connections as a listener may have waiting",
    },
    ...(holds("redis")
      ? [{ name: "vm.overcommit_memory", value: 1, keeps: "nothing" as const, why: "Redis forks to rewrite its file" }]
      : []),
    ...(holds("redis") || holds("postgres")
      ? [
          {
            name: "vm.swappiness",
            value: SWAPPINESS,
            keeps: "the smaller" as const,
            why: "data is meant to be in memory",
          },
        ]
      : []),
  ];
}

/** Sets what is not enough, and says every value before and after. */
function scriptOf(knobs: readonly Knob[]): string {
  const test = { "the larger": "-lt", "the smaller": "-gt", nothing: "-ne" } as const;
  return [
    "set -eu",
    ...knobs.flatMap(({ name, value, keeps, why }) => {
      const path = `/proc/sys/${name.replaceAll(".", "/")}`;
      return [
        `before=$(cat ${path})`,
        `if [ "$before" ${test[keeps]} ${value} ]; then echo ${value} >${path}; fi`,
        `echo "${name}: $before, now $(cat ${path}); ${value} for ${why}"`,
      ];
    }),
  ].join("\n");
}

export function nodeTuning(site: Site): readonly Manifest[] {
  if (!site.deployment.kubernetes.nodeTuning) return [];
  const namespace = `${site.namespace}-node-tuning`;
  const labels = { ...commonLabels(site), "app.kubernetes.io/name": "node-tuning" };
  const metadata = (name: string) => ({ name, namespace, labels });
  return [
    {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace, labels: { ...labels, ...podSecurityLabels("privileged", site.minor) } },
    },
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: metadata("default-deny"),
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    },
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata("node-tuning"),
      automountServiceAccountToken: false,
    },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: metadata("node-tuning"),
      spec: {
        selector: { matchLabels: selectorOf(site) },
        template: { metadata: { labels }, spec: podSpec(site) },
      },
    },
  ];
}

function selectorOf({ topology }: Site): Readonly<Record<string, string>> {
  return { "app.kubernetes.io/name": "node-tuning", "app.kubernetes.io/instance": topology.stack };
}

/** It sets once and then waits, so that a new node is set before long and a changed value starts it again. */
function podSpec(site: Site): Tree {
  const image = imageOf(site);
  const small = { cpu: "10m", memory: "16Mi", "ephemeral-storage": "16Mi" };
  const container = { image, imagePullPolicy: "IfNotPresent", resources: { requests: small, limits: small } };
  return {
    serviceAccountName: "node-tuning",
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    // Queues of network devices are the host's alone.
    hostNetwork: true,
    nodeSelector: { "kubernetes.io/os": "linux" },
    terminationGracePeriodSeconds: 1,
    initContainers: [
      {
        name: "set",
        ...container,
        command: ["sh", "-c", literal(scriptOf(knobsOf(site)))],
        securityContext: { privileged: true, runAsUser: 0, readOnlyRootFilesystem: true },
      },
    ],
    containers: [
      {
        name: "wait",
        ...container,
        command: ["sleep", "infinity"],
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 65_534,
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
          seccompProfile: { type: "RuntimeDefault" },
        },
      },
    ],
  };
}

/** Any with a shell, and one that the nodes have anyway: the entry's. */
function imageOf({ topology }: Site): string {
  const entry = topology.workloads.find(({ name }) => name === topology.entry.workload);
  if (entry === undefined) throw new RangeError(`the topology's entry ${topology.entry.workload} is no workload`);
  return entry.image.reference;
}

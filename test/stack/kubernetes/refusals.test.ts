/**
 * What the rules find before anything is registered, and what the API server's admission refuses: the same, of Pod Security and of
 * quotas.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Manifest } from "../../../infra/targets/kubernetes/manifest.ts";
import { kubernetesManifests, siteOf } from "../../../infra/targets/kubernetes/manifests/index.ts";
import { quota, restricted } from "../../../infra/targets/kubernetes/rules/index.ts";
import { titled, waitFor } from "../../harness/index.ts";
import { stackOf } from "../../infra/targets/kubernetes/stacks.ts";
import { kubectl, missingForCluster, objectsOf, submit } from "../cluster.ts";

const reason = missingForCluster();
const NAMESPACE = `admission-${process.pid}`;
const built = stackOf("prod", { kubernetes: { namespace: NAMESPACE, priorityClasses: false } });
const { minor } = siteOf(built.topology, built.deployment);
const manifests = kubernetesManifests(built.topology, built.deployment);

function rendered(kind: string, name: string): Manifest {
  const found = manifests.find((one) => one.kind === kind && one.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind}/${name} is rendered`);
  return found;
}

type Tree = Readonly<Record<string, unknown>>;
const podSpec = z.looseObject({
  securityContext: z.looseObject({}),
  containers: z.tuple([z.looseObject({ securityContext: z.looseObject({}) })]),
  volumes: z.array(z.unknown()),
});
type PodSpec = z.infer<typeof podSpec>;
const template = z.looseObject({ template: z.looseObject({ spec: podSpec }) });

/** The gateway's pod as it is rendered, with its service account left to the namespace, and changed. */
function podWith(change: (spec: PodSpec) => Tree): Manifest {
  const { serviceAccountName: _account, ...spec } = template.parse(rendered("Deployment", "gateway").spec).template
    .spec;
  const metadata = { name: "tried", namespace: NAMESPACE };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { ...spec, ...change(podSpec.parse(spec)) } };
}

const pod = (more: Tree) => (spec: PodSpec) => ({ securityContext: { ...spec.securityContext, ...more } });
const container = (more: Tree) => (spec: PodSpec) => {
  const [first] = spec.containers;
  return { containers: [{ ...first, securityContext: { ...first.securityContext, ...more } }] };
};
const sysctl = (name: string, value: string) => pod({ sysctls: [{ name, value }] });

const CHANGES: Readonly<Record<string, (spec: PodSpec) => Tree>> = {
  "as it is rendered": () => ({}),
  "a privileged container": container({ privileged: true, allowPrivilegeEscalation: true }),
  "a container that may gain privileges": container({ allowPrivilegeEscalation: true }),
  "a container of root": container({ runAsUser: 0 }),
  "a container that may be of root": pod({ runAsNonRoot: undefined }),
  "no seccomp profile": pod({ seccompProfile: undefined }),
  "an unconfined seccomp profile": pod({ seccompProfile: { type: "Unconfined" } }),
  "capabilities that are not dropped": container({ capabilities: undefined }),
  "the capability NET_RAW": container({ capabilities: { drop: ["ALL"], add: ["NET_RAW"] } }),
  "the capability NET_BIND_SERVICE": container({ capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } }),
  "the node's network": () => ({ hostNetwork: true }),
  "the node's processes": () => ({ hostPID: true }),
  "a directory of the node": ({ volumes }) => ({
    volumes: [...volumes, { name: "node", hostPath: { path: "/var/log" } }],
  }),
  "a host port": ({ containers: [first] }) => ({
    containers: [{ ...first, ports: [{ containerPort: 4444, hostPort: 4444 }] }],
  }),
  "a longer queue of connections": sysctl("net.core.somaxconn", "1024"),
  "a range of local ports": sysctl("net.ipv4.ip_local_port_range", "1024 65535"),
  "a shorter FIN timeout": sysctl("net.ipv4.tcp_fin_timeout", "15"),
  "a wider read buffer": sysctl("net.ipv4.tcp_rmem", "4096 131072 6291456"),
};

describe.skipIf(reason !== undefined)(titled("admission of a Kubernetes API server", reason), () => {
  beforeAll(async () => {
    const { said, accepted } = await submit(rendered("Namespace", NAMESPACE));
    if (!accepted) throw new Error(said);
    await waitFor(
      async () => (await objectsOf(["serviceaccounts"], "--namespace", NAMESPACE)).length > 0,
      60_000,
      "the namespace's service account",
    );
  });

  afterAll(async () => {
    await kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=100s");
  });

  it.each(Object.entries(CHANGES))("is told beforehand: %s", async (_, change) => {
    const tried = podWith(change);
    const findings = restricted([tried], { kubernetesMinor: minor });
    const { accepted, said } = await submit(tried, "--dry-run=server");
    expect([findings.length === 0, said]).toEqual([
      accepted,
      expect.stringMatching(accepted ? /created/ : /violates PodSecurity/),
    ]);
  });

  it("starts what a quota has room for, and not one pod more, as the rule reckons", async () => {
    const nginx = rendered("Deployment", "nginx");
    const account = rendered("ServiceAccount", "nginx");
    const roomy = quotaOf({ pods: "100" });
    const [tooSmall] = quota([quotaOf({ pods: "2" }), nginx]);
    expect([tooSmall?.rule, quota([roomy, nginx])]).toEqual(["quota/room", []]);
    for (const one of [quotaOf({ pods: "2" }), account, nginx]) expect((await submit(one)).said).toMatch(/created/);
    const refused = await waitFor(async () => (await conditions()).ReplicaFailure, 60_000, "a pod that is refused");
    expect(refused).toMatch(/exceeded quota: room, requested: pods=1, used: pods=2, limited: pods=2/);
    const needed = /at least (\d+)/.exec(tooSmall?.allowed ?? "")?.[1];
    const enough = JSON.stringify({ spec: { hard: { pods: needed } } });
    await kubectl("patch", "resourcequota", "room", "--namespace", NAMESPACE, "--patch", enough);
    await kubectl("rollout", "restart", "deployment/nginx", "--namespace", NAMESPACE);
    await kubectl("rollout", "status", "deployment/nginx", "--namespace", NAMESPACE, "--timeout=100s");
    expect(await conditions()).toEqual(expect.not.objectContaining({ ReplicaFailure: expect.anything() }));
  });

  function quotaOf(hard: Readonly<Record<string, string>>): Manifest {
    return {
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "room", namespace: NAMESPACE },
      spec: { hard },
    };
  }

  /** Type of each condition that holds → what it says. */
  async function conditions(): Promise<Readonly<Record<string, string>>> {
    const [one] = await objectsOf(["deployments"], "--namespace", NAMESPACE);
    const { status } = withConditions.parse(one);
    return Object.fromEntries(
      status.conditions.filter(({ status: holds }) => holds === "True").map(({ type, message }) => [type, message]),
    );
  }
});

const withConditions = z.looseObject({
  status: z.looseObject({
    conditions: z.array(z.looseObject({ type: z.string(), status: z.string(), message: z.string() })).default([]),
  }),
});

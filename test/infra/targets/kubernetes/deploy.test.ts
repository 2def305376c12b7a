/**
 * What the Pulumi layer registers, against mocks: the rendered objects and nothing else, in order, with secrets only where they belong.
 * What a provider and a cluster make of it is not shown here.
 */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { deployKubernetes } from "../../../../infra/targets/kubernetes/index.ts";
import { kubernetesManifests } from "../../../../infra/targets/kubernetes/manifests/index.ts";
import { secrets as leaks } from "../../../../infra/targets/kubernetes/rules/index.ts";
import { type Registered, registered, SECRET_SIGNATURE } from "./registered.ts";
import { deploymentOf, topology as small, withWorkload } from "./small.ts";
import { VARIANTS } from "./stacks.ts";

const GOLDEN = join(import.meta.dirname, "../../../golden/kubernetes/names-prod.txt");
const KUBECONFIG = "clusters: [the-kubeconfig]";
const given = (key: string) => pulumi.secret(`given-${key.replaceAll(":", "-")}`);

async function deployed(variant: string) {
  const build = VARIANTS[variant];
  if (build === undefined) throw new Error(`no variant ${variant}`);
  const { topology, deployment } = build();
  const options = { given, kubeconfig: pulumi.secret(KUBECONFIG) };
  const seen = await registered(() => deployKubernetes(topology, deployment, options));
  return { ...seen, topology, deployment, manifests: kubernetesManifests(topology, deployment) };
}

const objectsOf = (resources: readonly Registered[]) => resources.filter(({ type }) => type.startsWith("kubernetes:"));

/** A value as it was before it was sent as a secret. */
function opened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(opened);
  if (typeof value !== "object" || value === null) return value;
  if (isWrapped(value)) return opened(Reflect.get(value, "value"));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, opened(one)]));
}

function isWrapped(value: object): boolean {
  return Object.values(value).includes(SECRET_SIGNATURE);
}

const kindOf = (type: string) => type.split(":").at(-1) ?? type;
const labelOf = ({ type, name }: Registered) => `${kindOf(type)}/${name}`;

describe.each(Object.keys(VARIANTS))("%s", async (variant) => {
  const { resources, manifests, topology } = await deployed(variant);
  const objects = objectsOf(resources);

  it("registers every rendered object as it is, and no other", () => {
    const sorted = (all: readonly { readonly kind?: unknown; readonly metadata?: unknown }[]) =>
      all.map((one) => JSON.parse(JSON.stringify(one))).toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
    const key = ({ kind, metadata }: { kind: string; metadata: { namespace?: string; name: string } }) =>
      `${kind}/${metadata.namespace}/${metadata.name}`;
    const values = Object.fromEntries(
      topology.secrets.map((one) => [
        one.name,
        one.kind === "given" ? `given-${one.key.replaceAll(":", "-")}` : `made-${one.name}`,
      ]),
    );
    const resolved = JSON.parse(
      JSON.stringify(manifests).replace(/\{\{secret:([a-z0-9-]+):\w+\}\}/g, (_, name: string) => values[name] ?? "?"),
    );
    expect(sorted(objects.map(({ inputs }) => opened(inputs) ?? {}))).toEqual(sorted(resolved));
  });

  it("shows no secret outside of Secrets, and there only as a secret", () => {
    const values = topology.secrets.map((one) =>
      one.kind === "given" ? `given-${one.key.replaceAll(":", "-")}` : `made-${one.name}`,
    );
    const shown = resources
      .filter(({ type }) => !type.endsWith(":Secret"))
      .filter(({ inputs }) => [...values, KUBECONFIG].some((value) => JSON.stringify(inputs).includes(value)));
    expect(shown.map(({ name }) => name)).toEqual(["kubernetes"]);
    const bare = resources
      .filter(({ type }) => type.endsWith(":Secret"))
      .filter(({ inputs }) => !isWrapped(Object(inputs.stringData)));
    expect(bare).toEqual([]);
    expect(leaks(manifests, { secrets: values })).toEqual([]);
  });

  it("puts every object under a component, and to the one provider", () => {
    expect(objects.filter(({ parent }) => !parent.startsWith("mcp:kubernetes:"))).toEqual([]);
    expect([...new Set(objects.map(({ provider }) => provider))]).toEqual(["pulumi:providers:kubernetes::kubernetes"]);
  });

  it("ignores no change but that of replicas which are an autoscaler's", () => {
    const scaled = manifests.filter(({ kind }) => kind === "HorizontalPodAutoscaler");
    const ignoring = resources.filter(({ ignoreChanges }) => ignoreChanges.length > 0);
    expect(ignoring.map((one) => [labelOf(one), one.ignoreChanges])).toEqual(
      scaled.map(({ metadata }) => [`Deployment/${metadata.name}`, ["spec.replicas"]]),
    );
  });

  it("lets everything in a namespace wait for it", () => {
    const early = objects.filter(({ inputs, dependsOn }) => {
      const metadata = Object(inputs.metadata);
      return (
        metadata.namespace !== undefined && !dependsOn.includes(`kubernetes:core/v1:Namespace::${metadata.namespace}`)
      );
    });
    expect(early.map(labelOf)).toEqual([]);
  });

  it("never waits for a claim, which waits for a pod itself", () => {
    const waiting = objects.filter(({ dependsOn }) => dependsOn.some((urn) => urn.includes("PersistentVolumeClaim")));
    expect(waiting.map(labelOf)).toEqual([]);
  });
});

describe("prod", async () => {
  const { resources, outputs, topology } = await deployed("prod");
  const objects = objectsOf(resources);
  const named = (label: string) => objects.find((one) => labelOf(one) === label);
  const startersBefore = (label: string) =>
    (named(label)?.dependsOn ?? [])
      .map((urn) => urn.replace(/^.*:(\w+)::/, "$1/"))
      .filter((one) => /^(?:Deployment|StatefulSet|Job|CronJob)\//.test(one));

  it("has one component per tier, under one for the stack", () => {
    const components = resources.filter(({ type }) => type.startsWith("mcp:"));
    expect(components.map(({ type, name, parent }) => `${parent} > ${type}::${name}`)).toEqual([
      "pulumi:pulumi:Stack::mcp-stack-test > mcp:kubernetes:Stack::prod",
      ...["Foundation", "Postgres", "Redis", "Migrations", "Pgbouncer", "Gateway", "Nginx", "Backup", "Edge"].map(
        (tier) => `mcp:kubernetes:Stack::prod > mcp:kubernetes:${tier}::${tier.toLowerCase()}`,
      ),
    ]);
  });

  it("keeps its names: another one would be another resource, and this one deleted", () => {
    const names = objects.map((one) => `${one.parent.replace("mcp:kubernetes:", "").split("::")[0]}: ${labelOf(one)}`);
    return expect(`${names.toSorted().join("\n")}\n`).toMatchFileSnapshot(GOLDEN);
  });

  it("starts data, then what makes the schema, then what needs it", () => {
    expect(startersBefore("StatefulSet/postgres")).toEqual([]);
    expect(startersBefore("Job/roles")).toEqual(["StatefulSet/postgres"]);
    expect(startersBefore("Job/migrations")).toEqual(["StatefulSet/postgres", "Job/roles"]);
    expect(startersBefore("StatefulSet/pgbouncer")).toEqual(["StatefulSet/postgres", "Job/roles"]);
    expect(startersBefore("Deployment/gateway")).toEqual([
      "Job/migrations",
      "StatefulSet/redis",
      "StatefulSet/pgbouncer",
    ]);
    expect(startersBefore("HorizontalPodAutoscaler/gateway")).toEqual(["Deployment/gateway"]);
    expect(startersBefore("Deployment/nginx")).toEqual(["Deployment/gateway"]);
    expect(startersBefore("CronJob/backup")).toEqual(["Job/migrations"]);
  });

  it("starts nothing before what it mounts, and before its policy", () => {
    expect(named("Deployment/gateway")?.dependsOn.map((urn) => urn.replace(/^.*:(\w+)::/, "$1/"))).toEqual(
      expect.arrayContaining([
        "NetworkPolicy/default-deny",
        "NetworkPolicy/gateway",
        "ServiceAccount/gateway",
        "Secret/gateway-secrets",
        "PriorityClass/prod-mcp-serving",
      ]),
    );
  });

  it("waits as long as each workload may take, and not for what is only made", () => {
    const limits = objects.flatMap((one) => {
      const create: unknown = Reflect.get(Object(one.customTimeouts), "create");
      return create === "" ? [] : [[labelOf(one), create]];
    });
    const postgres = topology.workloads.find(({ name }) => name === "postgres");
    const startup = (postgres?.probes?.startup.periodS ?? 0) * (postgres?.probes?.startup.failureThreshold ?? 0);
    expect(Object.fromEntries(limits)).toEqual({
      "StatefulSet/postgres": `${Math.ceil(300 + startup + (postgres?.shutdown.graceS ?? 0))}s`,
      "StatefulSet/redis": expect.stringMatching(/^\d+s$/),
      "Job/roles": "900s",
      "Job/migrations": "900s",
      "StatefulSet/pgbouncer": expect.stringMatching(/^\d+s$/),
      "Deployment/gateway": expect.stringMatching(/^\d+s$/),
      "Deployment/nginx": expect.stringMatching(/^\d+s$/),
    });
  });

  it("protects what holds data and the secrets without which they are lost, and nothing else", () => {
    expect(
      resources
        .filter(({ isProtected }) => isProtected)
        .map(labelOf)
        .toSorted(),
    ).toEqual([
      "PersistentVolumeClaim/backups",
      "PersistentVolumeClaim/postgres-data",
      "PersistentVolumeClaim/redis-data",
      "RandomPassword/credential-encryption",
      "RandomPassword/database-superuser",
    ]);
  });

  it("tells the provider of the cluster, with the kubeconfig as a secret", () => {
    const provider = resources.find(({ type }) => type === "pulumi:providers:kubernetes");
    expect(opened(provider?.inputs)).toEqual({
      kubeconfig: KUBECONFIG,
      clusterIdentifier: "prod",
      enableServerSideApply: "true",
      enableConfigMapMutable: "true",
      enableSecretMutable: "true",
    });
    expect(isWrapped(Object(provider?.inputs.kubeconfig))).toBe(true);
  });

  it("makes secrets that a version changes", () => {
    const made = resources.filter(({ type }) => type.startsWith("random:"));
    expect(made.map(({ name }) => name)).toEqual(topology.secrets.map(({ name }) => name));
    expect(made[0]?.inputs).toEqual({ length: 48, special: false, keepers: { version: "1" } });
  });

  it("answers with where clients come in", () => {
    expect(outputs).toEqual({
      url: "https://mcp.example.com",
      namespace: "mcp",
      images: Object.fromEntries(topology.workloads.map(({ name, image }) => [name, image.reference])),
    });
  });
});

describe("with CloudNativePG", async () => {
  const { resources } = await deployed("with CloudNativePG");
  const startersBefore = (label: string) =>
    (objectsOf(resources).find((one) => labelOf(one) === label)?.dependsOn ?? [])
      .map((urn) => urn.replace(/^.*:(\w+)::/, "$1/"))
      .filter((one) => /^(?:Cluster|Pooler|Deployment|StatefulSet|Job)\//.test(one));

  it("starts what needs the operator's objects after them, and protects the one with data", () => {
    expect(startersBefore("Pooler/pgbouncer")).toEqual(["Cluster/postgres"]);
    expect(startersBefore("ScheduledBackup/postgres")).toEqual(["Cluster/postgres"]);
    expect(startersBefore("Job/migrations")).toEqual(["Cluster/postgres"]);
    expect(startersBefore("Deployment/gateway").toSorted()).toEqual([
      "Job/migrations",
      "Pooler/pgbouncer",
      "StatefulSet/redis",
    ]);
    const kept = objectsOf(resources).filter(({ isProtected }) => isProtected);
    expect(kept.map(labelOf).toSorted()).toEqual(["Cluster/postgres", "PersistentVolumeClaim/redis-data"]);
    const cluster = objectsOf(resources).find(({ type }) => type.endsWith(":Cluster"));
    expect(cluster?.customTimeouts).toMatchObject({ create: "1800s" });
  });
});

describe("what is refused", () => {
  async function refusalOf(program: () => object): Promise<unknown> {
    const { resources, failure } = await registered(program, true);
    expect(resources).toEqual([]);
    return failure;
  }

  it("is refused before anything is registered: what admission would not let in", async () => {
    const topology = withWorkload("gateway", { sysctls: { "net.core.somaxconn": "4096" } });
    const failure = await refusalOf(() => deployKubernetes(topology, deploymentOf(), { given }));
    expect(failure).toBeInstanceOf(pulumi.RunError);
    expect(String(failure)).toContain("stack shop cannot run in a cluster:");
    expect(String(failure)).toContain(
      'Deployment/gateway: spec.template.spec.securityContext.sysctls[0].name is "net.core.somaxconn"',
    );
  });

  it("is refused before anything is registered: a secret that the configuration does not have", async () => {
    const missing = (key: string): pulumi.Output<string> => {
      throw new Error(`${key} is missing`);
    };
    expect(await refusalOf(() => deployKubernetes(small, deploymentOf(), { given: missing }))).toEqual(
      new Error("mcp-stack:databasePassword is missing"),
    );
  });
});

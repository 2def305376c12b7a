/** What an update would change, and that no change of a size takes data away: two renderings before the replacement oracle. */
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../infra/targets/kubernetes/manifest.ts";
import { kubernetesManifests } from "../../../../infra/targets/kubernetes/manifests/index.ts";
import { replacements } from "../../../../infra/targets/kubernetes/rules/index.ts";
import { DIGEST, stackOf } from "./stacks.ts";

type Stack = ReturnType<typeof stackOf>;

const render = ({ topology, deployment }: Stack) => kubernetesManifests(topology, deployment);
const before = render(stackOf("prod"));

/** `Kind/name path` of every leaf that differs; objects that only one side has as a whole. */
function changes(old: readonly Manifest[], now: readonly Manifest[]): readonly string[] {
  const label = ({ kind, metadata }: Manifest) => `${kind}/${metadata.name}`;
  const names = [...new Set([...old, ...now].map(label))];
  return names.flatMap((name) => {
    const [was, is] = [old.find((one) => label(one) === name), now.find((one) => label(one) === name)];
    if (was === undefined) return [`+ ${name}`];
    if (is === undefined) return [`- ${name}`];
    return leaves(was, is, "").map((path) => `${name} ${path}`);
  });
}

function leaves(was: unknown, is: unknown, path: string): readonly string[] {
  if (isDeepStrictEqual(was, is)) return [];
  if (typeof was !== "object" || typeof is !== "object" || was === null || is === null) return [path];
  const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return keys.flatMap((key) =>
    leaves(Reflect.get(was, key), Reflect.get(is, key), path === "" ? key : `${path}.${key}`),
  );
}

const isJob = (name: string) => /^[+-] Job\//.test(name);
const anew = (name: string) => name.replace(/-[0-9a-f]{10}$/, "");

/** Nothing that holds data goes, and of the rest only Jobs, whose names say what is in them. */
function expectNothingLost(after: readonly Manifest[]): void {
  expect(replacements(before, after).filter(({ holdsData }) => holdsData)).toEqual([]);
  expect(replacements(before, after).filter(({ object }) => !object.startsWith("Job/"))).toEqual([]);
}

describe("an update of prod", () => {
  it("by nothing changes nothing", () => {
    expect(changes(before, render(stackOf("prod")))).toEqual([]);
    expect(replacements(before, render(stackOf("prod")))).toEqual([]);
  });

  it("of load, memory and pools takes nothing away", () => {
    const after = render(
      stackOf(
        "prod",
        {},
        {
          load: { concurrentUsers: 9000 },
          gateway: { memory: "2Gi", haFloor: 5 },
          database: { postgres: { cpu: 6, memory: "24Gi" } },
          nginx: { replicas: 4 },
        },
      ),
    );
    expect(changes(before, after)).toEqual(
      expect.arrayContaining([
        "Deployment/nginx spec.replicas",
        "StatefulSet/postgres spec.template.spec.containers.0.resources.limits.memory",
        "HorizontalPodAutoscaler/gateway spec.maxReplicas",
      ]),
    );
    expectNothingLost(after);
  });

  it("of the storage grows the claim where it is, and touches no StatefulSet", () => {
    const after = render(stackOf("prod", {}, { data: { dataGiB: 500 } }));
    expect(changes(before, after).filter((one) => !/^(?:ResourceQuota|LimitRange|CronJob)\//.test(one))).toEqual([
      "PersistentVolumeClaim/postgres-data spec.resources.requests.storage",
      "ConfigMap/gateway-config data.plan.json",
      "PersistentVolumeClaim/backups spec.resources.requests.storage",
    ]);
    expectNothingLost(after);
  });

  it("of one line of nginx.conf changes that file and that tier's checksum, and nothing else", () => {
    const after = render(stackOf("prod", { access: { limits: { burst: 777 } } }));
    expect(changes(before, after)).toEqual([
      "ConfigMap/nginx-config data.nginx.conf",
      "Deployment/nginx spec.template.metadata.annotations.checksum/config",
    ]);
    expectNothingLost(after);
  });

  it("of the gateway's image changes the gateway, and migrates again", () => {
    const reference = `registry.example/mcp-stack:2${DIGEST}`;
    const after = render(stackOf("prod", { images: { gateway: { reference } } }));
    const changed = changes(before, after);
    expect(changed.filter((one) => !isJob(one))).toEqual(["Deployment/gateway spec.template.spec.containers.0.image"]);
    expect(changed.filter(isJob).map(anew)).toEqual(["- Job/migrations", "+ Job/migrations"]);
    expectNothingLost(after);
  });

  it("of a password's version sets it anew in the database, and starts again whoever uses it", () => {
    const after = render(stackOf("prod", { secrets: { database: "2" } }));
    const changed = changes(before, after);
    expect(changed.filter(isJob).map(anew).toSorted()).toEqual([
      "+ Job/migrations",
      "+ Job/roles",
      "- Job/migrations",
      "- Job/roles",
    ]);
    expect(changed.filter((one) => !isJob(one))).toEqual([
      "StatefulSet/pgbouncer spec.template.metadata.annotations.checksum/config",
      "CronJob/backup spec.jobTemplate.spec.template.metadata.annotations.checksum/config",
    ]);
    expectNothingLost(after);
  });

  it("from pooled to direct takes the pooler away, and no data", () => {
    const direct = render(stackOf("prod", {}, { database: { mode: "direct", pgbouncer: undefined } }));
    expect(replacements(before, direct).filter(({ holdsData }) => holdsData)).toEqual([]);
  });

  it("from direct to pooled brings the pooler, and takes no data", () => {
    const direct = render(stackOf("prod", {}, { database: { mode: "direct", pgbouncer: undefined } }));
    expect(replacements(direct, before).filter(({ holdsData }) => holdsData)).toEqual([]);
    const added = changes(direct, before).filter((one) => one.startsWith("+ ") && !isJob(one));
    expect(added.toSorted()).toEqual([
      "+ ConfigMap/pgbouncer-config",
      "+ NetworkPolicy/pgbouncer",
      "+ PodDisruptionBudget/pgbouncer",
      "+ Secret/pgbouncer-secrets",
      "+ Service/pgbouncer",
      "+ ServiceAccount/pgbouncer",
      "+ StatefulSet/pgbouncer",
    ]);
  });

  it("that lets an autoscaler in gives it the number of replicas, and takes nothing away", () => {
    const fixed = render(stackOf("prod", {}, { gateway: { hpa: false } }));
    const scaled = changes(fixed, before).filter((one) =>
      /^(?:[+-] )?(?:Deployment|HorizontalPodAutoscaler)\/gateway/.test(one),
    );
    // A plan with a fixed number of replicas counts other descriptors.
    expect(scaled).toEqual([
      "Deployment/gateway spec.replicas",
      "Deployment/gateway spec.template.metadata.annotations.checksum/config",
      "Deployment/gateway spec.template.spec.containers.0.command.5",
      "+ HorizontalPodAutoscaler/gateway",
    ]);
    expect(replacements(fixed, before).filter(({ object }) => !object.startsWith("Job/"))).toEqual([]);
  });

  it("of the engine changes what the gateway is told, and replaces nothing", () => {
    const { topology, deployment } = stackOf("prod");
    const workloads = topology.workloads.map((one) =>
      one.name === "gateway" ? { ...one, environment: { ...one.environment, HTTP_SERVER: "bounded" } } : one,
    );
    const after = kubernetesManifests({ ...topology, workloads }, deployment);
    expect(changes(before, after)).toEqual(["Deployment/gateway spec.template.spec.containers.0.env.4.value"]);
    expectNothingLost(after);
  });

  it("by another name of the namespace would take the data away, and the oracle says so", () => {
    const after = render(stackOf("prod", { kubernetes: { namespace: "other" } }));
    const lost = replacements(before, after).filter(({ holdsData }) => holdsData);
    expect(new Set(lost.map(({ object }) => object.replace(/\/.*/, "")))).toEqual(
      new Set(["Namespace", "PersistentVolumeClaim", "Service", "StatefulSet"]),
    );
  });
});

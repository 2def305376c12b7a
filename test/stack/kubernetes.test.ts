/**
 * The prod stack on a real API server: accepted under restricted Pod Security, as rendered, with nothing left to do; changed and rotated
 * without a loss; and nothing left at the end. Whether a container runs is not asked: the nodes may be simulated.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { BuiltStack } from "../../infra/stack.ts";
import { kubernetesManifests, siteOf } from "../../infra/targets/kubernetes/manifests/index.ts";
import { findingsOf } from "../../infra/targets/kubernetes/preflight.ts";
import { network, objectOf, printFinding, secrets } from "../../infra/targets/kubernetes/rules/index.ts";
import { titled, waitFor } from "../harness/index.ts";
import { networkContextOf, ofOurs } from "../infra/targets/kubernetes/parties.ts";
import { kubeconfigPath, type Living, objectsOf } from "./cluster.ts";
import { differences } from "./differences.ts";
import { type KubernetesStack, kubernetesStack, missingForKubernetes } from "./kubernetes-stack.ts";
import { ROOT } from "./pulumi-stack.ts";

const reason = missingForKubernetes();
const UPDATE_MS = 600_000;
/** What a change of size may do to objects; a Job has the hash of its content in its name, and so it is another one. */
const HARMLESS = ["same", "create", "update"];

const GROWN = {
  gateway: { memory: "2Gi", haFloor: 4 },
  nginx: { replicas: 4 },
  database: { postgres: { cpu: 3, memory: "8Gi" } },
  data: { dataGiB: 100 },
};

const status = z.looseObject({
  status: z.looseObject({
    replicas: z.number().optional(),
    availableReplicas: z.number().optional(),
    readyReplicas: z.number().optional(),
    succeeded: z.number().optional(),
    completionTime: z.string().optional(),
    phase: z.string().optional(),
  }),
});
const preview = z.looseObject({ steps: z.array(z.looseObject({ op: z.string(), urn: z.string() })) });
const exported = z.looseObject({
  deployment: z.looseObject({
    resources: z.array(z.looseObject({ type: z.string(), urn: z.string(), protect: z.boolean().default(false) })),
  }),
});
const password = z.looseObject({
  type: z.string(),
  outputs: z.looseObject({ result: z.looseObject({ plaintext: z.string() }) }),
});

const labelOf = (one: Living) => objectOf(one);
const lastOf = (urn: string) => urn.split("::").slice(-2).join(" ").replace(/^.*:/, "");

describe.skipIf(reason !== undefined)(titled("the prod stack on a Kubernetes API server", reason), () => {
  let stack: KubernetesStack;
  let built: BuiltStack;
  const rendered = () => kubernetesManifests(built.topology, built.deployment);

  beforeAll(async () => {
    stack = await kubernetesStack();
    built = await stack.configure({}, {});
    await stack.pulumi("up", "--yes", "--skip-preview");
  }, UPDATE_MS);

  afterAll(async () => {
    await stack?.remove();
  }, UPDATE_MS);

  /** What was rendered and is otherwise in the cluster; of Secrets, whose values nobody renders, nothing. */
  async function unlike(): Promise<readonly string[]> {
    const live = new Map((await stack.live()).map((one) => [labelOf(one), one]));
    return rendered()
      .filter(({ kind }) => kind !== "Secret")
      .flatMap((manifest) =>
        differences(manifest, live.get(objectOf(manifest))).map((path) => `${objectOf(manifest)} ${path}`),
      );
  }

  const exportedText = (...argv: readonly string[]) => stack.pulumi("stack", "export", ...argv);

  /** Every value that Pulumi made for this stack. */
  async function generated(): Promise<readonly string[]> {
    const { deployment } = exported.parse(JSON.parse(await exportedText("--show-secrets")));
    return deployment.resources
      .filter(({ type }) => type.endsWith(":RandomPassword"))
      .map((one) => z.string().parse(JSON.parse(password.parse(one).outputs.result.plaintext)));
  }

  /** Kind → what each of its objects has reached. */
  const reached = async (kind: string, read: (one: z.infer<typeof status>["status"]) => unknown) => {
    const all = (await stack.live()).filter((one) => one.kind === kind);
    return Object.fromEntries(all.map((one) => [nameOf(one), read(status.parse(one).status)]));
  };
  const nameOf = ({ kind, metadata }: Living) =>
    kind === "Job" ? (metadata.labels["app.kubernetes.io/name"] ?? metadata.name) : metadata.name;

  /** Those that are not ending. */
  async function podsOf(workload: string): Promise<readonly Living[]> {
    const selector = `app.kubernetes.io/name=${workload},app.kubernetes.io/instance=${stack.name}`;
    const pods = await objectsOf(["pods"], "--namespace", stack.namespace, "--selector", selector);
    return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  it("starts every pod in a namespace that enforces the restricted profile", { timeout: UPDATE_MS }, async () => {
    const [namespace] = (await stack.live()).filter(({ kind }) => kind === "Namespace");
    expect(namespace?.metadata.labels["pod-security.kubernetes.io/enforce"]).toBe("restricted");
    const { plan } = built.topology;
    // A new Deployment has one replica until its autoscaler has seen it.
    const ready = await waitFor(
      async () => {
        const now = await reached("Deployment", ({ availableReplicas }) => availableReplicas);
        return now.gateway === plan.gateway.replicas.min ? now : undefined;
      },
      60_000,
      "the autoscaler's least number of gateways",
    );
    expect(ready).toEqual({ gateway: plan.gateway.replicas.min, nginx: plan.nginx.replicas });
    expect(await reached("StatefulSet", ({ readyReplicas }) => readyReplicas)).toEqual({
      postgres: 1,
      redis: 1,
      pgbouncer: plan.pgbouncer?.instances,
    });
    expect(await reached("Job", ({ succeeded }) => succeeded)).toEqual({ roles: 1, migrations: 1 });
    expect(await reached("PersistentVolumeClaim", ({ phase }) => phase)).toEqual({
      "postgres-data": "Bound",
      "redis-data": "Bound",
      backups: "Bound",
    });
  });

  it("has in the cluster what was rendered, and nothing else", async () => {
    const live = await stack.live();
    const secretNames = built.topology.workloads.map(({ name }) => `Secret/${name}-secrets`);
    const own = live.filter((one) => !secretNames.includes(labelOf(one)));
    const wanted = rendered().filter(({ kind }) => kind !== "Secret");
    expect(own.map(labelOf).toSorted()).toEqual(wanted.map(objectOf).toSorted());
    expect(await unlike()).toEqual([]);
  });

  it("passes as it lives in the cluster what judged it before", async () => {
    const live = (await stack.live()).map(withoutAutoscaling);
    const site = siteOf(built.topology, built.deployment);
    expect(findingsOf(site, live).map(printFinding)).toEqual([]);
    expect(ofOurs(network(live, networkContextOf(site, live))).map(printFinding)).toEqual([]);
    const values = await generated();
    expect(values.length).toBe(built.topology.secrets.length);
    expect(secrets(live, { secrets: values }).map(printFinding)).toEqual([]);
  });

  it("keeps no password and no kubeconfig in the clear, neither in its state nor in the versions before", async () => {
    const values = [...(await generated()), ...(await kubeconfigSecrets())];
    const files = await readdir(stack.directory, { recursive: true, withFileTypes: true });
    const texts = await Promise.all(
      files
        .filter((one) => one.isFile())
        .map(async (one) => ({ one, text: await readFile(join(one.parentPath, one.name), "utf8") })),
    );
    expect(texts.length).toBeGreaterThan(4);
    const leaks = texts.filter(({ text }) => values.some((value) => text.includes(value))).map(({ one }) => one.name);
    expect(leaks).toEqual([]);
    const said = await exportedText();
    expect(values.filter((value) => said.includes(value)).length).toBe(0);
  });

  it("has nothing left to do, and breaks no policy", { timeout: UPDATE_MS }, async () => {
    expect(await stack.pulumi("preview", "--expect-no-changes")).toContain("unchanged");
    const runner = { NODE_OPTIONS: `--import=${join(ROOT, "infra/policies/runner.ts")}` };
    const judged = await stack.pulumiWith(runner, "preview", "--policy-pack", join(ROOT, "infra/policies"));
    expect(judged).toMatch(/✅ mcp-stack@v/);
  });

  it("grows where it stands: memory, replicas and storage replace nothing", { timeout: UPDATE_MS }, async () => {
    const before = await stack.live();
    built = await stack.configure({}, GROWN);
    const { steps } = preview.parse(JSON.parse(await stack.pulumi("preview", "--json")));
    const harmful = steps.filter(({ op }) => !HARMLESS.includes(op)).map(({ op, urn }) => `${op} ${lastOf(urn)}`);
    expect(harmful).toEqual([]);
    await stack.pulumi("up", "--yes", "--skip-preview");
    expect(identities(await stack.live())).toEqual(identities(before));
    expect(await unlike()).toEqual([]);
  });

  it("shrinks no volume: the preview says so, before anything has changed", { timeout: UPDATE_MS }, async () => {
    await stack.configure({}, { ...GROWN, data: {} });
    await expect(stack.pulumi("preview")).rejects.toThrow(/can not be less than status\.capacity/);
    await stack.configure({}, GROWN);
  });

  it("rotates the database's passwords: roles first, then the poolers, and no gateway; the data stay", {
    timeout: UPDATE_MS,
  }, async () => {
    const before = await stack.live();
    const rolesBefore = before.filter(({ kind }) => kind === "Job").map(labelOf);
    const gateways = (await podsOf("gateway")).map(({ metadata }) => metadata.uid);
    built = await stack.configure({ secrets: { database: "2" } }, GROWN);
    await stack.pulumi("up", "--yes", "--skip-preview");
    const after = await stack.live();
    const [roles] = after.filter((one) => one.kind === "Job" && nameOf(one) === "roles");
    expect(rolesBefore).not.toContain(labelOf(roles ?? fail("no Job roles")));
    const { completionTime = "never" } = status.parse(roles).status;
    const running = await podsOf("pgbouncer");
    const early = running.filter(({ metadata }) => metadata.creationTimestamp < completionTime);
    expect(running.length).toBe(built.topology.plan.pgbouncer?.instances);
    expect(early.map(labelOf)).toEqual([]);
    expect((await podsOf("gateway")).map(({ metadata }) => metadata.uid)).toEqual(gateways);
    expect(identities(after)).toEqual(identities(before));
  });

  it("is not destroyed while its data are protected", { timeout: UPDATE_MS }, async () => {
    const { deployment } = exported.parse(JSON.parse(await exportedText()));
    const guarded = deployment.resources.filter(({ protect }) => protect).map(({ urn }) => lastOf(urn));
    expect(guarded.toSorted()).toEqual([
      "PersistentVolumeClaim backups",
      "PersistentVolumeClaim postgres-data",
      "PersistentVolumeClaim redis-data",
      "RandomPassword credential-encryption",
      "RandomPassword database-superuser",
    ]);
    const before = (await stack.live()).map(labelOf);
    await expect(stack.pulumi("destroy", "--yes")).rejects.toThrow(/cannot be deleted\s+because it is protected/);
    expect((await stack.live()).map(labelOf)).toEqual(before);
  });

  it("leaves nothing in the cluster once the protection is taken away", { timeout: UPDATE_MS }, async () => {
    await stack.pulumi("state", "unprotect", "--all", "--yes");
    await stack.pulumi("destroy", "--yes");
    expect(await stack.live()).toEqual([]);
    const namespaces = await objectsOf(["namespaces"]);
    expect(namespaces.map(({ metadata }) => metadata.name)).not.toContain(stack.namespace);
  });
});

/** An autoscaler writes the number of replicas; who deploys must not. */
function withoutAutoscaling(one: Living): Living {
  if (one.kind !== "Deployment" || one.metadata.name !== "gateway") return one;
  const { replicas: _, ...spec } = z.looseObject({ replicas: z.number() }).parse(one.spec);
  return { ...one, spec };
}

/** What must be the same object after an update: what holds data, and what everything stands in. */
function identities(live: readonly Living[]): Readonly<Record<string, string>> {
  const kinds = ["Namespace", "PersistentVolumeClaim", "StatefulSet", "Service"];
  return Object.fromEntries(
    live.filter(({ kind }) => kinds.includes(kind)).map((one) => [labelOf(one), one.metadata.uid]),
  );
}

function fail(text: string): never {
  throw new Error(text);
}

/** The long words of the kubeconfig: keys, tokens; certificates of the cluster are none. */
async function kubeconfigSecrets(): Promise<readonly string[]> {
  const text = await readFile(kubeconfigPath(), "utf8");
  return [...text.matchAll(/(?:client-key-data|token|password):\s*(\S{16,})/g)].flatMap(([, value]) => value ?? []);
}

/** The prod stack, scaled down, in a namespace of its own of a real cluster, by the real Pulumi with state of its own. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { DEPLOYMENT_KEY, deploymentOf, SIZING_KEY, sizingOf } from "../../infra/config.ts";
import { type BuiltStack, buildStack, ownGround } from "../../infra/stack.ts";
import { merged } from "../infra/targets/kubernetes/stacks.ts";
import { kubeconfigPath, type Living, missingForCluster, objectsOf } from "./cluster.ts";
import { missingForPulumi, type PulumiStack, pulumiStack, ROOT } from "./pulumi-stack.ts";

/** Why these tests are skipped; undefined where everything is there. */
export function missingForKubernetes(): string | undefined {
  return missingForCluster() ?? missingForPulumi(["kubernetes", "random"]);
}

type Change = Readonly<Record<string, unknown>>;

/** A tenth of the load, and machines that six nodes of 16 cores have room for. */
const SCALED_DOWN: Change = {
  load: { peakRps: 300, concurrentUsers: 650, sseStreams: 200, statefulSessions: 1000 },
  database: { postgres: { cpu: 2, memory: "4Gi" } },
};

const NAMESPACED = [
  "serviceaccounts",
  "networkpolicies",
  "resourcequotas",
  "limitranges",
  "configmaps",
  "secrets",
  "services",
  "persistentvolumeclaims",
  "statefulsets",
  "deployments",
  "jobs",
  "cronjobs",
  "horizontalpodautoscalers",
  "poddisruptionbudgets",
  "ingresses",
];

export type KubernetesStack = {
  readonly name: string;
  readonly namespace: string;
  readonly directory: string;
  readonly pulumi: PulumiStack["pulumi"];
  readonly pulumiWith: PulumiStack["pulumiWith"];
  /** Writes the stack file with these changes, and answers with what the program makes of it. */
  configure(deployment: Change, sizing: Change): Promise<BuiltStack>;
  /** Everything of the stack in the cluster, by its label. */
  live(): Promise<readonly Living[]>;
  /** Destroys what is left of it, with its state. */
  remove(): Promise<void>;
};

export async function kubernetesStack(): Promise<KubernetesStack> {
  const namespace = `run-${process.pid}`;
  const prod: unknown = parse(await readFile(join(ROOT, "Pulumi.prod.yaml"), "utf8"));
  const stack = await pulumiStack(`t${process.pid}`);
  const { name, directory, pulumi, pulumiWith } = stack;
  await pulumi("stack", "init");
  await stack.setSecret("mcp-stack:kubeconfig", await readFile(kubeconfigPath(), "utf8"));
  const ofStack = ["--selector", `app.kubernetes.io/instance=${name}`];
  return {
    name,
    namespace,
    directory,
    pulumi,
    pulumiWith,
    async configure(deployment, sizing) {
      const changed = merged(deploymentOf(prod), merged({ kubernetes: { namespace } }, deployment));
      const sized = merged(sizingOf(prod), merged(SCALED_DOWN, sizing));
      await stack.configure({
        "pulumi:disable-default-providers": ["kubernetes", "docker"],
        [SIZING_KEY]: sized,
        [DEPLOYMENT_KEY]: changed,
      });
      const result = buildStack(name, sized, changed, ownGround);
      if (!result.ok) throw new Error(result.text);
      return result.built;
    },
    async live() {
      const around = await objectsOf(["namespaces", "priorityclasses"], ...ofStack);
      return [...around, ...(await objectsOf(NAMESPACED, "--namespace", namespace, ...ofStack))];
    },
    async remove() {
      await pulumi("state", "unprotect", "--all", "--yes");
      await pulumi("destroy", "--yes", "--skip-preview");
      await stack.remove();
    },
  };
}

/**
 * A stack as files: the objects of its target, and the configuration of every daemon, without Pulumi, without a cluster. For reviews, for
 * those whose cluster takes its objects from a repository, and for tests. No secret is in them: where one stands there is its marker.
 */
import { basename } from "node:path";
import { stringify } from "yaml";
import type { BuiltStack } from "./stack.ts";
import { buildOf, dockerPlan } from "./targets/docker/plan/index.ts";
import { kubernetesParts, type Manifest, withoutSecrets } from "./targets/kubernetes/manifests/index.ts";
import type { Topology } from "./topology/index.ts";

/** Path below the output directory, with slashes → text. */
export type Rendering = ReadonlyMap<string, string>;

/** `imageTag` answers the tag of the gateway's image where Docker builds it. Throws what the targets throw for what they cannot give. */
export function renderStack(built: BuiltStack, imageTag: () => string): Rendering {
  const { topology, deployment } = built;
  const files = new Map<string, string>([
    ...configurationFiles(topology),
    ["secrets.json", json(topology.secrets)],
    ["edges.txt", edgesText(topology)],
  ]);
  if (deployment.target === "docker")
    return files.set("docker.json", json(dockerPlan(topology, deployment, buildOf(deployment, imageTag()))));
  if (deployment.target === "local") return files.set("processes.json", json(topology.workloads.map(withoutText)));
  return new Map([...files, ...kubernetesFiles(built)]);
}

/** As each daemon reads them; those of secrets with markers. */
function configurationFiles({ workloads }: Topology): readonly (readonly [string, string])[] {
  return workloads.flatMap(({ name, files }) =>
    files
      // The plan is printed by `mcp-stack plan`, whose figures for people are better than one line of JSON.
      .filter(({ path }) => basename(path) !== "plan.json")
      .map(
        ({ path, text, isSecret }) =>
          [`files/${name}/${isSecret ? "secrets" : "config"}/${basename(path)}`, text] as const,
      ),
  );
}

/** One file for each part of the deployment, numbered in the order of their start. */
function kubernetesFiles({ topology, deployment }: BuiltStack): readonly (readonly [string, string])[] {
  const parts = kubernetesParts(topology, deployment);
  const documents = parts.map(
    ({ name, manifests }, at) =>
      [
        `kubernetes/${String(at).padStart(2, "0")}-${name}.yaml`,
        withoutSecrets(manifests).map(yaml).join("---\n"),
      ] as const,
  );
  const secrets = parts.flatMap(({ manifests }) => manifests.filter(({ kind }) => kind === "Secret"));
  return [
    ...documents,
    ["kubernetes/secrets.yaml.template", `${SECRETS_NOTE}${secrets.map(yaml).join("---\n")}`] as const,
  ];
}

const SECRETS_NOTE = [
  "# What the Secrets of this stack have to hold; whoever applies the other files makes them. {{secret:<name>:<encoding>}} stands for a value:",
  "# plain as it is, url percent-encoded, sql with single quotes doubled. ../secrets.json says what each is for; equal names are equal values.",
  "",
].join("\n");

function yaml(manifest: Manifest): string {
  return stringify(manifest, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** Files stand beside; their names are enough. */
function withoutText({ files, ...workload }: Topology["workloads"][number]) {
  return { ...workload, files: files.map(({ path }) => path) };
}

function edgesText({ edges }: Topology): string {
  return edges.map(({ from, to, port, protocol, why }) => `${from} -> ${to} ${protocol} ${port}: ${why}\n`).join("");
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

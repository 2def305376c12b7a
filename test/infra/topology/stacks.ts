/** The stack files of this repository, composed for each target. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Plan } from "../../../contract/plan.ts";
import { deploymentOf, sizingOf } from "../../../infra/config.ts";
import { type BuiltStack, buildStack, type GroundOf } from "../../../infra/stack.ts";
import {
  type Deployment,
  dockerGround,
  kubernetesGround,
  localGround,
  type Topology,
  type Workload,
} from "../../../infra/topology/index.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");

/** What a stack file says, as YAML gives it. */
export function stackFile(name: string): { readonly sizing: object; readonly deployment: object } {
  const content: unknown = parse(readFileSync(join(ROOT, `Pulumi.${name}.yaml`), "utf8"));
  return { sizing: Object(sizingOf(content)), deployment: Object(deploymentOf(content)) };
}

/** The ground of a target; the local one with names that are the same on every machine. */
export const groundOf: GroundOf = (deployment: Deployment, { plan }: { readonly plan: Plan }) => {
  if (deployment.target === "kubernetes") return kubernetesGround(deployment);
  if (deployment.target === "docker") return dockerGround();
  return localGround(deployment, {
    dataDirectory: "/var/lib/stack",
    application: "/opt/mcp-stack",
    node: "/usr/bin/node",
    programs: ["/usr/lib/postgresql/15/bin"],
    replicas: plan.gateway.replicas.min,
  });
};

type Changes = { readonly [key: string]: unknown };

/** A stack file with changes at the top level of its parts, composed. Throws with everything that is wrong. */
export function built(name: string, changes: { sizing?: Changes; deployment?: Changes } = {}): BuiltStack {
  const { sizing, deployment } = stackFile(name);
  const result = buildStack(name, { ...sizing, ...changes.sizing }, { ...deployment, ...changes.deployment }, groundOf);
  if (!result.ok) throw new Error(result.text);
  return result.built;
}

/** The text that refuses it. */
export function refused(name: string, changes: { sizing?: Changes; deployment?: Changes }): string {
  const { sizing, deployment } = stackFile(name);
  const result = buildStack(name, { ...sizing, ...changes.sizing }, { ...deployment, ...changes.deployment }, groundOf);
  if (result.ok) throw new Error("it holds");
  return result.text;
}

/** The workload of this name. Throws where there is none. */
export function workload({ workloads }: Topology, name: string): Workload {
  const found = workloads.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no workload ${name}`);
  return found;
}

/** Names of the workloads that start again between the two. */
export function changed(before: Topology, after: Topology): readonly string[] {
  const checksums = ({ workloads }: Topology) =>
    Object.fromEntries(workloads.map(({ name, checksum }) => [name, checksum]));
  const [one, other] = [checksums(before), checksums(after)];
  return Object.keys({ ...one, ...other }).filter((name) => one[name] !== other[name]);
}

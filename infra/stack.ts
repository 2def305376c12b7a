/** From what a stack's configuration says to its proven plan and its topology, or to a text that says everything that is wrong. */
import type { PlanDocument } from "../contract/plan.ts";
import { readStack } from "./config.ts";
import { plan, type SizingInput } from "./sizing/index.ts";
import { verdictText } from "./sizing/report/index.ts";
import {
  composeTopology,
  type Deployment,
  dockerGround,
  type Ground,
  kubernetesGround,
  PlaceError,
  refusalText,
  type Topology,
} from "./topology/index.ts";

export type BuiltStack = {
  readonly name: string;
  readonly input: SizingInput;
  readonly document: PlanDocument;
  readonly deployment: Deployment;
  readonly topology: Topology;
};

export type StackResult =
  | { readonly ok: true; readonly built: BuiltStack }
  /** `isRefusal`: it was understood, and does not hold. */
  | { readonly ok: false; readonly isRefusal: boolean; readonly text: string };

/** Chooses the ground once the configuration is read; the local target's depends on the machine. */
export type GroundOf = (deployment: Deployment, document: PlanDocument) => Ground;

/** The grounds that a stack's own `target` names; throws RangeError for the local one, whose ground is a machine. */
export const ownGround: GroundOf = (deployment) => {
  if (deployment.target === "kubernetes") return kubernetesGround(deployment);
  if (deployment.target === "docker") return dockerGround();
  throw new RangeError(
    "deployment.target is local: its processes are started by `mcp-stack up`; Pulumi knows kubernetes and docker",
  );
};

/** Pure but for the ground. Both parts as YAML gave them; every mistake is told at once. */
export function buildStack(name: string, sizing: unknown, deployment: unknown, ground: GroundOf): StackResult {
  const reading = readStack(sizing, deployment);
  if (!reading.ok) return failed(false, `stack ${name} cannot be read`, reading.problems);
  const document = plan(reading.input);
  if (!document.accepted)
    return {
      ok: false,
      isRefusal: true,
      text: verdictText({ title: `stack ${name}`, input: reading.input, document }),
    };
  try {
    const composition = composeTopology({
      stack: name,
      environment: reading.input.environment,
      plan: document.plan,
      deployment: reading.deployment,
      ground: ground(reading.deployment, document),
    });
    if (!composition.ok) return failed(true, `stack ${name} cannot be built`, composition.refusals.map(refusalText));
    const { topology } = composition;
    return {
      ok: true,
      built: { name, input: reading.input, document, deployment: reading.deployment, topology },
    };
  } catch (error) {
    if (error instanceof PlaceError || error instanceof RangeError)
      return failed(true, `stack ${name} cannot be built`, [error.message]);
    throw error;
  }
}

function failed(isRefusal: boolean, title: string, lines: readonly string[]): StackResult {
  return { ok: false, isRefusal, text: `${title}:\n${lines.map((line) => `  ${line}`).join("\n")}` };
}

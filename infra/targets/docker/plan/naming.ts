/** Names and labels of everything that belongs to a stack: by the label a person, a test or `docker ps` finds it all again. */
import { DOCKER_LABELS, type Topology } from "../../../topology/index.ts";
import type { Labels } from "./model.ts";

/** The label that everything of a stack has; its value is the stack's name. */
export const STACK_LABEL = DOCKER_LABELS.stack;
export const WORKLOAD_LABEL = DOCKER_LABELS.workload;
export const CHECKSUM_LABEL = "mcp-stack.checksum";

/** `mcp-dev-postgres`: letters, digits and dashes, as the parts are. */
export function nameOf({ stack }: Pick<Topology, "stack">, ...parts: readonly (string | number)[]): string {
  return ["mcp", stack, ...parts].join("-");
}

export function labelsOf({ stack }: Pick<Topology, "stack">, more: Labels = {}): Labels {
  return { [STACK_LABEL]: stack, ...more };
}

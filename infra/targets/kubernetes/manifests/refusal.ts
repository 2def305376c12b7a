/** What a topology asks for and this target cannot give. Thrown before anything is registered, all of it at once. */
import { linkLocalAmong } from "./address.ts";
import type { Site } from "./site.ts";

export class TargetError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "TargetError";
    this.problems = problems;
  }
}

/** Texts that name the thing, its value and the key to change; empty: it can be rendered. */
export function refusalsOf(site: Site): readonly string[] {
  const { topology, deployment } = site;
  return [
    ...(topology.stack.length > 40
      ? [
          `stack ${topology.stack} has ${topology.stack.length} characters, a name of objects leaves room for 40: rename the stack`,
        ]
      : []),
    ...linkLocalAmong(deployment.upstreams.networks).map(
      (network) =>
        `upstreams.networks lets the gateway reach ${network}, where clouds hand out the node's credentials: take it out`,
    ),
  ];
}

/** Throws TargetError where something is refused. */
export function checkSite(site: Site): void {
  const problems = refusalsOf(site);
  if (problems.length > 0) throw new TargetError(problems);
}

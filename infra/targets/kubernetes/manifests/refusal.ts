/** What a topology asks for and this target cannot give. Thrown before anything is registered, all of it at once. */
import type { Workload } from "../../../topology/index.ts";
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

const DIGEST = /@sha256:[0-9a-f]{64}$/;

/** Texts that name the thing, its value and the key to change; empty: it can be rendered. */
export function refusalsOf(site: Site): readonly string[] {
  const { topology, deployment } = site;
  return [
    ...(topology.stack.length > 40
      ? [
          `stack ${topology.stack} has ${topology.stack.length} characters, a name of objects leaves room for 40: rename the stack`,
        ]
      : []),
    ...(deployment.images.gateway.reference === undefined
      ? ["images.gateway.reference is missing: a cluster pulls the gateway's image from a registry and builds none"]
      : []),
    ...linkLocalAmong(deployment.upstreams.networks).map(
      (network) =>
        `upstreams.networks lets the gateway reach ${network}, where clouds hand out the node's credentials: take it out`,
    ),
    ...topology.workloads.flatMap((workload) => [
      ...(site.isProduction && !DIGEST.test(workload.image.reference)
        ? [
            `workload ${workload.name} runs image ${workload.image.reference}, which can be another one tomorrow: ` +
              `in production ${imageKey(site, workload)} has to end in @sha256:<64 hex digits>`,
          ]
        : []),
    ]),
  ];
}

/** Where in the configuration a workload's image comes from. */
function imageKey({ deployment }: Site, { image }: Workload): string {
  const named = (from: "images" | "exporters") =>
    Object.entries(deployment[from]).flatMap(([key, one]) =>
      typeof one === "object" && one.reference === image.reference ? [`${from}.${key}.reference`] : [],
    );
  return [...named("images"), ...named("exporters")][0] ?? "images.gateway.reference";
}

/** Throws TargetError where something is refused. */
export function checkSite(site: Site): void {
  const problems = refusalsOf(site);
  if (problems.length > 0) throw new TargetError(problems);
}

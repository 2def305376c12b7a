/** Does everything that an object points at exist: selected pods, named ports, objects by name. */
import type { Manifest } from "../manifest.ts";
import { type Finding, objectOf } from "./finding.ts";
import { referenceChecks } from "./named-objects.ts";
import { podsOf } from "./pods.ts";
import { portChecks } from "./ports.ts";
import type { ReferenceContext } from "./reference-check.ts";
import { selectorChecks } from "./selectors.ts";

/** Findings `references/<check>`: an API server accepts all of it, and nothing works. */
export function references(manifests: readonly Manifest[], context: ReferenceContext): readonly Finding[] {
  const around = { manifests, pods: podsOf(manifests), context };
  const checks = Object.entries({ ...selectorChecks, ...portChecks, ...referenceChecks });
  return manifests.flatMap((manifest) =>
    checks.flatMap(([name, check]) =>
      check(manifest, around).map((offence) => ({
        rule: `references/${name}`,
        object: objectOf(manifest),
        ...offence,
      })),
    ),
  );
}

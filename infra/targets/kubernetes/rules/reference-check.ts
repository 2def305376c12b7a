/** What a check of references is, and what it may look at. */
import type { Manifest } from "../manifest.ts";
import type { Offence } from "./finding.ts";
import type { Labels } from "./label-selector.ts";
import type { Pod } from "./pods.ts";

export type ReferenceContext = {
  /** Objects that exist without us, as `Secret/registry` or `Service/pg-rw`: an operator's, a user's. */
  readonly external: readonly string[];
  /** Pods that an operator starts and that our selectors mean. */
  readonly externalPods: readonly { readonly namespace: string; readonly labels: Labels }[];
};

/** What a check may look at beside its object. */
export type Surroundings = {
  readonly manifests: readonly Manifest[];
  readonly pods: readonly Pod[];
  readonly context: ReferenceContext;
};

export type ReferenceCheck = (manifest: Manifest, around: Surroundings) => readonly (Offence & { why: string })[];

/** Ours and the operator's, in the namespace of `manifest`. */
export function labelsBeside(manifest: Manifest, { pods, context }: Surroundings): readonly Labels[] {
  const namespace = manifest.metadata.namespace;
  const ours = pods.filter((pod) => pod.manifest.metadata.namespace === namespace).map(({ labels }) => labels);
  return [...ours, ...context.externalPods.filter((pod) => pod.namespace === namespace).map(({ labels }) => labels)];
}

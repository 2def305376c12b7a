/** What a rule finds: one violation in one object, and the one sentence in which every reader sees it. */
import type { Manifest } from "../manifest.ts";

export type Finding = {
  /** The rule's name, `restricted/run-as-non-root`: the room's part of it first. */
  readonly rule: string;
  /** `Kind/name`. */
  readonly object: string;
  /** Where in the object, as in `spec.template.spec.containers[0].image`. */
  readonly field: string;
  /** What stands there, as text; `nothing` where the field is missing. Never a secret value. */
  readonly value: string;
  /** What may stand there. */
  readonly allowed: string;
  /** The reason, with the key of the stack's configuration to change where there is one. */
  readonly why: string;
};

/** One thing that must not be so, before its rule and its object are added; `why` only where it differs from the rule's own. */
export type Offence = Pick<Finding, "field" | "value" | "allowed"> & { readonly why?: string };

/** A judge: pure, and silent about objects that it does not know. */
export type Rule<Context> = (manifests: readonly Manifest[], context: Context) => readonly Finding[];

/** `Deployment/gateway: spec.replicas is 3, allowed is nothing; why (references/…)`, one line. */
export function printFinding({ rule, object, field, value, allowed, why }: Finding): string {
  return `${object}: ${field} is ${value}, allowed is ${allowed}; ${why} (${rule})`;
}

export function objectOf({ kind, metadata }: Manifest): string {
  return `${kind}/${metadata.name}`;
}

/** A value as a finding shows it: JSON, `nothing` for what is missing, at most 200 characters. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}

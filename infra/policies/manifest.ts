/** What Pulumi hands to a policy, as the plain objects that the rules judge. */
import type { Manifest } from "../targets/kubernetes/rules/index.ts";

/** Stands where a preview does not know a value; a finding about it would be about nothing. */
export const UNKNOWN = "[not known in a preview]";

export type PulumiResource = {
  readonly type: string;
  readonly urn: string;
  readonly props: Readonly<Record<string, unknown>>;
};

/** Undefined where the resource is no Kubernetes object: of another provider, or the provider itself. */
export function manifestOf({ type, props }: PulumiResource): Manifest | undefined {
  if (!type.startsWith("kubernetes:")) return undefined;
  const { apiVersion, kind, metadata, ...rest } = fieldsOf(known(props));
  if (typeof apiVersion !== "string" || typeof kind !== "string") return undefined;
  const own = fieldsOf(metadata);
  const [name, namespace] = [typeof own.name === "string" ? own.name : UNKNOWN, own.namespace];
  const named = {
    name,
    ...(typeof namespace === "string" ? { namespace } : {}),
    labels: textsOf(own.labels),
    annotations: textsOf(own.annotations),
  };
  return { ...rest, apiVersion, kind, metadata: named };
}

/** A copy; @pulumi/policy throws where a value is asked for that a preview does not know. */
export function known(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((_, index) => known(read(value, index)));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.keys(value).map((key) => [key, known(read(value, key))]));
}

function read(holder: object, key: string | number): unknown {
  try {
    return Reflect.get(holder, key);
  } catch (error) {
    if (error instanceof Error && error.constructor.name === "UnknownValueError") return UNKNOWN;
    throw error;
  }
}

/** The keys of an object; none of anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(fieldsOf(value));
  return Object.fromEntries(entries.flatMap(([key, one]) => (typeof one === "string" ? [[key, one]] : [])));
}

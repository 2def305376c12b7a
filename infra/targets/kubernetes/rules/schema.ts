/** Is every object what its kind's schema says: known kind, right types, nothing missing, and no key that the schema does not have. */
import { editDistance, nearestOf } from "../../../../contract/nearest.ts";
import type { Manifest } from "../manifest.ts";
import { type Finding, objectOf, shown } from "./finding.ts";
import { CUSTOM_KINDS, UNASKED, VALIDATORS, type Validate } from "./kinds.ts";
import { isTree, join, listAt, textAt, treeAt, valueAt } from "./tree.ts";

/**
 * Findings `schema/kind`, `schema/value` and `schema/key`. An API server drops unknown keys with a warning that no deployment tool shows
 * (Kubernetes documentation, field validation), so that `spec.replica` would be no error anywhere else. Of kinds that operators bring
 * only apiVersion and kind are judged.
 */
export function schema(manifests: readonly Manifest[]): readonly Finding[] {
  return manifests.flatMap((manifest) => {
    const key = `${manifest.apiVersion} ${manifest.kind}`;
    if (CUSTOM_KINDS.includes(key)) return [];
    const validate = Object.hasOwn(VALIDATORS, key) ? VALIDATORS[key] : undefined;
    return validate === undefined ? [unknownKind(manifest, key)] : check(manifest, validate);
  });
}

function unknownKind(manifest: Manifest, key: string): Finding {
  return {
    rule: "schema/kind",
    object: objectOf(manifest),
    field: "apiVersion, kind",
    value: key,
    allowed: nearestOf(key, [...Object.keys(VALIDATORS), ...CUSTOM_KINDS]) ?? "a known kind",
    why: "nothing in a cluster answers to this apiVersion and kind",
  };
}

/** Both questions in one walk: the validator says what is wrong, and what it never asked for is not in the schema. */
function check(manifest: Manifest, validate: Validate): readonly Finding[] {
  const unasked = UNASKED[`${manifest.apiVersion} ${manifest.kind}`] ?? [];
  const asked = new Map<object, Set<string>>([[manifest, new Set(unasked)]]);
  const isValid = validate(watched(manifest, asked));
  // ajv's compiled validators leave their errors at the function.
  const found: unknown = isValid ? [] : Reflect.get(validate, "errors");
  const errors = listAt({ found }, "found").map((error) => valueFinding(manifest, error));
  return [...errors, ...unknownKeys(manifest, manifest, "", asked)];
}

/** A view of `value` that remembers, object by object, which keys were asked for. */
function watched(value: object, asked: Map<object, Set<string>>): object {
  const keys = asked.get(value) ?? new Set();
  asked.set(value, keys);
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === "string") keys.add(key);
      const found: unknown = Reflect.get(target, key);
      return typeof found === "object" && found !== null ? watched(found, asked) : found;
    },
  });
}

/** An object of which no key was asked for is one that the schema leaves open. */
function unknownKeys(
  manifest: Manifest,
  value: unknown,
  at: string,
  asked: ReadonlyMap<object, ReadonlySet<string>>,
): readonly Finding[] {
  if (Array.isArray(value)) return value.flatMap((one, index) => unknownKeys(manifest, one, `${at}[${index}]`, asked));
  if (!isTree(value)) return [];
  const known = asked.get(value) ?? new Set();
  if (known.size === 0) return [];
  return Object.entries(value).flatMap(([key, one]) => {
    const field = join(at, key);
    if (known.has(key)) return unknownKeys(manifest, one, field, asked);
    return [
      {
        rule: "schema/key",
        object: objectOf(manifest),
        field,
        value: shown(one),
        allowed: allowedNear(key, [...known]),
        why: "the schema of this kind has no such key: an API server drops it and says nothing",
      },
    ];
  });
}

/** A name that is far off was not mistyped. */
function allowedNear(key: string, known: readonly string[]): string {
  const nearest = nearestOf(key, known);
  if (nearest === undefined || editDistance(key, nearest) > Math.max(1, key.length / 3)) return "nothing";
  return `nothing; near it is ${nearest}`;
}

function valueFinding(manifest: Manifest, error: unknown): Finding {
  const segments = (textAt(error, "instancePath") ?? "").split("/").slice(1).map(unescapePointer);
  const missing = textAt(error, "params", "missingProperty");
  const path = missing === undefined ? segments : [...segments, missing];
  const isSecret = manifest.kind === "Secret" && ["data", "stringData"].includes(path[0] ?? "");
  return {
    rule: "schema/value",
    object: objectOf(manifest),
    field: path.reduce((at, key) => (/^\d+$/.test(key) ? `${at}[${key}]` : join(at, key)), ""),
    value: isSecret ? "a secret" : shown(valueAt(manifest, ...path)),
    allowed: allowedBy(error),
    why: "the schema of this kind says so",
  };
}

/** JSON Pointer, RFC 6901 §4. */
function unescapePointer(segment: string): string {
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}

function allowedBy(error: unknown): string {
  const params = treeAt(error, "params");
  const keyword = textAt(error, "keyword") ?? "";
  if (keyword === "required") return "a value";
  if (keyword === "enum") return listAt(params, "allowedValues").map(String).join(" | ");
  return (
    textAt(params, "type") ?? textAt(params, "format") ?? (`${keyword} ${shown(params)}`.trim() || "another value")
  );
}

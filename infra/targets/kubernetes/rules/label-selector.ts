/** Label selectors as Kubernetes evaluates them. Kubernetes documentation, labels and selectors. */
import { isTree, listAt, textAt, textsAt, treeAt } from "./tree.ts";

export type Labels = Readonly<Record<string, string>>;

/** A map of equalities, as Services have them: an empty one selects nothing. */
export function mapSelects(selector: Labels, labels: Labels): boolean {
  const entries = Object.entries(selector);
  return entries.length > 0 && entries.every(([key, value]) => labels[key] === value);
}

/** A LabelSelector (`matchLabels`, `matchExpressions`): an empty one selects everything, a missing one nothing. */
export function selects(selector: unknown, labels: Labels): boolean {
  if (!isTree(selector)) return false;
  const equal = Object.entries(textsAt(selector, "matchLabels")).every(([key, value]) => labels[key] === value);
  return equal && listAt(selector, "matchExpressions").every((expression) => holds(expression, labels));
}

function holds(expression: unknown, labels: Labels): boolean {
  const value = labels[textAt(expression, "key") ?? ""];
  const values = listAt(expression, "values");
  switch (textAt(expression, "operator")) {
    case "In":
      return values.includes(value);
    case "NotIn":
      return !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return false;
  }
}

/** The keys that a LabelSelector asks for. */
export function keysOf(selector: unknown): readonly string[] {
  const expressions = listAt(selector, "matchExpressions").flatMap((one) => textAt(one, "key") ?? []);
  return [...Object.keys(treeAt(selector, "matchLabels")), ...expressions];
}

/** `a=b, c in (d)`: what a finding shows. */
export function printSelector(selector: unknown): string {
  const equal = Object.entries(textsAt(selector, "matchLabels")).map(([key, value]) => `${key}=${value}`);
  const others = listAt(selector, "matchExpressions").map(
    (one) => `${textAt(one, "key")} ${textAt(one, "operator")} (${listAt(one, "values").join(", ")})`,
  );
  return [...equal, ...others].join(", ") || "everything";
}

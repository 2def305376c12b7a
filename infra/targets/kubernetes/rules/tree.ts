/** Reading plain data whose shape nobody has promised: what is missing or of another type is empty, never an error. */

export type Tree = Readonly<Record<string, unknown>>;

export function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function valueAt(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((found, key) => {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return undefined;
    return Reflect.get(found, key) ?? undefined;
  }, value);
}

export function treeAt(value: unknown, ...path: readonly (string | number)[]): Tree {
  const found = valueAt(value, ...path);
  return isTree(found) ? found : {};
}

export function listAt(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const found = valueAt(value, ...path);
  return Array.isArray(found) ? found : [];
}

export function textAt(value: unknown, ...path: readonly (string | number)[]): string | undefined {
  const found = valueAt(value, ...path);
  return typeof found === "string" ? found : undefined;
}

export function numberAt(value: unknown, ...path: readonly (string | number)[]): number | undefined {
  const found = valueAt(value, ...path);
  return typeof found === "number" ? found : undefined;
}

/** The entries of a map from text to text; others are left out. */
export function textsAt(value: unknown, ...path: readonly (string | number)[]): Readonly<Record<string, string>> {
  const entries = Object.entries(treeAt(value, ...path));
  return Object.fromEntries(entries.flatMap(([key, one]) => (typeof one === "string" ? [[key, one]] : [])));
}

/** Every list element with its place, `ports[2]`; elements that are no objects are empty trees. */
export function elementsAt(value: unknown, at: string, ...path: readonly (string | number)[]): readonly Element[] {
  return listAt(value, ...path).map((body, index) => ({ at: `${at}[${index}]`, body: isTree(body) ? body : {} }));
}

export type Element = { readonly at: string; readonly body: Tree };

/** Visits every text below `value` with its place; keys of objects as well, for they are written out too. */
export function* textsOf(value: unknown, at: string): Generator<{ readonly at: string; readonly text: string }> {
  if (typeof value === "string") yield { at, text: value };
  if (Array.isArray(value)) for (const [index, one] of value.entries()) yield* textsOf(one, `${at}[${index}]`);
  if (!isTree(value)) return;
  for (const [key, one] of Object.entries(value)) {
    const place = join(at, key);
    yield { at: `${place} (its name)`, text: key };
    yield* textsOf(one, place);
  }
}

/** `metadata.labels` + `app.kubernetes.io/name` → `metadata.labels["app.kubernetes.io/name"]`. */
export function join(at: string, key: string): string {
  if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${at}["${key}"]`;
  return at === "" ? key : `${at}.${key}`;
}

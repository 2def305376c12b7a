/** What changed between two definitions of a tool, as people read it: members by their path, texts by their words. */

export type Difference = {
  /** As in JSON Pointer (RFC 6901). */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  readonly before?: unknown;
  readonly after?: unknown;
  /** Of texts: runs of words that went and came, in order. */
  readonly words?: readonly { readonly kind: "same" | "removed" | "added"; readonly text: string }[];
};

/** Beyond so many words on either side texts are shown whole. */
const MAX_WORDS = 600;

/** Canonical JSON of both; null for none. */
export function differencesOf(before: string | null, after: string | null): readonly Difference[] {
  const found: Difference[] = [];
  compare("", before === null ? undefined : JSON.parse(before), after === null ? undefined : JSON.parse(after), found);
  return found;
}

function compare(path: string, before: unknown, after: unknown, found: Difference[]): void {
  if (before === undefined && after === undefined) return;
  if (before === undefined) found.push({ path, kind: "added", after });
  else if (after === undefined) found.push({ path, kind: "removed", before });
  else if (isObject(before) && isObject(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)]))
      compare(`${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, before[name], after[name], found);
  } else if (Array.isArray(before) && Array.isArray(after)) {
    for (let index = 0; index < Math.max(before.length, after.length); index++)
      compare(`${path}/${index}`, before[index], after[index], found);
  } else if (before !== after) {
    const words = typeof before === "string" && typeof after === "string" ? wordsOf(before, after) : undefined;
    found.push({ path, kind: "changed", before, after, ...(words === undefined ? {} : { words }) });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

type Run = NonNullable<Difference["words"]>[number];

/** By the longest common subsequence of words; white space belongs to the word before it. */
function wordsOf(before: string, after: string): readonly Run[] | undefined {
  const [left, right] = [before.match(/\S+\s*|^\s+/g) ?? [], after.match(/\S+\s*|^\s+/g) ?? []];
  if (left.length > MAX_WORDS || right.length > MAX_WORDS) return undefined;
  const width = right.length + 1;
  const length = new Uint16Array((left.length + 1) * width);
  const at = (row: number, column: number) => length[row * width + column] ?? 0;
  for (let row = left.length - 1; row >= 0; row--)
    for (let column = right.length - 1; column >= 0; column--)
      length[row * width + column] =
        left[row] === right[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
  const runs: { kind: Run["kind"]; text: string }[] = [];
  const add = (kind: Run["kind"], text: string) => {
    const last = runs.at(-1);
    if (last?.kind === kind) last.text += text;
    else runs.push({ kind, text });
  };
  let [row, column] = [0, 0];
  while (row < left.length || column < right.length) {
    const [old, fresh] = [left[row], right[column]];
    if (old !== undefined && old === fresh) {
      add("same", old);
      row++;
      column++;
    } else if (old !== undefined && (fresh === undefined || at(row + 1, column) >= at(row, column + 1))) {
      add("removed", old);
      row++;
    } else {
      add("added", fresh ?? "");
      column++;
    }
  }
  return runs;
}

/** What an import changes about the tools that an upstream has: matched by operation, then by name, so that ids stay. */
import type { RestToolChanges, StoredRestTool } from "../../store/index.ts";
import { free } from "./names.ts";
import type { PlannedTool } from "./plan.ts";

export type Change = {
  readonly name: string;
  readonly operation: string;
  readonly id?: string;
  /** Of a changed tool: which of name, operation, definition differ; and its former name. */
  readonly fields?: readonly string[];
  readonly formerName?: string;
};
export type Diff = {
  readonly added: readonly Change[];
  readonly changed: readonly Change[];
  readonly removed: readonly Change[];
  readonly unchanged: number;
  /** Deleted by somebody before: they stay away. */
  readonly keptOut: readonly Change[];
};

/** Tools that were written by hand are not touched, and their names are not taken. */
export function diffOf(
  stored: readonly StoredRestTool[],
  planned: readonly PlannedTool[],
): { readonly diff: Diff; readonly changes: RestToolChanges } {
  const imported = stored.filter(({ sourceKey }) => sourceKey !== null);
  const taken = new Set(stored.filter(({ sourceKey }) => sourceKey === null).map(({ name }) => name));
  const byKey = new Map(imported.map((tool) => [tool.sourceKey, tool]));
  const byName = new Map(imported.map((tool) => [tool.name, tool]));
  const keys = new Set(planned.map(({ key }) => key));
  const left = new Map(imported.map((tool) => [tool.id, tool]));
  const added: (PlannedTool & { readonly sourceKey: string })[] = [];
  const changed: (PlannedTool & {
    readonly sourceKey: string;
    readonly id: string;
    readonly former: StoredRestTool;
  })[] = [];
  const keptOut: Change[] = [];
  let unchanged = 0;
  for (const raw of planned) {
    const tool = { ...renamed(raw, free(raw.name, taken, 128)), sourceKey: raw.key };
    taken.add(tool.name);
    const named = byName.get(raw.name);
    // An operation that moved keeps its tool, unless its former place is still in the document.
    const former = byKey.get(raw.key) ?? (named !== undefined && !keys.has(named.sourceKey ?? "") ? named : undefined);
    if (former === undefined || !left.delete(former.id)) added.push(tool);
    else if (former.removed) keptOut.push({ name: former.name, operation: raw.key, id: former.id });
    else if (fieldsOf(former, tool).length === 0) unchanged++;
    else changed.push({ ...tool, id: former.id, former });
  }
  const gone = [...left.values()];
  return {
    diff: {
      added: added.map(({ name, key }) => ({ name, operation: key })),
      changed: changed.map((tool) => ({
        name: tool.name,
        operation: tool.key,
        id: tool.id,
        fields: fieldsOf(tool.former, tool),
        ...(tool.former.name === tool.name ? {} : { formerName: tool.former.name }),
      })),
      removed: gone.map(({ name, sourceKey, id }) => ({ name, operation: sourceKey ?? "", id })),
      unchanged,
      keptOut,
    },
    changes: { added, changed, gone: gone.map(({ id }) => id) },
  };
}

function renamed(tool: PlannedTool, name: string): PlannedTool {
  if (name === tool.name) return tool;
  return { ...tool, name, definition: JSON.stringify({ ...JSON.parse(tool.definition), name }) };
}

function fieldsOf(former: StoredRestTool, tool: PlannedTool): string[] {
  return [
    ...(former.name === tool.name ? [] : ["name"]),
    ...(former.operation === tool.operation && former.sourceKey === tool.key ? [] : ["operation"]),
    ...definitionFields(former.definition, tool.definition),
  ];
}

/** Members of the definition that differ, the name apart. */
function definitionFields(former: string, next: string): string[] {
  if (former === next) return [];
  const [a, b]: [Record<string, unknown>, Record<string, unknown>] = [JSON.parse(former), JSON.parse(next)];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => key !== "name");
  return keys.filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
}

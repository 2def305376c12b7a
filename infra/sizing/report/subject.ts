/** What a report is about, and how its parts are looked up by path. */
import type { Plan, PlanDocument, Provenance } from "../../../contract/plan.ts";
import { inputFields, type SizingInput } from "../input.ts";

export type Subject = {
  /** What people call it: `stack prod`, `prod.yaml`. */
  readonly title: string;
  readonly document: PlanDocument;
  readonly input: SizingInput;
};

/** The value at a dotted path, undefined where there is none. */
export function valueAt(of: unknown, path: string): unknown {
  let value = of;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

export type Origin = "given" | "pinned" | "derived" | "default" | "assumed" | "measured";

/** Where a number of the plan comes from; one that only repeats an input comes from where that comes from. */
export function originOf(provenance: PlanDocument["provenance"], path: string): Origin {
  const note = provenance[path];
  if (note === undefined) return path.startsWith("input.") ? "default" : "derived";
  if (note.kind === "given") return path.startsWith("input.") ? "given" : "pinned";
  if (note.kind !== "derived") return note.kind;
  const copied = copiedInput(note);
  return copied !== undefined && provenance[copied] !== undefined ? originOf(provenance, copied) : "derived";
}

/** The input that a number of the plan only repeats, undefined where it is more than that. */
export function copiedInput(note: Extract<Provenance, { readonly kind: "derived" }>): string | undefined {
  const [only, ...others] = note.from;
  const isCopy = only?.startsWith("input.") === true && others.length === 0;
  return isCopy && /^(?:[\w.]+|as given)$/.test(note.formula) ? only : undefined;
}

const SUFFIXES: Readonly<Record<string, string>> = { MiB: "MiB", GiB: "GiB", KiB: "KiB", Ms: "ms", S: "s", H: "h" };
const UNITS: readonly (readonly [RegExp, string])[] = [
  [/^gateway\.replicas\.|^(?:autoscaling|nginx)\.(?:min|max|surge|replicas)$/, "replicas"],
  [/Rps$|^gateway\.rpsPerWorker$/, "requests/s"],
  [/[iI]nFlight/, "requests"],
  [
    /(?:Conn|Connections|[pP]oolSize|maxclients|poolPerWorker|overflow|onnectionsBusy|PerWorker\.keepalive)$/,
    "connections",
  ],
  [/^redis\.connections/, "connections"],
  [/^nginx\.keepalivePerWorker$/, "connections"],
  [/[bB]acklog$/, "connections"],
  [/(?:\.cpu|cpuRequest|dbCores)$/, "cores"],
  [/nofile(?:Hard)?$/, "descriptors"],
  [/workers$|workerProcesses$/, "workers"],
  [/^mcp\.(?:sessions|maxPerKey)/, "sessions"],
  [/^mcp\.streams/, "streams"],
  [/bytesPerRequest$/, "bytes"],
  [/Percent$/, "%"],
  [/instances$/, "instances"],
];

/** The unit of a number of the plan or of an input (`input.load.peakRps`); empty for words, switches and plain counts. */
export function unitOf(path: string): string {
  if (path.startsWith("input.")) return inputFields.get(path.slice("input.".length))?.unit ?? "";
  const named = UNITS.find(([pattern]) => pattern.test(path));
  if (named !== undefined) return named[1];
  const suffix = /(?:MiB|GiB|KiB|Ms|S|H)$/.exec(path)?.[0];
  return suffix === undefined ? "" : (SUFFIXES[suffix] ?? "");
}

/** Every number, word and switch of a plan by path, lists left out. */
export function leavesOf(plan: Plan): ReadonlyMap<string, number | string | boolean | null> {
  const leaves = new Map<string, number | string | boolean | null>();
  const walk = (part: unknown, prefix: string): void => {
    if (typeof part === "object" && part !== null) {
      if (!Array.isArray(part))
        for (const [name, value] of Object.entries(part)) walk(value, prefix === "" ? name : `${prefix}.${name}`);
    } else if (part === null || typeof part === "number" || typeof part === "string" || typeof part === "boolean")
      leaves.set(prefix, part);
  };
  walk(plan, "");
  return leaves;
}

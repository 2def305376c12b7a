/** The report as text for people: counts first, then one line per name, then what the plan says of it. */
import type { PlanDocument, Refusal, Repair } from "../../contract/plan.ts";
import { trim } from "../../contract/units.ts";
import type { Assumption, EnvEntry, EnvReport, Value, Verdict } from "./report.ts";
import { verdicts } from "./report.ts";

export type Style = { readonly colour: boolean };

const HEADINGS: Readonly<Record<Verdict, string>> = {
  refused: "Refused: somebody relies on it, and this gateway does not keep it",
  unknown: "Unknown: mistyped, or of a version that is not known here",
  sized: "Sized: numbers that the plan takes and proves",
  renamed: "Renamed: the same thing under another name",
  honoured: "Honoured: the same name and meaning",
  meaningless: "Meaningless: nothing is lost without it",
};
/** Terminal colours; none of them carries what the words do not say. */
const CODES = { red: 31, green: 32, yellow: 33, bold: 1 } as const;
const SHADE: Readonly<Record<Verdict, keyof typeof CODES>> = {
  refused: "red",
  unknown: "yellow",
  sized: "bold",
  renamed: "yellow",
  honoured: "green",
  meaningless: "bold",
};

function paint(text: string, shade: keyof typeof CODES, { colour }: Style): string {
  return colour ? `\u001B[${CODES[shade]}m${text}\u001B[0m` : text;
}

/** Ends with a line break. Holds no text of the file besides names that are known. */
export function formatEnvReport(report: EnvReport, style: Style): string {
  const blocks = [summary(report)];
  if (report.problems.length > 0)
    blocks.push(
      block(paint("Not understood", "red", style), report.problems, ({ line, message }) => `line ${line}: ${message}`),
    );
  for (const verdict of verdicts) {
    const entries = report.entries.filter((entry) => entry.verdict === verdict);
    if (entries.length > 0) blocks.push(formatEntries(verdict, entries, report, style));
  }
  // What would be assumed is of no use to somebody who has to correct the file first.
  if (report.problems.length === 0 && report.assumptions.length > 0)
    blocks.push(formatAssumptions(report.assumptions, style));
  if (report.notes.length > 0) blocks.push(block(paint("Notes", "bold", style), report.notes, (note) => note));
  return `${blocks.join("\n\n")}\n`;
}

function summary({ file, entries, foreign, problems }: EnvReport): string {
  const counts = verdicts.map((verdict) => {
    const count = entries.filter((entry) => entry.verdict === verdict).length;
    return count === 0 ? [] : [`${count} ${verdict}`];
  });
  const wrong = problems.length === 0 ? [] : [`${problems.length} not understood`];
  const others = foreign === 0 ? "" : `; ${foreign} for other programs`;
  const stated = [...counts.flat(), ...wrong].join(", ");
  return `${file}: ${entries.length} ${entries.length === 1 ? "name" : "names"}${stated === "" ? "" : `: ${stated}`}${others}`;
}

function block<Item>(heading: string, items: readonly Item[], say: (item: Item) => string): string {
  return [heading, ...items.map((item) => `  ${say(item)}`)].join("\n");
}

function formatEntries(verdict: Verdict, entries: readonly EnvEntry[], report: EnvReport, style: Style): string {
  const rows = entries.map((entry) => [nameOf(entry, report.form), `line ${entry.line}`, sayEntry(entry)] as const);
  const [nameWidth, lineWidth] = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return block(
    paint(HEADINGS[verdict], SHADE[verdict], style),
    rows,
    ([name, line, text]) => `${name.padEnd(nameWidth ?? 0)}  ${line.padEnd(lineWidth ?? 0)}  ${text}`,
  );
}

/** In a compose file the same name may stand at several services. */
function nameOf({ name, role, kind }: EnvEntry, form: EnvReport["form"]): string {
  const dashes = kind === "flag" ? (role === "redis" ? "--" : "-c ") : "";
  return form === "compose" ? `${role}: ${dashes}${name}` : name;
}

function sayEntry({ verdict, ours, value, because }: EnvEntry): string {
  if (verdict === "sized") return `${ours} = ${sayValue(value)} (${because})`;
  if (verdict === "honoured") return because;
  if (verdict === "unknown" || ours === undefined) return because;
  return verdict === "renamed" ? `${ours}: ${because}` : `${because}; instead: ${ours}`;
}

function sayValue(value: Value | undefined): string {
  return typeof value === "number" ? trim(value) : String(value);
}

function formatAssumptions(assumptions: readonly Assumption[], style: Style): string {
  const rows = block(
    paint("Assumed, since the file does not say", "bold", style),
    assumptions,
    ({ path, value, source }) => `${path} = ${sayValue(value)} (${source})`,
  );
  const load = assumptions.find(({ path }) => path.startsWith("load."));
  const example = load === undefined ? "" : `\n  better: --what-if ${load.path}=…`;
  return `${rows}${example}`;
}

/**
 * What the file asks for, what of it does not hold, and what to write instead: the plan's refusals with the names of the file. Ends
 * with a line break.
 */
export function formatConsequences(report: EnvReport, document: PlanDocument, style: Style): string {
  if (document.accepted) return `${paint("What the file asks for holds.", "green", style)}\n`;
  const heading = paint(
    `What does not hold: ${document.refusals.length} ${document.refusals.length === 1 ? "budget" : "budgets"}`,
    "red",
    style,
  );
  return `${[heading, ...document.refusals.map((refusal) => formatRefusal(refusal, report))].join("\n")}\n`;
}

function formatRefusal({ id, statement, left, right, strict, unit, repairs }: Refusal, report: EnvReport): string {
  const relation = strict ? "<" : "≤";
  const asked = `  ${id}  ${statement}: ${trim(left)} ${relation} ${trim(right)} ${unit} is false`;
  if (repairs.length === 0) return `${asked}\n      no single number repairs it`;
  return [asked, ...repairs.map((repair) => `      write ${sayRepair(repair, report)}`)].join("\n");
}

/** `given.database.poolPerWorker: 8 instead of 20 (DB_POOL_SIZE, line 4)`. */
function sayRepair({ input, from, to }: Repair, report: EnvReport): string {
  const { path, origin } = originOf(input, report);
  return `${path}: ${sayValue(to)} instead of ${sayValue(from)} (${origin})`;
}

export type Origin = {
  /** The path as it is written: with `given.` before a pinned number. */
  readonly path: string;
  /** A name of the file and its line, an assumption, or a default of the plan. */
  readonly origin: string;
};

/** Where an input or a pinned number comes from; of a pinned number the plan says only its path in the plan. */
export function originOf(path: string, report: EnvReport): Origin {
  for (const candidate of [path, `given.${path}`]) {
    // One number of a compose file is both the fewest and the most replicas.
    const asked = candidate.replace(/^given\.gateway\.replicas\.min$/, "given.gateway.replicas.max");
    const entry = report.entries.findLast(({ ours, value }) => ours === asked && value !== undefined);
    if (entry !== undefined) return { path: candidate, origin: `${nameOf(entry, report.form)}, line ${entry.line}` };
    if (report.assumptions.some((one) => one.path === asked)) return { path: candidate, origin: "assumed" };
  }
  return { path, origin: "a default" };
}

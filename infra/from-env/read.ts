/** From the text of a file to a sizing input and a report. Pure: no other file, no environment of this process, no exception. */
import { assume } from "./assume.ts";
import { readCompose } from "./compose.ts";
import { readDotenv } from "./dotenv.ts";
import { type Context, judge } from "./judge.ts";
import type { EnvReport, Value } from "./report.ts";
import { readServiceFacts } from "./service-facts.ts";
import type { Source } from "./source.ts";

export type Deployment = {
  /** Ready for `readInput` of sizing: inputs by group, pinned numbers under `given`. */
  readonly input: unknown;
  readonly report: EnvReport;
};

/** Longer than any file that a person keeps; what is beyond it is not one. */
const MAX_CHARACTERS = 2 ** 20;

/**
 * A `.env` file, or a docker compose file by its name (`.yml`, `.yaml`) or by a `services:` at the beginning of a line. Problems
 * (with line numbers) make the input useless; everything else is a verdict per name.
 */
export function readDeployment(text: string, fileName: string): Deployment {
  const source = readSource(text, fileName);
  const context = contextOf(source);
  const judged = judge(source, context);
  const facts = readServiceFacts(source.assignments);
  const entries = [...judged.entries, ...facts.entries].toSorted((a, b) => a.line - b.line);
  const known = new Map<string, Value>();
  for (const { ours, value } of entries) if (ours !== undefined && value !== undefined) known.set(ours, value);
  if (known.get("gateway.workers") === "auto") known.set("gateway.workerRule", "documents");
  if (context.mode !== undefined) known.set("database.mode", context.mode);
  const assumptions = assume(known, source.form === "compose");
  for (const { path, value } of assumptions) known.set(path, value);
  const replicas = known.get("given.gateway.replicas.max");
  if (replicas !== undefined) known.set("given.gateway.replicas.min", replicas);
  return {
    input: inputOf(known),
    report: {
      file: fileName,
      form: source.form,
      entries,
      foreign: judged.foreign,
      assumptions,
      problems: [...source.problems, ...judged.problems, ...facts.problems].toSorted((a, b) => a.line - b.line),
      notes: source.notes,
    },
  };
}

function readSource(text: string, fileName: string): Source {
  const isCompose = /\.ya?ml$/i.test(fileName) || /^services:/m.test(text);
  if (text.length > MAX_CHARACTERS) {
    const problems = [{ line: 1, message: `longer than ${MAX_CHARACTERS} characters` }];
    return { form: isCompose ? "compose" : "env", assignments: [], problems, notes: [], services: new Set() };
  }
  return isCompose ? readCompose(text) : readDotenv(text);
}

function contextOf({ assignments, form, services }: Source): Context {
  const textOf = (name: string) =>
    assignments.find((one) => one.name === name && one.role === "gateway" && one.kind === "environment")?.value;
  const server = textOf("HTTP_SERVER")?.trim().toLowerCase();
  return {
    isAlone: form === "env",
    server: server === "granian" || server === "bounded" ? "granian" : "gunicorn",
    mode: modeOf(textOf("DATABASE_URL"), services),
    textOf,
  };
}

/** Through a pooler where the address names one or its usual port, else by what runs; unknown where neither says. */
function modeOf(url: string | undefined, services: Source["services"]): Context["mode"] {
  const [, host, port] = /^postgres[a-z+0-9]*:\/\/(?:[^/]*@)?([^:/?@]+)(?::(\d+))?/i.exec(url?.trim() ?? "") ?? [];
  if (host === undefined) {
    if (services.has("pgbouncer")) return "pgbouncer";
    return services.has("postgres") ? "direct" : undefined;
  }
  return port === "6432" || /bouncer|pooler/i.test(host) ? "pgbouncer" : "direct";
}

type Tree = { [name: string]: Value | Tree };

function inputOf(known: ReadonlyMap<string, Value>): unknown {
  const input: Tree = {};
  const given: Tree = {};
  for (const [path, value] of known) {
    if (path.startsWith("given.")) given[path.slice("given.".length)] = value;
    else place(input, path.split("."), value);
  }
  return { ...input, given };
}

function place(group: Tree, [name = "", ...rest]: readonly string[], value: Value): void {
  if (rest.length === 0) {
    group[name] = value;
    return;
  }
  const former = group[name];
  const inner = typeof former === "object" ? former : {};
  group[name] = inner;
  place(inner, rest, value);
}

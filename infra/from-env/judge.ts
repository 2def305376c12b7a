/** One verdict for every name of a file, and the numbers that the plan gets from it. */

import { isOfOtherServer } from "../../contract/knobs.ts";
import { settingOf } from "../../contract/settings.ts";
import type { Family } from "./family.ts";
import { knownNames, type Meaning, meaningOf, nearestKnown } from "./names.ts";
import type { EnvEntry, Value, Verdict } from "./report.ts";
import { valueProblem } from "./setting-value.ts";
import type { Sized } from "./sized.ts";
import type { Assignment, FileProblem, Source } from "./source.ts";

/** What the whole file says, which a single name depends on. */
export type Context = {
  readonly isAlone: boolean;
  readonly server: "gunicorn" | "granian";
  readonly mode: "pgbouncer" | "direct" | undefined;
  readonly textOf: (name: string) => string | undefined;
};

export type Judgement = {
  readonly entries: readonly EnvEntry[];
  readonly foreign: number;
  readonly problems: readonly FileProblem[];
};
type Finding = { readonly verdict: Verdict; readonly because: string; readonly ours?: string; readonly value?: Value };

/** A value below the least it may be stays out of the plan. */
type Reading = { readonly value: Value } | { readonly problem: string } | { readonly because: string };

export function judge(source: Source, context: Context): Judgement {
  const entries: EnvEntry[] = [];
  const problems: FileProblem[] = [];
  let foreign = 0;
  for (const assignment of source.assignments) {
    if (assignment.kind === "service") continue;
    const finding = judgeOne(assignment, context);
    if (finding === undefined) foreign += 1;
    else if ("problem" in finding) problems.push({ line: assignment.line, message: finding.problem });
    else {
      const { name, role, kind, line } = assignment;
      entries.push({ name, role, kind, line, ...finding });
    }
  }
  return { entries, foreign, problems };
}

function judgeOne(assignment: Assignment, context: Context): Finding | { readonly problem: string } | undefined {
  const { name, value } = assignment;
  const meaning = meaningOf(assignment, context.isAlone);
  if (meaning === undefined) {
    if (assignment.kind === "flag") return undefined;
    if (knownNames.has(name)) return { verdict: "meaningless", because: "nothing reads it at this service" };
    const nearest = nearestKnown(name);
    return nearest === undefined
      ? undefined
      : { verdict: "unknown", ours: nearest, because: `no such name; ${nearest} is the nearest` };
  }
  if (value.trim() === "")
    return meaning.setting === undefined
      ? { verdict: "meaningless", because: "empty, so it sets nothing" }
      : { verdict: "honoured", ours: meaning.setting, because: "empty, so it sets nothing" };
  const unread = unreadBy(name, meaning, context);
  if (unread !== undefined) return { verdict: "meaningless", because: unread };
  if (meaning.sized === undefined) return judgeNamed(meaning, value, context);
  const reading = readSized(meaning.sized, value, context);
  if ("problem" in reading) return { problem: `${name} has to be ${reading.problem}` };
  if ("because" in reading) return { verdict: "meaningless", because: reading.because };
  const setting = meaning.setting ?? meaning.renaming?.setting;
  const isSetting = setting !== undefined && valueProblem(setting, value) === undefined;
  const also = isSetting ? `; also setting ${setting}` : "";
  const what = meaning.sized.to.startsWith("given.") ? "pinned" : "input";
  return { verdict: "sized", ours: meaning.sized.to, value: reading.value, because: `${what}${also}` };
}

/** Why nothing reads a name of the server that is not chosen, or a knob that only the other engine has. */
function unreadBy(name: string, { sized, renaming }: Meaning, { server }: Context): string | undefined {
  const engine = server === "granian" ? "bounded" : "fastify";
  const engines = renaming === undefined ? "both" : (settingOf(renaming.setting).knob?.engines ?? "both");
  const isOther =
    (sized?.server !== undefined && sized.server !== server) ||
    (renaming !== undefined && isOfOtherServer(name, renaming.setting, engine)) ||
    (engines !== "both" && engines !== engine);
  return isOther ? `HTTP_SERVER is ${server}, which does not read it` : undefined;
}

function readSized(sized: Sized, text: string, context: Context): Reading {
  if (context.mode === "direct" && /^(?:given\.)?(?:database\.)?pgbouncer\./.test(sized.to))
    return { because: "the gateway does not go through PgBouncer here" };
  if (sized.without?.words.includes(text.trim().toLowerCase()) === true) return { because: sized.without.because };
  const value = sized.read(text);
  if (value === undefined) return { problem: sized.allowed };
  if (typeof value === "number" && sized.least !== undefined && value < sized.least)
    return sized.below === undefined ? { problem: `${sized.allowed} above 0` } : { because: `it means ${sized.below}` };
  return { value };
}

function judgeNamed({ setting, renaming, family }: Meaning, value: string, context: Context): Finding {
  if (setting !== undefined) {
    const problem = valueProblem(setting, value);
    return problem === undefined
      ? { verdict: "honoured", ours: setting, because: "as it stands" }
      : { verdict: "refused", because: `the name is ours, the value is not: ${problem}` };
  }
  if (renaming !== undefined) {
    const { lostBeside, how } = renaming;
    const isLost =
      lostBeside?.value === wordOf(value) && lostBeside.setting === wordOf(context.textOf(renaming.setting));
    return isLost
      ? { verdict: "refused", ours: renaming.setting, because: lostBeside.because }
      : { verdict: "renamed", ours: renaming.setting, because: how };
  }
  if (family === undefined) return { verdict: "meaningless", because: "it does nothing here" };
  const { because, instead } = family;
  if (family.verdict === "refused" && isHarmless(family, value, context))
    return { verdict: "meaningless", because: "it asks for nothing that is missing here" };
  return { verdict: family.verdict, because, ...(instead === undefined ? {} : { ours: instead }) };
}

function isHarmless({ harmless = [], switchedBy }: Family, value: string, context: Context): boolean {
  const isOff = switchedBy !== undefined && ["false", "0", "no", "off"].includes(wordOf(context.textOf(switchedBy)));
  return isOff || harmless.includes(wordOf(value));
}

function wordOf(text: string | undefined): string {
  return (text ?? "").trim().toLowerCase();
}

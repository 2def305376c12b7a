/** From inputs as they were written to the plan that reports are about, or to everything that is wrong with them. */
import { type Problem, plan, readInput } from "../infra/sizing/index.ts";
import type { Subject } from "../infra/sizing/report/index.ts";

export type NotUnderstood = { readonly ok: false; readonly title: string; readonly problems: readonly Problem[] };
export type Reading = { readonly ok: true; readonly subject: Subject } | NotUnderstood;

/** `raw` may be anything that YAML can say; `title` is what reports call it. */
export function readSubject(title: string, raw: unknown): Reading {
  const reading = readInput(raw);
  if (!reading.ok) return { ok: false, title, problems: reading.problems };
  const { input } = reading;
  return { ok: true, subject: { title, input, document: plan(input) } };
}

/** What a file of another gateway means here, name by name. It holds no text of the file besides names that are known. */
import type { FileProblem, Role } from "./source.ts";

export const verdicts = ["refused", "unknown", "sized", "renamed", "honoured", "meaningless"] as const;
/**
 * `sized`: an input or a pinned number of the plan; `honoured`: a setting of the same name and meaning; `renamed`: a setting under
 * another name; `meaningless`: nothing is lost; `refused`: something is lost that somebody relies on; `unknown`: probably mistyped.
 */
export type Verdict = (typeof verdicts)[number];

export type Value = number | string | boolean;

export type EnvEntry = {
  readonly name: string;
  readonly role: Role;
  readonly kind: "environment" | "flag" | "service";
  /** From 1. */
  readonly line: number;
  readonly verdict: Verdict;
  /** Our name: a setting, or the path of an input or of a pinned number. */
  readonly ours?: string;
  /** What was read of a sized name: a number or a word of a fixed list, never text of the file. */
  readonly value?: Value;
  readonly because: string;
};

/** What the file does not say and the plan needs. */
export type Assumption = { readonly path: string; readonly value: Value; readonly source: string };

export type EnvReport = {
  readonly file: string;
  readonly form: "env" | "compose";
  readonly entries: readonly EnvEntry[];
  /** How many names are meant for other programs; they are not looked at further. */
  readonly foreign: number;
  readonly assumptions: readonly Assumption[];
  readonly problems: readonly FileProblem[];
  readonly notes: readonly string[];
};

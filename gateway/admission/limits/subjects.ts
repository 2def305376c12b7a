/** Whom and what a rule counts a request to: keys from the caller, his address, and what he calls. */
import type { LimitRule, Subject } from "../../../contract/limit-rules.ts";
import type { Principal } from "../../../contract/principal.ts";

/** What is called, as the upstream names it. Often the same object for the same thing. */
export type CallTarget = { readonly upstream: string; readonly tool: string | undefined };
export type Counted = {
  readonly principal: Principal | undefined;
  readonly address: string | undefined;
  readonly target: CallTarget | undefined;
};

type Named = Pick<LimitRule, "subjects" | "only">;

/** Rules that need to know what is called; the others are asked with the request itself. */
export function isOfCalls({ subjects }: Named): boolean {
  return subjects.includes("tool") || subjects.includes("upstream");
}

function valuesOf(subject: Subject, { principal, address, target }: Counted): readonly string[] {
  switch (subject) {
    case "principal":
      return principal === undefined ? [] : [principal.id];
    case "token":
      return principal?.tokenId === undefined ? [] : [principal.tokenId];
    case "team":
      return principal?.teams ?? [];
    case "address":
      return address === undefined ? [] : [address];
    case "upstream":
      return target === undefined ? [] : [target.upstream];
    case "tool":
      return target?.tool === undefined ? [] : [`${target.upstream}/${target.tool}`];
  }
}

function matches(value: string, only: string | undefined): boolean {
  if (only === undefined || value === only) return true;
  return only.endsWith("*") && value.startsWith(only.slice(0, -1));
}

const NONE: readonly string[] = [];

/** Keys of a request under a rule: none where the rule does not apply, several for a caller with several teams. */
export function keysOf({ subjects, only }: Named, counted: Counted): readonly string[] {
  let keys: readonly string[] = [""];
  for (const [index, subject] of subjects.entries()) {
    const isLast = index === subjects.length - 1;
    const values = valuesOf(subject, counted).filter((value) => !isLast || matches(value, only));
    if (values.length === 0) return NONE;
    keys = keys.flatMap((key) => values.map((value) => (key === "" ? value : `${key} ${value}`)));
  }
  return keys;
}

/** The one object by which the keys of a rule can be remembered; undefined where they depend on several. */
export function anchorOf({ subjects }: Named, { principal, target }: Counted): object | undefined {
  if (subjects.every((subject) => subject === "principal" || subject === "token" || subject === "team"))
    return principal;
  return subjects.every((subject) => subject === "tool" || subject === "upstream") ? target : undefined;
}

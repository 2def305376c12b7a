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

/** By what the keys of a rule can be remembered: by an object that is often the same one, by the address itself, or not at all. */
export type Anchor = "principal" | "target" | "address" | "none";

export function anchorOf({ subjects }: Named): Anchor {
  const isOf = (...some: readonly Subject[]) => subjects.every((subject) => some.includes(subject));
  if (isOf("principal", "token", "team")) return "principal";
  if (isOf("tool", "upstream")) return "target";
  return isOf("address") ? "address" : "none";
}

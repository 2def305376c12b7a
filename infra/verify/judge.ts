/** From what was planned and what was found to a verdict. Pure. */
import type { Expectation, Finding, Observation, Rule } from "./expectation.ts";
import { bytesOf } from "./size.ts";

/** One finding per observation; one that says so where no instance was found. */
export function judge({ workload, what, rule }: Expectation, observations: readonly Observation[]): readonly Finding[] {
  const planned = plannedText(rule);
  if (observations.length === 0)
    return [{ verdict: "WRONG", instance: workload, what, planned, found: "no instance of it runs" }];
  return observations.map(({ instance, answer, somaxconn }): Finding => {
    if ("unknown" in answer) return { verdict: "NOT CHECKED", instance, what, planned, found: answer.unknown };
    const holds = holdsFor(rule, answer.value, somaxconn);
    return {
      verdict: holds ? "OK" : "WRONG",
      instance,
      what,
      planned: plannedText(rule, somaxconn),
      found: answer.value,
    };
  });
}

function holdsFor(rule: Rule, value: string, somaxconn: number | undefined): boolean {
  switch (rule.kind) {
    case "equal":
      return value === rule.to;
    case "at least":
      // No limit at all is more than any.
      return value === "unlimited" || Number(value) >= rule.least;
    case "bytes":
      return bytesOf(value) === rule.bytes;
    case "backlog":
      return Number(value) === cut(rule.planned, somaxconn);
  }
}

function cut(planned: number, somaxconn: number | undefined): number {
  return Math.min(planned, somaxconn ?? planned);
}

function plannedText(rule: Rule, somaxconn?: number): string {
  switch (rule.kind) {
    case "equal":
      return rule.to;
    case "at least":
      return `at least ${rule.least}`;
    case "bytes":
      return `${rule.bytes / 1024 / 1024} MiB`;
    case "backlog": {
      const effective = cut(rule.planned, somaxconn);
      return effective === rule.planned ? String(rule.planned) : `${rule.planned}, cut to somaxconn ${effective}`;
    }
  }
}

/** WRONG anywhere makes the whole wrong; what could not be asked does not. */
export function isAsPlanned(findings: readonly Finding[]): boolean {
  return findings.every(({ verdict }) => verdict !== "WRONG");
}

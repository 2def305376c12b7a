/** A plan that follows another one: its document with the budgets of the rollout, and what of it could be changed to make them hold. */
import type { Budget, Plan, PlanDocument, Refusal, Repair } from "../../contract/plan.ts";
import { formatMiB } from "../../contract/units.ts";
import { evaluate } from "./evaluate.ts";
import type { SizingInput } from "./input.ts";
import { withInput } from "./levers.ts";
import { proveRollout } from "./rollout.ts";
import { up } from "./rounding.ts";

/** The document as it is when `before` is what runs: accepted only if the way there holds too. */
export function withRollout(document: PlanDocument, input: SizingInput, before: Plan): PlanDocument {
  const budgets = proveRollout(before, document.plan, input.cluster.quota);
  const refusals = budgets
    .filter(({ holds }) => !holds)
    .map((budget): Refusal => ({ ...budget, repairs: repairsOf(budget, document, input, before) }));
  return {
    ...document,
    accepted: document.accepted && refusals.length === 0,
    budgets: [...document.budgets, ...budgets],
    refusals: [...document.refusals, ...refusals],
  };
}

type Trial = { readonly repair: Repair; readonly input: SizingInput };

/** The limit of the next plan set to what is needed, where that suffices; where the limit is that of the plan before, nothing does. */
function repairsOf(broken: Budget, { plan, refusals }: PlanDocument, input: SizingInput, before: Plan): Repair[] {
  const known = new Set(refusals.map(({ id, statement }) => `${id} ${statement}`));
  return trialsOf(broken, plan, input)
    .filter((trial) => {
      const next = evaluate(trial.input);
      const rollout = proveRollout(before, next.plan, trial.input.cluster.quota);
      return (
        rollout.every(({ statement, holds }) => statement !== broken.statement || holds) &&
        next.budgets.every(
          ({ rule, holds }) => holds || rule.severity === "warn" || known.has(`${rule.id} ${rule.statement}`),
        )
      );
    })
    .map(({ repair }) => repair);
}

function trialsOf({ id, statement, left, unit }: Budget, plan: Plan, input: SizingInput): Trial[] {
  const pin = (path: string, from: number, to: number): Trial => ({
    repair: { input: path, from, to },
    input: { ...input, given: { ...input.given, [path]: to } },
  });
  const { pgbouncer, postgres, redis } = plan;
  switch (id) {
    case "I6":
      return pgbouncer === null
        ? []
        : [pin("pgbouncer.maxClientConn", pgbouncer.maxClientConn, up(left / Math.max(1, pgbouncer.instances - 1)))];
    case "I8":
      return [pin("postgres.maxConnections", postgres.maxConnections, up(left))];
    case "I44":
      return statement.includes("postgres")
        ? [pin("postgres.volumeGiB", postgres.volumeGiB, left)]
        : [pin("backup.volumeGiB", plan.backup.volumeGiB, left)];
    case "I10":
      return [pin("redis.maxclients", redis.maxclients, up(left))];
    default:
      return quotaTrials(unit, up(left), input);
  }
}

function quotaTrials(unit: string, needed: number, input: SizingInput): Trial[] {
  const part = unit === "cores" ? "cpu" : unit === "MiB" ? "memory" : "pods";
  const current = input.cluster.quota?.[part];
  if (current === undefined) return [];
  const path = `cluster.quota.${part}`;
  const show = (value: number) => (part === "memory" ? formatMiB(value) : value);
  return [{ repair: { input: path, from: show(current), to: show(needed) }, input: withInput(input, path, needed) }];
}

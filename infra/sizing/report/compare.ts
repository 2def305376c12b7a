/** Before and after: what a change of inputs does to the numbers and to the budgets. */
import type { Budget, Plan, PlanDocument } from "../../../contract/plan.ts";
import type { SizingInput } from "../input.ts";
import { reservedBy, sumOf } from "../kernels/cost.ts";
import { isRolloutBudget } from "../rollout.ts";
import { consequenceOf } from "./consequences.ts";
import { figure, percent, quantity, scalar } from "./numbers.ts";
import { type Paint, plain } from "./paint.ts";
import { leavesOf, unitOf } from "./subject.ts";
import { alignTable } from "./table.ts";

/** One of the two: a plan that was written lacks what only its inputs say. */
export type Side = {
  readonly title: string;
  readonly accepted: boolean;
  readonly plan: Plan;
  readonly budgets: readonly Budget[];
  readonly users?: number | undefined;
};

export function sideOf(title: string, document: PlanDocument, input: SizingInput): Side {
  const { accepted, plan, budgets } = document;
  return { title, accepted, plan, budgets, users: input.load.concurrentUsers };
}

export type Change = { readonly name: string; readonly before: string; readonly after: string };

type Figure = readonly [name: string, of: (side: Side) => string | undefined];

const headline: readonly Figure[] = [
  ["verdict", ({ accepted }) => (accepted ? "accepted" : "refused")],
  ["users", ({ users }) => (users === undefined ? undefined : figure(users))],
  ["requests at the peak", ({ plan }) => quantity(Number(plan.load.gatewayRps.toFixed(3)), "requests/s")],
  [
    "replicas (fewest, most, rollout)",
    ({ plan: { gateway } }) =>
      [gateway.replicas.min, gateway.replicas.max, gateway.replicas.peak].map(figure).join(", "),
  ],
  ["engine", ({ plan }) => plan.engine.kind],
  ["database connections of the gateway", ({ plan }) => figure(plan.database.appConnections)],
  [
    "PgBouncer clients",
    ({ plan: { pgbouncer } }) =>
      pgbouncer === null ? "no PgBouncer" : `${figure(pgbouncer.instances)} × ${figure(pgbouncer.maxClientConn)}`,
  ],
  ["max_connections", ({ plan }) => figure(plan.postgres.maxConnections)],
  ["Redis connections", ({ plan }) => figure(plan.redis.connections)],
  ["descriptors of a gateway worker", ({ plan }) => figure(plan.gateway.nofile)],
  ["memory of all tiers at the most", ({ plan }) => quantity(memoryGiB(plan), "GiB")],
  [
    "cost of a month (fewest, most)",
    ({ plan: { cost } }) =>
      cost === null ? undefined : `${figure(cost.monthlyAtMin)}, ${figure(cost.monthlyAtMax)} ${cost.currency}`,
  ],
  ["headroom with the most replicas", ({ plan }) => percent(headroomAtMost(plan))],
];

function memoryGiB(plan: Plan): number {
  return Number((sumOf(reservedBy(plan, plan.gateway.replicas.max), "memoryMiB") / 1024).toFixed(2));
}

/** Share of the service rate of all workers that the peak leaves free when the most replicas run. */
function headroomAtMost({ load, gateway }: Plan): number {
  return 1 - load.gatewayRps / (gateway.replicas.max * gateway.workers * gateway.rpsPerWorker);
}

/** The figures that a reader asks for first, the same ones each time. */
export function headlineOf(before: Side, after: Side): Change[] {
  return headline.flatMap(([name, of]) => {
    const values = [of(before), of(after)] as const;
    return values.every((value) => value === undefined)
      ? []
      : [{ name, before: values[0] ?? "not known", after: values[1] ?? "not known" }];
  });
}

/** Every number of the plan that is another one, by path. */
export function changedNumbers(before: Plan, after: Plan): Change[] {
  const [old, young] = [leavesOf(before), leavesOf(after)];
  return [...new Set([...old.keys(), ...young.keys()])]
    .filter((path) => old.get(path) !== young.get(path))
    .map((name) => ({ name, before: scalar(old.get(name)), after: scalar(young.get(name)) }));
}

/** Budgets by what the change does to them; one that is new and holds is no news. */
export function budgetChanges(before: Side, after: Side): { readonly broken: Budget[]; readonly mended: Budget[] } {
  const keyOf = ({ id, statement }: Budget) => `${id} ${statement}`;
  const failing = (side: Side) => new Set(side.budgets.filter(({ holds }) => !holds).map(keyOf));
  const [old, young] = [failing(before), failing(after)];
  return {
    broken: after.budgets.filter((budget) => !budget.holds && !old.has(keyOf(budget))),
    mended: after.budgets.filter((budget) => budget.holds && old.has(keyOf(budget)) && !young.has(keyOf(budget))),
  };
}

/** Verdicts, the headline, every other number that changes, budgets that break or hold again. */
export function compareText(before: Side, after: Side, paint: Paint = plain): string {
  const rows = (changes: readonly Change[]) =>
    changes.map((change) => [
      change.name,
      change.before,
      change.before === change.after ? "" : "→",
      change.before === change.after ? "" : change.after,
    ]);
  const numbers = changedNumbers(before.plan, after.plan).map((change) => ({ ...change, name: withUnit(change.name) }));
  const { broken, mended } = budgetChanges(before, after);
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ["", paint.strong(title), ...lines.map((line) => `  ${line}`)];
  const lines = [
    paint.strong(`Before: ${before.title}. After: ${after.title}.`),
    ...alignTable(rows(headlineOf(before, after)), ["left", "right", "left", "right"]).map((line) => `  ${line}`),
    ...section(
      "Budgets that break",
      broken.flatMap((budget) => brokenLines(budget).map((line, index) => (index === 0 ? paint.bad(line) : line))),
    ),
    ...section(
      "Budgets that hold again",
      mended.map((budget) => paint.good(budgetLine(budget))),
    ),
    ...section(
      numbers.length === 0 ? "No number of the plan changes" : "Every number that changes",
      alignTable(rows(numbers), ["left", "right", "left", "right"]),
    ),
    ...(numbers.length === 0 ? ["", "No number of the plan changes."] : []),
    ...section("While both generations run", after.budgets.filter(isRolloutBudget).map(budgetLine)),
  ];
  return `${lines.join("\n")}\n`;
}

function withUnit(path: string): string {
  const unit = unitOf(path);
  return unit === "" ? path : `${path} (${unit})`;
}

function budgetLine({ id, statement, left, right, unit, holds }: Budget): string {
  return `${id} ${holds ? "holds" : "does not hold"}: ${statement}: ${figure(left)} of ${quantity(right, unit)}`;
}

function brokenLines(budget: Budget): string[] {
  const consequence = consequenceOf(budget.id);
  return [budgetLine(budget), ...(consequence === undefined ? [] : [`  ${consequence}`])];
}

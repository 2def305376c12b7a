/** Before and after: what a change of inputs does to the numbers and to the budgets. */
import type { Budget, Plan, PlanDocument } from "../../../contract/plan.ts";
import type { SizingInput } from "../input.ts";
import { reservedBy, sumOf } from "../kernels/cost.ts";
import { isRolloutBudget } from "../rollout.ts";
import { figure, money, percent, quantity, scalar } from "./numbers.ts";
import { type Paint, plain } from "./paint.ts";
import { leavesOf, unitOf } from "./subject.ts";
import { alignTable, cell, markdownTable } from "./table.ts";

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

const figures: readonly Figure[] = [
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
      cost === null
        ? undefined
        : [cost.monthlyAtMin, cost.monthlyAtMax].map((amount) => money(amount, cost.currency)).join(", "),
  ],
  ["headroom with the most replicas", ({ plan }) => percent(headroomAtMost(plan))],
];

function memoryGiB(plan: Plan): number {
  return Number((sumOf(reservedBy(plan, plan.gateway.replicas.max), "memoryMiB") / 1024).toFixed(2));
}

/** Share of the service rate of all workers that the peak leaves free when the most replicas run. */
function headroomAtMost({ load, gateway }: Plan): number {
  return 1 - load.gatewayRps / (gateway.replicas.max * Math.min(gateway.workers, gateway.cpu) * gateway.rpsPerWorker);
}

/** The figures that a reader asks for first, the same ones each time. */
export function headlineOf(before: Side, after: Side): Change[] {
  return figures.flatMap(([name, of]) => {
    const values = [of(before), of(after)] as const;
    return values.every((value) => value === undefined)
      ? []
      : [{ name, before: values[0] ?? "not known", after: values[1] ?? "not known" }];
  });
}

/** Every number of the plan that is another one, by path; the sentence about the engine is none. */
export function changedNumbers(before: Plan, after: Plan): Change[] {
  const [old, young] = [leavesOf(before), leavesOf(after)];
  const paths = [...new Set([...old.keys(), ...young.keys()])].filter((path) => path !== "engine.why");
  return paths.flatMap((name) => {
    const values = [old.get(name) ?? null, young.get(name) ?? null] as const;
    return values[0] === values[1] ? [] : [{ name, before: scalar(values[0]), after: scalar(values[1]) }];
  });
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

type Comparison = {
  readonly headline: readonly Change[];
  readonly numbers: readonly Change[];
  readonly broken: readonly Budget[];
  readonly mended: readonly Budget[];
  readonly way: readonly Budget[];
};

function compare(before: Side, after: Side): Comparison {
  return {
    headline: headlineOf(before, after),
    numbers: changedNumbers(before.plan, after.plan).map((change) => ({ ...change, name: withUnit(change.name) })),
    ...budgetChanges(before, after),
    way: after.budgets.filter(isRolloutBudget),
  };
}

/** Nothing that a reader would have to look at. */
function isSame({ numbers, broken, mended }: Comparison): boolean {
  return numbers.length === 0 && broken.length === 0 && mended.length === 0;
}

/** Verdicts, the headline, every other number that changes, budgets that break or hold again. */
export function compareText(before: Side, after: Side, paint: Paint = plain): string {
  const comparison = compare(before, after);
  if (isSame(comparison)) return `No number changes from ${before.title} to ${after.title}.\n`;
  const table = (changes: readonly Change[]) => alignTable(changes.map(cellsOf), ["left", "right", "left", "right"]);
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ["", paint.strong(title), ...lines.map((line) => `  ${line}`)];
  const { headline, numbers, broken, mended, way } = comparison;
  const lines = [
    paint.strong(`From ${before.title} to ${after.title}`),
    ...table(headline).map((line) => `  ${line}`),
    ...section(
      "Budgets that break",
      broken.map((budget) => paint.bad(budgetLine(budget))),
    ),
    ...section(
      "Budgets that hold again",
      mended.map((budget) => paint.good(budgetLine(budget))),
    ),
    ...section("Every number that changes", table(numbers)),
    ...section("While both generations run", way.map(budgetLine)),
  ];
  return `${lines.join("\n")}\n`;
}

function cellsOf({ name, before, after }: Change): string[] {
  return before === after ? [name, before] : [name, before, "→", after];
}

/** The same as Markdown, the long list folded. */
export function compareMarkdown(before: Side, after: Side): string {
  const comparison = compare(before, after);
  if (isSame(comparison)) return `No number changes from ${cell(before.title)} to ${cell(after.title)}.\n`;
  const { headline, numbers, broken, mended, way } = comparison;
  const table = (changes: readonly Change[]) =>
    markdownTable(
      ["", "before", "after"],
      changes.map((change) => [change.name, change.before, change.before === change.after ? "" : change.after]),
      ["left", "right", "right"],
    );
  const list = (title: string, budgets: readonly Budget[]) =>
    budgets.length === 0 ? [] : ["", `#### ${title}`, "", ...budgets.map((budget) => `- ${cell(budgetLine(budget))}`)];
  const lines = [
    `### From ${cell(before.title)} to ${cell(after.title)}`,
    "",
    ...table(headline),
    ...list("Budgets that break", broken),
    ...list("Budgets that hold again", mended),
    ...(numbers.length === 0
      ? []
      : ["", "<details><summary>Every number that changes</summary>", "", ...table(numbers), "", "</details>"]),
    ...list("While both generations run", way),
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

/**
 * The smallest repairs of a budget: for each input or pin that the budget depends on, the nearest value with which it holds and no
 * other budget breaks. Found by planning again, so a repair is right even where a formula is not monotone.
 */
import type { Repair } from "../../contract/plan.ts";
import { type BudgetLine, type BudgetRule, checkBudget } from "./budgets/index.ts";
import { deriveCase, type Evaluation, evaluate } from "./evaluate.ts";
import type { SizingInput } from "./input.ts";
import { type Lever, leversOf, type Origin, type Scalar } from "./levers.ts";

/** Ways to make `broken` hold, the smallest relative change first; empty where no single input does it. */
export function findRepairs(input: SizingInput, broken: BudgetLine, whole: Evaluation, origin: Origin): Repair[] {
  const before = new Set(
    whole.budgets.filter((line) => !line.holds && line.rule.severity === "refuse").map(({ rule }) => rule),
  );
  const repairs: Repair[] = [];
  for (const lever of leversOf(input, broken.rule, whole, origin)) {
    const value = nearestValue(lever, broken.rule, before);
    if (value !== undefined)
      repairs.push({ input: lever.path, from: lever.show(lever.current), to: lever.show(value) });
  }
  return repairs.toSorted((a, b) => distance(a) - distance(b));
}

function distance({ from, to }: Repair): number {
  const [a, b] = [Number.parseFloat(String(from)), Number.parseFloat(String(to))];
  if (!Number.isFinite(a) || !Number.isFinite(b)) return 1;
  return Math.abs(b - a) / Math.max(Math.abs(a), Math.abs(b), Number.MIN_VALUE);
}

function nearestValue(lever: Lever, rule: BudgetRule, before: ReadonlySet<BudgetRule>): Scalar | undefined {
  const holdsWith = (value: Scalar): boolean => {
    const input = lever.change(value);
    return checkBudget(rule, deriveCase(input))?.holds ?? true;
  };
  const repairs = (value: Scalar): boolean => {
    const { budgets } = evaluate(lever.change(value));
    let repaired = true;
    for (const line of budgets) {
      if (line.holds || line.rule.severity === "warn") {
        if (line.rule === rule && !line.holds) repaired = false;
      } else if (line.rule === rule || !before.has(line.rule)) repaired = false;
    }
    return repaired;
  };
  const { current, range, words } = lever;
  if (words !== undefined) return words.find((word) => word !== current && repairs(word));
  if (range === undefined || typeof current !== "number") return undefined;
  const found = [range.min, range.max].flatMap((bound) => {
    if (bound === current || !holdsWith(bound)) return [];
    const grid = gridTowards(current, bound, range.step);
    const nearest = firstOf(grid, 0, holdsWith);
    if (nearest === undefined || repairs(grid.at(nearest))) return nearest === undefined ? [] : [grid.at(nearest)];
    // It holds from there on, but another budget does not yet.
    const further = firstOf(grid, nearest, repairs);
    return further === undefined ? [] : [grid.at(further)];
  });
  return found.toSorted((a, b) => Math.abs(a - current) - Math.abs(b - current))[0];
}

type Grid = { readonly most: number; readonly at: (steps: number) => number };

/** Values from the current one towards a bound, by steps. */
function gridTowards(current: number, bound: number, step: number): Grid {
  const direction = bound > current ? 1 : -1;
  const most = Math.ceil(Math.abs(bound - current) / step);
  return {
    most,
    at: (steps) => (steps >= most ? bound : Number((current + direction * steps * step).toFixed(6))),
  };
}

/** From `failing` outwards in doubling steps, then back between the last that failed and the first that did not. */
function firstOf(grid: Grid, failing: number, passes: (value: number) => boolean): number | undefined {
  let last = failing;
  let step = 1;
  while (!passes(grid.at(last + step))) {
    if (last + step >= grid.most) return undefined;
    last += step;
    step = Math.min(step * 2, grid.most - last);
  }
  let passing = last + step;
  while (passing - last > 1) {
    const middle = Math.floor((last + passing) / 2);
    if (passes(grid.at(middle))) passing = middle;
    else last = middle;
  }
  return passing;
}

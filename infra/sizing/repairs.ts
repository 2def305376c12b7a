/**
 * The smallest repairs of a budget: for each input or pin that the budget depends on, the nearest value with which it holds and no
 * other budget breaks. Found by planning again, so a repair is right even where a formula is not monotone.
 */
import type { Repair } from "../../contract/plan.ts";
import { type BudgetLine, type BudgetRule, checkBudget } from "./budgets/index.ts";
import { type Evaluation, evaluate } from "./evaluate.ts";
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
    const { plan } = evaluate(input);
    return checkBudget(rule, { input, plan })?.holds ?? true;
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
    const value = searchTowards(current, bound, range.step, repairs);
    return value === undefined ? [] : [value];
  });
  return found.toSorted((a, b) => Math.abs(a - current) - Math.abs(b - current))[0];
}

/** From the current value outwards in doubling steps, then back between the last that failed and the first that did not. */
function searchTowards(
  current: number,
  bound: number,
  step: number,
  repairs: (value: number) => boolean,
): number | undefined {
  const direction = bound > current ? 1 : -1;
  const most = Math.ceil(Math.abs(bound - current) / step);
  const at = (steps: number) => (steps >= most ? bound : Number((current + direction * steps * step).toFixed(6)));
  let failing = 0;
  let holding = 1;
  while (!repairs(at(holding))) {
    if (holding >= most) return undefined;
    failing = holding;
    holding = Math.min(most, holding * 2);
  }
  while (holding - failing > 1) {
    const middle = Math.floor((failing + holding) / 2);
    if (repairs(at(middle))) holding = middle;
    else failing = middle;
  }
  return at(holding);
}

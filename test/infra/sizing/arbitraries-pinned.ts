/** Plausible deployments with numbers of their plan pinned: a little or far from what the model derived. */
import fc from "fast-check";
import { evaluate, readInput } from "../../../infra/sizing/index.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";
import { leavesOf, plausibleInputs } from "./arbitraries.ts";
import { inputOf } from "./reading.ts";

const FACTORS = [0, 0.1, 0.5, 0.9, 1.1, 2, 10, 100];

type Pin = readonly [path: string, value: number];

/** A number as it was, times something. */
function scaled(numbers: readonly Pin[], at: number, factor: number): Pin {
  const [path, value] = numbers[at % numbers.length] ?? ["gateway.workers", 1];
  return [path, Number.isInteger(value) ? Math.round(value * factor) : value * factor];
}

/** A number that equals another of its group: where `<` and `≤` differ. */
function equalled(numbers: readonly Pin[], at: number, other: number): Pin {
  const [path, value] = numbers[at % numbers.length] ?? ["gateway.workers", 1];
  const group = numbers.filter(([name]) => name.split(".")[0] === path.split(".")[0]);
  return [path, group[other % group.length]?.[1] ?? value];
}

/** What pins are tried on, with the numbers that the model derived. */
const bases = fc.sample(plausibleInputs, { numRuns: 500, seed: 4 }).map((raw) => ({
  raw,
  numbers: [...leavesOf(evaluate(inputOf(raw)).plan)].flatMap(([path, value]): Pin[] =>
    typeof value === "number" ? [[path, value]] : [],
  ),
}));

const picks = fc.array(
  fc.tuple(
    fc.noBias(fc.nat()),
    fc.oneof(
      fc.constantFrom(...FACTORS).map((factor) => ({ factor })),
      fc.noBias(fc.nat()).map((other) => ({ other })),
    ),
  ),
  { minLength: 1, maxLength: 4 },
);

/** Up to four numbers each; what the plan's schema forbids, such as no replicas at all, is left out. */
export const pinnedInputs: fc.Arbitrary<SizingInput> = fc
  .tuple(fc.constantFrom(...bases), picks)
  .map(([{ raw, numbers }, chosen]) => {
    const pins = chosen.map(([at, how]) =>
      "factor" in how ? scaled(numbers, at, how.factor) : equalled(numbers, at, how.other),
    );
    const read = readInput({ ...raw, given: Object.fromEntries(pins) });
    if (read.ok) return read.input;
    const forbidden = new Set(read.problems.map(({ path }) => path));
    return inputOf({ ...raw, given: Object.fromEntries(pins.filter(([path]) => !forbidden.has(`given.${path}`))) });
  });

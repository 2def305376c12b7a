/** Plausible deployments with numbers of their plan pinned: a little or far from what the model derived. */
import fc from "fast-check";
import { evaluate } from "../../../infra/sizing/index.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";
import { leavesOf, plausibleInputs } from "./arbitraries.ts";
import { inputOf, maybeInput } from "./reading.ts";

const FACTORS = [0, 0.1, 0.5, 0.9, 1.1, 2, 10, 100];

/** Inputs whose pins the reader accepts; up to four numbers each. */
export const pinnedInputs: fc.Arbitrary<SizingInput> = fc
  .tuple(
    plausibleInputs,
    fc.array(fc.tuple(fc.noBias(fc.nat()), fc.constantFrom(...FACTORS)), { minLength: 1, maxLength: 4 }),
  )
  .map(([raw, picks]) => {
    const numbers = [...leavesOf(evaluate(inputOf(raw)).plan)].flatMap(([path, value]) =>
      typeof value === "number" ? [[path, value] as const] : [],
    );
    const pins = picks.flatMap(([at, factor]): [string, number][] => {
      const [path, value] = numbers[at % numbers.length] ?? ["gateway.workers", 1];
      const pinned = value * factor;
      return [[path, Number.isInteger(value) ? Math.round(pinned) : pinned]];
    });
    // What the plan's schema forbids, such as no replicas at all, is left out one by one.
    return pins.reduce<SizingInput>(
      (input, pin) => maybeInput({ ...raw, given: { ...input.given, ...Object.fromEntries([pin]) } }) ?? input,
      inputOf(raw),
    );
  });

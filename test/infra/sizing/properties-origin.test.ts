/** Where numbers come from: whatever a change of an input changes names that input among its origins, and every input changes something. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Provenance } from "../../../contract/plan.ts";
import { type Evaluation, evaluate } from "../../../infra/sizing/index.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";
import { fields, leavesOf, legalInputs, legalValueOf, plausibleInputs, type Raw, withValue } from "./arbitraries.ts";
import { inputOf, maybeInput } from "./reading.ts";

const PRICES = { currency: "EUR", cpuMonth: 20, memoryGiBMonth: 3, storageGiBMonth: 0.1 };
const QUOTA = { cpu: 100, memory: "100Gi", pods: 100 };

/** Every optional group is there, so that each of its inputs can be changed. */
const complete = fc
  .oneof(plausibleInputs, legalInputs)
  .map((raw) => ({
    ...raw,
    prices: PRICES,
    cluster: { ...(typeof raw.cluster === "object" ? raw.cluster : {}), quota: QUOTA },
  }))
  .filter((raw) => isUsual(inputOf(raw)));

function isUsual({ load }: SizingInput): boolean {
  return (load.peakRps * load.burst * load.dbQueriesPerRequest * load.dbTxMs) / 1000 < 1e5;
}

/** The same document with one input changed. The environment is left alone: it changes the defaults of others, not numbers. */
const changes = fc
  .tuple(complete, fc.constantFrom(...[...fields].filter(([path]) => path !== "environment")))
  .chain(([raw, [path, field]]) =>
    legalValueOf(field).map((value) => ({ raw, path, changed: withValue(raw, path, value) })),
  );

type Explained = Evaluation & { readonly notes: ReadonlyMap<string, Provenance> };

function explain(input: SizingInput): Explained {
  const notes = new Map<string, Provenance>();
  return { ...evaluate(input, notes), notes };
}

/** Everything that a number was derived from, however far back; a measured one comes from the calibration. */
function ancestorsOf(path: string, notes: ReadonlyMap<string, Provenance>): ReadonlySet<string> {
  const found = new Set<string>();
  const queue = [path];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const note = notes.get(at);
    const from = note === undefined || !("from" in note) ? [] : (note.from ?? []);
    for (const one of from)
      if (!found.has(one)) {
        found.add(one);
        queue.push(one);
      }
  }
  return found;
}

/** Numbers of both plans that differ; that a tier is there or not is no number. */
function changedNumbers(before: Explained, after: Explained): readonly string[] {
  const [old, now] = [leavesOf(before.plan), leavesOf(after.plan)];
  return [...old].flatMap(([path, value]) => (now.has(path) && !Object.is(value, now.get(path)) ? [path] : []));
}

/** What the change of an input reached without naming it. */
function unexplained(before: SizingInput, after: SizingInput, origin: string): readonly string[] {
  const [one, other] = [explain(before), explain(after)];
  return changedNumbers(one, other).filter(
    (path) => !ancestorsOf(path, one.notes).has(origin) && !ancestorsOf(path, other.notes).has(origin),
  );
}

describe("provenance", () => {
  it("names every input that a number depends on", () => {
    fc.assert(
      fc.property(changes, ({ raw, path, changed }) => {
        const after = maybeInput(changed);
        if (after === undefined || !isUsual(after)) return;
        expect(unexplained(inputOf(raw), after, `input.${path}`)).toEqual([]);
      }),
      { numRuns: 10_000 },
    );
  });

  it("names the calibration where a number was measured", () => {
    fc.assert(
      fc.property(plausibleInputs, fc.integer({ min: 2, max: 9 }), (raw, factor) => {
        const before = inputOf(raw);
        const { calibration } = before;
        if (calibration === undefined) return;
        const after = {
          ...before,
          calibration: {
            ...calibration,
            rpsPerWorker: calibration.rpsPerWorker * factor,
            bytesPerRequest: 4096 * factor,
            workerBaseMiB: 50 * factor,
            coldStartS: 20 * factor,
          },
        };
        expect(unexplained(before, after, "input.calibration")).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("knows every number of a plan", () => {
    fc.assert(
      fc.property(complete, (raw) => {
        const { plan, notes } = explain(inputOf(raw));
        const missing = [...leavesOf(plan).keys()].filter((path) => !notes.has(path));
        expect(missing).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

describe("no input is without effect", () => {
  const bases: readonly Raw[] = fc.sample(complete, { numRuns: 60, seed: 4 });

  it.each([...fields].map(([path, field]) => [path, field] as const))("%s", (path, field) => {
    const values = fc.sample(legalValueOf(field), { numRuns: 12, seed: 4 });
    const hasEffect = bases.some((raw) => {
      const before = inputOf(raw);
      return values.some((value) => {
        const after = maybeInput(withValue(raw, path, value));
        return after !== undefined && isUsual(after) && outcome(before) !== outcome(after);
      });
    });
    expect(hasEffect).toBe(true);
  });
});

/** Everything that somebody could see of a plan. */
function outcome(input: SizingInput): string {
  const { plan, budgets } = evaluate(input);
  return JSON.stringify([plan, budgets.map(({ rule, left, right }) => [rule.id, left, right])]);
}

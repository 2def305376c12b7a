/** What holds for every plan: the independent judge agrees, the table is followed, more load never means less, and nothing is random. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Plan, planDocumentSchema, planSchema } from "../../../contract/plan.ts";
import { type Evaluation, evaluate, plan, withInput } from "../../../infra/sizing/index.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";
import { leavesOf, legalInputs, plausibleInputs } from "./arbitraries.ts";
import { pinnedInputs } from "./arbitraries-pinned.ts";
import { holds, inequalities, isBorderline } from "./naive.ts";
import { SUMMABLE, tableOf } from "./naive-table.ts";
import { inputOf } from "./reading.ts";

const TEN_THOUSAND = { numRuns: 10_000 };

/** Beyond a million busy connections a plan takes longer than a test should; what is asked of it is the same. */
const usualLoad = legalInputs.map(inputOf).filter(({ load }) => {
  const { peakRps, burst, dbQueriesPerRequest, dbTxMs } = load;
  return (peakRps * burst * dbQueriesPerRequest * dbTxMs) / 1000 < 1e6;
});
const plausible = plausibleInputs.map(inputOf);

/** Whatever is wrong with the plan of an input: the judge sees it otherwise, the table gives another number, the schema forbids it. */
function findings(input: SizingInput): readonly string[] {
  const evaluation = evaluate(input);
  return [...disagreements(input, evaluation), ...offTheTable(input, evaluation.plan), ...illegal(evaluation.plan)];
}

/** Ids that only one side sees broken, per severity; what rounding could decide counts for neither. */
function disagreements(input: SizingInput, { plan: planned, budgets }: Evaluation): readonly string[] {
  const judged = inequalities(input, planned);
  const close = new Set(judged.filter(isBorderline).map(({ id }) => id));
  return (["refuse", "warn"] as const).flatMap((severity) => {
    const naive = new Set(judged.filter((one) => one.severity === severity && !holds(one)).map(({ id }) => id));
    const broken = budgets.filter((line) => line.rule.severity === severity && !line.holds);
    const planner = new Set(broken.map(({ rule }) => rule.id));
    const onlyNaive = [...naive].filter((id) => !planner.has(id) && !close.has(id));
    const onlyPlanner = [...planner].filter((id) => !naive.has(id) && !close.has(id));
    return [
      ...onlyNaive.map((id) => `${id}: the planner should ${severity}`),
      ...onlyPlanner.map((id) => `${id}: the planner should not ${severity}`),
    ];
  });
}

/** Pinned numbers and a fixed number of replicas are no matter of the table. */
function offTheTable(input: SizingInput, planned: Plan): readonly string[] {
  const isPinned = Object.keys(input.given).length > 0;
  if (isPinned || !input.gateway.hpa || planned.load.dbConnectionsBusy > SUMMABLE) return [];
  const numbers = leavesOf(planned);
  return Object.entries(tableOf(input, planned.engine.kind)).flatMap(([path, expected]) => {
    const actual = numbers.get(path);
    const isClose = typeof actual === "number" && Math.abs(actual - expected) <= 1e-8 * Math.max(1, Math.abs(expected));
    return isClose ? [] : [`${path} is ${actual}, the table says ${expected}`];
  });
}

function illegal(planned: Plan): readonly string[] {
  const parsed = planSchema.safeParse(planned);
  if (parsed.success) return [];
  const numbers = leavesOf(planned);
  return parsed.error.issues.flatMap(({ path, message }) => {
    const value = numbers.get(path.join("."));
    // More than a double can count: nobody runs it, and its refusal says so.
    const isBeyondCounting = typeof value === "number" && value > Number.MAX_SAFE_INTEGER;
    return isBeyondCounting ? [] : [`${path.join(".")} is ${value}: ${message}`];
  });
}

describe("the planner, the judge, the table and the schema agree", () => {
  it.each([
    ["plausible deployments", plausible],
    ["deployments with pinned numbers", pinnedInputs],
    ["anything that is legal", usualLoad],
  ])("about %s", (_name, inputs) => {
    fc.assert(
      fc.property(inputs, (input) => {
        expect(findings(input)).toEqual([]);
      }),
      TEN_THOUSAND,
    );
  });

  it("about plans that hold and plans that do not", () => {
    const verdicts = fc.sample(plausible, 500).map((input) => evaluate(input).budgets.every((line) => line.holds));
    expect(verdicts.filter((fine) => fine).length).toBeGreaterThan(100);
    expect(verdicts.filter((fine) => !fine).length).toBeGreaterThan(10);
  });
});

describe("more load", () => {
  const grown = fc.constantFrom("peakRps", "meanLatencyMs", "dbQueriesPerRequest", "dbTxMs", "sseStreams");

  /** What the rules call monotone; where the pooler is left out, max_connections follows the workers' pools, which are not. */
  function monotone({ load, gateway, pgbouncer, postgres, redis }: Plan): Readonly<Record<string, number>> {
    return {
      rate: load.gatewayRps,
      inFlight: load.inFlight,
      min: gateway.replicas.min,
      max: gateway.replicas.max,
      redis: redis.connections,
      ...(pgbouncer === null
        ? {}
        : {
            pool: pgbouncer.defaultPoolSize,
            maxDbConnections: pgbouncer.maxDbConnections,
            maxConnections: postgres.maxConnections,
          }),
    };
  }

  it("never means less", () => {
    // One engine and a number of workers: another engine may count fewer workers, and then fewer connections for the same replicas.
    const fixed = usualLoad.filter(({ gateway }) => gateway.engine !== "auto");
    fc.assert(
      fc.property(
        fc.oneof(plausible, fixed),
        grown,
        fc.double({ min: 1, max: 50, noNaN: true }),
        (input, name, factor) => {
          const before = monotone(evaluate(input).plan);
          const more = input.load[name] * factor;
          const after = monotone(evaluate(withInput(input, `load.${name}`, more)).plan);
          expect(Object.entries(before).filter(([what, value]) => (after[what] ?? Number.NaN) < value)).toEqual([]);
        },
      ),
      TEN_THOUSAND,
    );
  });

  it("k times over is k times what is linear, within rounding", () => {
    fc.assert(
      fc.property(plausible, fc.integer({ min: 2, max: 20 }), (input, times) => {
        const once = evaluate(input).plan;
        const often = evaluate(withInput(input, "load.peakRps", input.load.peakRps * times)).plan;
        for (const name of ["gatewayRps", "averageRps", "inFlight", "dbConnectionsBusy", "dbCores"] as const)
          expect(often.load[name]).toBeCloseTo(once.load[name] * times, 6);
        // ⌈k·x⌉ lies above k·(⌈x⌉ − 1) and not above k·⌈x⌉.
        expect(often.gateway.replicas.needed).toBeLessThanOrEqual(once.gateway.replicas.needed * times);
        expect(often.gateway.replicas.needed).toBeGreaterThan((once.gateway.replicas.needed - 1) * times);
      }),
      TEN_THOUSAND,
    );
  });

  it("of kept state k times over is k times the memory beside the cache, within rounding", () => {
    fc.assert(
      fc.property(plausible, fc.integer({ min: 2, max: 20 }), (input, times) => {
        const names = ["load.sseStreams", "load.statefulSessions", "load.concurrentUsers", "redis.l2CacheMiB"];
        const { sseStreams, statefulSessions, concurrentUsers } = input.load;
        const amounts = [sseStreams, statefulSessions, concurrentUsers, input.redis.l2CacheMiB];
        const more = names.reduce((changed, name, at) => withInput(changed, name, (amounts[at] ?? 0) * times), input);
        const [once, often] = [evaluate(input).plan.redis.maxmemoryMiB, evaluate(more).plan.redis.maxmemoryMiB];
        expect(often).toBeLessThanOrEqual(once * times);
        expect(often).toBeGreaterThan((once - 1) * times);
      }),
      TEN_THOUSAND,
    );
  });
});

describe("a plan", () => {
  it("reads back as it was written", () => {
    fc.assert(
      fc.property(fc.oneof(plausible, pinnedInputs), (input) => {
        const document = plan(input);
        expect(planDocumentSchema.parse(JSON.parse(JSON.stringify(document)))).toEqual(document);
        expect(document.accepted).toBe(document.refusals.length === 0);
      }),
      { numRuns: 500 },
    );
  });

  const backwards = (raw: object) => Object.fromEntries(Object.entries(raw).reverse());

  it("is the same for the same input, in whatever order it was written", () => {
    const numbers = (raw: object) => {
      const { plan: planned, budgets } = evaluate(inputOf(raw));
      return JSON.stringify([planned, budgets.map(({ left, right }) => [left, right])]);
    };
    fc.assert(
      fc.property(plausibleInputs, (raw) => {
        const once = numbers(raw);
        expect([numbers(raw), numbers(backwards(raw))]).toEqual([once, once]);
      }),
      TEN_THOUSAND,
    );
  });

  it("is the same to the last word of its document", () => {
    fc.assert(
      fc.property(plausibleInputs, (raw) => {
        const [once, twice, reversed] = [raw, raw, backwards(raw)].map((one) => JSON.stringify(plan(inputOf(one))));
        expect([twice, reversed]).toEqual([once, once]);
      }),
      { numRuns: 500 },
    );
  });
});

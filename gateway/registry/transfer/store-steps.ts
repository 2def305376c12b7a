/** How the steps of an import are stored: all or none, each for itself, or not at all. */
import { asFault, type Fault } from "../../../contract/errors.ts";
import type { RegistryStore } from "../../store/index.ts";
import { invalid } from "../problems.ts";
import type { RegistryParts } from "../types.ts";
import { type Approved, addApproved, applyStep, type Context, checkStep } from "./apply.ts";
import type { Imported } from "./document.ts";
import type { Step } from "./plan.ts";

type Begin = () => Pick<Context, "principal" | "secrets" | "missing">;
export type Outcome = {
  readonly entities: Imported["entities"];
  /** Tools that were approved by being changed, by the id of their upstream. */
  readonly approved: ReadonlyMap<string, readonly string[]>;
};

/** Nothing of it may outlive a try that is made again. */
const freshOf = (begin: Begin): Context => ({ ...begin(), slugs: new Map(), approved: new Map() });
const entityOf = ({ type, name, as, action, notes }: Step) => ({ type, name, as, action, notes });
const reasonOf = (error: unknown): Fault => asFault(error, "it could not be stored");

/** One transaction. Throws MCPS_ITEM_INVALID with every one that cannot be stored as far as it is known; nothing is stored then. */
export async function storeAll(parts: RegistryParts, begin: Begin, steps: readonly Step[]): Promise<Outcome> {
  const checking = freshOf(begin);
  const problems = [];
  for (const step of steps) {
    const problem = await checkStep(parts, checking, step).then(
      () => undefined,
      (error: unknown) => problemOf(step, error),
    );
    if (problem !== undefined) problems.push(problem);
  }
  if (problems.length > 0) throw invalid("import", problems);
  let at: Step | undefined;
  try {
    return await parts.store.together(async (store) => {
      const context = freshOf(begin);
      const entities: Imported["entities"] = [];
      for (const given of steps) {
        at = given;
        const step = { ...given, notes: [...given.notes] };
        await applyStep(store, context, step);
        entities.push(entityOf(step));
      }
      at = undefined;
      return { entities, approved: context.approved };
    });
  } catch (error) {
    // A database that is away says nothing of a step.
    throw at === undefined || !OF_A_STEP.has(reasonOf(error).code) ? error : invalid("import", [problemOf(at, error)]);
  }
}

const OF_A_STEP: ReadonlySet<string> = new Set(["MCPS_ITEM_CONFLICT", "MCPS_ITEM_INVALID", "MCPS_ITEM_UNKNOWN"]);

function problemOf({ type, name }: Step, error: unknown) {
  const allowed = `has to be one that can be stored, and nothing was imported: ${reasonOf(error).message}`;
  return { path: `${type}.${name.slice(0, 200)}`, allowed };
}

/** A transaction for each that changes something; what cannot be stored is told. */
export async function storeEach(parts: RegistryParts, begin: Begin, steps: readonly Step[]): Promise<Outcome> {
  const context = freshOf(begin);
  const entities: Imported["entities"] = [];
  for (const step of steps) {
    const notes = [...step.notes];
    try {
      await checkStep(parts, context, step);
      for (const [gatewayId, tools] of await storeOne(parts, context, { ...step, notes }))
        addApproved(context.approved, gatewayId, tools);
      entities.push({ ...entityOf(step), notes });
    } catch (error) {
      entities.push({ ...entityOf(step), action: "fail", notes: [...step.notes, reasonOf(error).message] });
    }
  }
  return { entities, approved: context.approved };
}

/** What it approved: of a try that is made again, or is taken back, nothing. */
async function storeOne({ store }: RegistryParts, context: Context, step: Step): Promise<Approved> {
  const told = step.notes.length;
  const work = async (registry: RegistryStore) => {
    step.notes.splice(told);
    const own: Context = { ...context, approved: new Map() };
    await applyStep(registry, own, step);
    return own.approved;
  };
  // A transaction would be another version of the catalogue for all processes, with nothing new in it.
  return await (step.action === "skip" ? work(store) : store.together(work));
}

/** Tells what would be done, and what would not be let in. */
export async function tryOut(parts: RegistryParts, begin: Begin, steps: readonly Step[]): Promise<Outcome> {
  const context = freshOf(begin);
  const entities: Imported["entities"] = [];
  for (const step of steps) {
    try {
      await checkStep(parts, context, step);
      entities.push(entityOf(step));
    } catch (error) {
      entities.push({ ...entityOf(step), action: "fail", notes: [...step.notes, reasonOf(error).message] });
    }
  }
  return { entities, approved: context.approved };
}

/** Sizing: typed inputs become a plan that is a proof. Pure functions; nothing here reads a file, a clock or a random number. */
export { budgetRules } from "./budgets/index.ts";
export type { Evaluation } from "./evaluate.ts";
export { evaluate } from "./evaluate.ts";
export { type Field, fallbackOf } from "./field.ts";
export { inputFields, type Pins, type SizingInput } from "./input.ts";
export { inputJsonSchema, inputSchema } from "./input-schema.ts";
export { allowedFor, readLeaf, written } from "./leaf.ts";
export { withInput } from "./levers.ts";
export { pinRange, planLeaves } from "./pins.ts";
export { plan } from "./plan.ts";
export type { Problem } from "./problem.ts";
export * from "./queueing.ts";
export { type InputReading, readInput } from "./read-input.ts";
export { sizingReference } from "./reference.ts";

/**
 * Where every number of the plan passes: it takes the pinned value where there is one, and notes where the number came from. The
 * note is only kept when it is asked for, since repairs try thousands of plans.
 */
import type { Provenance } from "../../contract/plan.ts";
import type { Pins } from "./input.ts";

export type Source = Exclude<Provenance, { readonly kind: "given" }>;

export class Derivation {
  readonly #pins: Pins;
  readonly #hasPins: boolean;
  readonly #notes: Map<string, Provenance> | undefined;

  constructor(pins: Pins, notes?: Map<string, Provenance>) {
    this.#pins = pins;
    this.#hasPins = Object.keys(pins).length > 0;
    this.#notes = notes;
  }

  /** `formula` reads like the one in the text books, with the names of `from`; the value is what it gives. */
  number(path: string, value: number, formula: string, from: readonly string[]): number {
    return this.#settle(path, value, "number", formula, from);
  }

  flag(path: string, value: boolean, formula: string, from: readonly string[]): boolean {
    return this.#settle(path, value, "boolean", formula, from);
  }

  /** One of a few words; a pin was checked against them when the input was read. */
  word<Word extends string>(path: string, value: Word, formula: string, from: readonly string[]): Word {
    return this.#settle<Word>(path, value, "string", formula, from);
  }

  /** A number from outside the model: a constant of the field, a measurement, a guess. */
  constant(path: string, value: number, source: Source): number {
    const pinned = this.#pinned(path, "number", value);
    if (pinned !== undefined) return pinned;
    this.#notes?.set(path, source);
    return value;
  }

  #settle<Value extends number | string | boolean>(
    path: string,
    value: Value,
    type: "number" | "string" | "boolean",
    formula: string,
    from: readonly string[],
  ): Value {
    const pinned = this.#pinned(path, type, value);
    if (pinned !== undefined) return pinned;
    this.#notes?.set(path, { kind: "derived", formula, from: [...from] });
    return value;
  }

  #pinned<Value extends number | string | boolean>(path: string, type: string, derived: Value): Value | undefined {
    if (!this.#hasPins || !Object.hasOwn(this.#pins, path)) return undefined;
    const pinned = this.#pins[path];
    if (pinned === undefined || typeof pinned !== type) return undefined;
    this.#notes?.set(path, { kind: "given", from: [`given.${path}`], derived });
    return pinned as Value;
  }
}

/** A default with its source, as a note. */
export function byDefault(source: string): Source {
  return { kind: "default", source };
}

/**
 * Where every number of the plan passes: it takes the pinned value where there is one, and notes where the number came from. The
 * note is only kept when it is asked for, since repairs try thousands of plans.
 */
import type { Provenance } from "../../contract/plan.ts";
import type { Pins } from "./input.ts";

/** What is derived and what is pinned. */
export type Understated = ReadonlyMap<string, readonly [derived: number, pinned: number]>;

export type Source = Exclude<Provenance, { readonly kind: "given" }>;

export class Derivation {
  /** Undefined where nothing is pinned, as in most plans. */
  readonly #pins: ReadonlyMap<string, number | string | boolean> | undefined;
  readonly #notes: Map<string, Provenance> | undefined;
  readonly #understated = new Map<string, readonly [derived: number, pinned: number]>();

  constructor(pins: Pins, notes?: Map<string, Provenance>) {
    const pinned = Object.entries(pins);
    this.#pins = pinned.length > 0 ? new Map(pinned) : undefined;
    this.#notes = notes;
  }

  /** `formula` reads like the one in the text books, with the names of `from`; the value is what it gives. */
  number(path: string, value: number, formula: string, from: readonly string[]): number {
    return this.#settle(path, value, "number", formula, from);
  }

  /**
   * A number that others have to make room for. It may be pinned too, but a pin below what follows from the rest would switch a proof
   * off, so it is remembered for a budget of its own (I59).
   */
  demand(path: string, value: number, formula: string, from: readonly string[]): number {
    const settled = this.number(path, value, formula, from);
    if (settled < value) this.#understated.set(path, [value, settled]);
    return settled;
  }

  /** Demands that are pinned below what follows from the rest, by path. */
  get understated(): Understated {
    return this.#understated;
  }

  flag(path: string, value: boolean, formula: string, from: readonly string[]): boolean {
    return this.#settle(path, value, "boolean", formula, from);
  }

  /** One of a few words; a pin was checked against them when the input was read. */
  word<Word extends string>(path: string, value: Word, formula: string, from: readonly string[]): Word {
    return this.#settle<Word>(path, value, "string", formula, from);
  }

  /** A number from outside the model, measured or guessed. */
  constant(path: string, value: number, source: Source): number {
    const pinned = this.#pinned(path, "number", value);
    if (pinned !== undefined) return pinned;
    this.#notes?.set(path, source);
    return value;
  }

  /** A constant of the field with its source in words. */
  standard(path: string, value: number, source: string): number {
    const pinned = this.#pinned(path, "number", value);
    if (pinned !== undefined) return pinned;
    this.#notes?.set(path, { kind: "default", source });
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
    const pinned = this.#pins?.get(path);
    if (pinned === undefined || typeof pinned !== type) return undefined;
    this.#notes?.set(path, { kind: "given", from: [`given.${path}`], derived });
    return pinned as Value;
  }
}

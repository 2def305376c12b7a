/** Kinds of numbers that many settings are, with the bounds of each, both included. */

const bounded =
  <const Unit extends "ms" | "s" | "min">(unit: Unit) =>
  (min: number, max: number) =>
    ({ type: "duration", unit, min, max }) as const;

export const milliseconds = bounded("ms");
export const seconds = bounded("s");
export const minutes = bounded("min");

/** A whole number of something. */
export const count = <const Unit extends string>(unit: Unit, min: number, max: number) =>
  ({ type: "integer", unit, min, max }) as const;

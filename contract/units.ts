/** Units as types, and quantities as people write them: `512Mi`, `500m`, `4GiB`. A number without its unit is never guessed at. */

declare const unit: unique symbol;
/** A number that knows its unit at compile time; arithmetic gives a plain number, the constructors below give the unit back. */
type In<Unit extends string> = number & { readonly [unit]: Unit };

export type MiB = In<"MiB">;
export type Cores = In<"cores">;

export const mib = (value: number): MiB => value as MiB;
export const cores = (value: number): Cores => value as Cores;

const KIB = 1024;
/** Bytes of each suffix; the decimal ones are Kubernetes' too (k = 1000). */
const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  k: 1000,
  m: 1000 ** 2,
  g: 1000 ** 3,
  t: 1000 ** 4,
  ki: KIB,
  mi: KIB ** 2,
  gi: KIB ** 3,
  ti: KIB ** 4,
};

/** A quantity that could not be read; `nearest` is what was probably meant, where there is one. */
export class QuantityError extends Error {
  override readonly name = "QuantityError";
  readonly nearest: string | undefined;
  constructor(message: string, nearest?: string) {
    super(message);
    this.nearest = nearest;
  }
}

/**
 * Bytes of `512Mi`, `512MiB`, `4GB`, `64Ki`, `100B`: a positive decimal number and a suffix. Throws QuantityError for a number without
 * unit (`512` can mean bytes or MiB), for `m` (Kubernetes' thousandth) and for anything else.
 */
export function parseBytes(text: string | number): number {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(text));
  if (found === null) throw new QuantityError(`${JSON.stringify(text)} is not a size such as 512Mi`);
  const [, digits = "", written = ""] = found;
  if (written === "") throw new QuantityError(`${digits} has no unit: bytes or MiB?`, `${digits}Mi`);
  if (written === "m") throw new QuantityError(`${digits}m is a thousandth of a byte in Kubernetes`, `${digits}Mi`);
  const suffix = written.toLowerCase();
  const factor = BYTES[suffix.length > 1 ? suffix.replace(/b$/, "") : suffix];
  if (factor === undefined)
    throw new QuantityError(`${JSON.stringify(text)} has the unknown unit ${written}`, `${digits}Mi`);
  return Number(digits) * factor;
}

/** Cores of `2`, `0.5`, `500m` (thousandths). Throws QuantityError. */
export function parseCores(text: string | number): Cores {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(m?)\s*$/.exec(String(text));
  if (found === null)
    throw new QuantityError(`${JSON.stringify(text)} is not a number of cores such as 2, 0.5 or 500m`);
  const [, digits = "", milli = ""] = found;
  return cores(milli === "m" ? Number(digits) / 1000 : Number(digits));
}

/** `512Mi`, `4Gi`: how a size in MiB is written where it can be read back. */
export function formatMiB(value: number): string {
  return Number.isInteger(value) && value >= 1024 && value % 1024 === 0 ? `${value / 1024}Gi` : `${trim(value)}Mi`;
}

/** At most three decimals, none that are zero. */
export function trim(value: number): string {
  return String(Number(value.toFixed(3)));
}

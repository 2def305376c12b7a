/** Numbers as people read them: thousands apart, no more digits than mean something, the unit in the right number. */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const hundredths = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });
const small = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

/** `4,320`, `1,080.5`, `10.8`, `0.18`; whole numbers keep every digit. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 10_000) return whole.format(value);
  if (size >= 100) return tenths.format(value);
  return size >= 1 ? hundredths.format(value) : small.format(value);
}

/** `144 connections`, `1 policy`, `5.6 cores`, `3`. */
export function quantity(value: number, unit: string): string {
  return unit === "" ? figure(value) : `${figure(value)} ${value === 1 ? singular(unit) : unit}`;
}

/** `policies` → `policy`; units that are no plain plural stay. */
function singular(unit: string): string {
  if (!/^[a-z ]{2,}s$/.test(unit)) return unit;
  return unit.endsWith("ies") ? `${unit.slice(0, -3)}y` : unit.slice(0, -1);
}

const cents = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** `1,460.80 EUR`. */
export function money(amount: number, currency: string): string {
  return `${cents.format(amount)} ${currency}`;
}

/** `10.6 %` of 0.106. */
export function percent(share: number): string {
  return `${tenths.format(share * 100)} %`;
}

/** Anything that stands in a plan: numbers as above, words and switches as they are written. */
export function scalar(value: unknown): string {
  return typeof value === "number" ? figure(value) : value === null || value === undefined ? "none" : String(value);
}

/**
 * Values as the other programs write them, to our units. Each reader answers undefined for what it cannot read; no message here
 * or above repeats the text, since a secret may stand where a number belongs.
 */

export type Reader<Value extends number | string | boolean = number | string | boolean> = (
  text: string,
) => Value | undefined;

const NUMBER = /^[+-]?(?:\d{1,15}(?:\.\d{1,9})?|\.\d{1,9})$/;

function numberOf(text: string): number | undefined {
  return NUMBER.test(text.trim()) ? Number(text.trim()) : undefined;
}

/** A whole number, `-1` included: what it means is the table's business. */
export function whole(text: string): number | undefined {
  const value = numberOf(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

export function decimal(text: string): number | undefined {
  return numberOf(text);
}

/** Seconds of a number in `unit`, or of one with its unit behind it (`300s`, `5min`, `100ms`, `1h`, `1d`). */
export function secondsFrom(unit: "ms" | "s"): Reader<number> {
  const factors: Readonly<Record<string, number>> = { ms: 0.001, s: 1, min: 60, m: 60, h: 3600, d: 86_400 };
  return (text) => {
    const [, digits = "", written = ""] = /^\s*([+-]?[\d.]+)\s*([a-z]*)\s*$/i.exec(text) ?? [];
    const value = numberOf(digits);
    const factor = factors[written === "" ? unit : written.toLowerCase()];
    return value === undefined || factor === undefined ? undefined : Math.round(value * factor * 1e6) / 1e6;
  };
}

export function millisecondsFromSeconds(text: string): number | undefined {
  const value = secondsFrom("s")(text);
  return value === undefined ? undefined : Math.round(value * 1000);
}

export function truth(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (["true", "1", "yes", "on", "y", "t"].includes(word)) return true;
  return ["false", "0", "no", "off", "n", "f"].includes(word) ? false : undefined;
}

/** One of the words on the left, in any case, as the value on the right. */
export function oneOf<Value extends string>(words: Readonly<Record<string, Value>>): Reader<Value> {
  const known = new Map(Object.entries(words));
  return (text) => known.get(text.trim().toLowerCase());
}

function sized(text: string, units: Readonly<Record<string, number>>, bare: number): number | undefined {
  const [, digits = "", written = ""] = /^\s*([\d.]+)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const value = numberOf(digits);
  const factor = written === "" ? bare : units[written.toLowerCase()];
  return value === undefined || factor === undefined ? undefined : (value * factor) / MIB;
}

const KIB = 1024;
const MIB = KIB ** 2;
const GIB = KIB ** 3;

/** PostgreSQL: kB, MB, GB and TB are powers of 1024; a bare number is in the parameter's own unit, given in bytes. */
export function postgresMiB(bareUnit: number): Reader<number> {
  const units = { b: 1, kb: KIB, mb: MIB, gb: GIB, tb: KIB ** 4 };
  return (text) => {
    const value = sized(text, units, bareUnit);
    return value === undefined ? undefined : atLeastOne(value);
  };
}

/** Redis: `1gb` is 1024³ and `1g` is 1000³; a bare number is in bytes. 0 stays 0: no limit. */
export function redisMiB(text: string): number | undefined {
  const units = { b: 1, k: 1e3, kb: KIB, m: 1e6, mb: MIB, g: 1e9, gb: GIB };
  const value = sized(text, units, 1);
  return value === 0 || value === undefined ? value : atLeastOne(value);
}

/** Docker: `512m`, `8G` and `8gb` are powers of 1024; a bare number is in bytes. */
export function dockerMiB(text: string): number | undefined {
  const units = { b: 1, k: KIB, kb: KIB, m: MIB, mb: MIB, g: GIB, gb: GIB, ki: KIB, mi: MIB, gi: GIB };
  const value = sized(text, units, 1);
  return value === undefined ? undefined : Math.floor(value);
}

function atLeastOne(value: number): number {
  return value > 0 ? Math.max(1, Math.round(value)) : value;
}

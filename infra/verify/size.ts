/** Sizes as daemons write them. */

const UNITS: Readonly<Record<string, number>> = { "": 1, B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };

/** Bytes of `256MB`, `8kB`, `268435456`; NaN for anything else. PostgreSQL's kB, MB and GB are powers of 1024. */
export function bytesOf(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)\s?([kMGT]?B)?$/.exec(text) ?? [];
  const factor = UNITS[unit];
  return number === "" || factor === undefined ? Number.NaN : Number(number) * factor;
}

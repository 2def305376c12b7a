/** Amounts as Kubernetes writes them: `500m`, `2Gi`, `1e3`, 4. Kubernetes API reference, Quantity. */

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** In cores, bytes or pieces; undefined where it is no quantity. */
export function parseQuantity(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return undefined;
  const [, digits, exponent, suffix] = /^(\d+(?:\.\d*)?|\.\d+)(?:(e[+-]?\d+)|([a-zA-Z]{0,2}))$/i.exec(value) ?? [];
  if (digits === undefined) return undefined;
  if (exponent !== undefined) return Number(`${digits}${exponent}`);
  const factor = Object.hasOwn(SUFFIXES, suffix ?? "") ? SUFFIXES[suffix ?? ""] : undefined;
  return factor === undefined ? undefined : Number(digits) * factor;
}

/** A number, or a share of `whole` as in `25%`; rounded as the caller says (Kubernetes rounds surge and budgets up). */
export function parseShare(value: unknown, whole: number, round: (amount: number) => number): number | undefined {
  if (typeof value === "number") return value;
  const percent = typeof value === "string" ? /^(\d+)%$/.exec(value)?.[1] : undefined;
  return percent === undefined ? undefined : round((whole * Number(percent)) / 100);
}

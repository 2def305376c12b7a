/**
 * Roundings by name. Products such as 1.1·50 miss a whole number by the last bit of a double, and tidied ones by the twelfth digit; that
 * must not buy a connection.
 */
const NOISE = 1e-10;

/** Up to a whole number, but not for the noise of floating point. */
export function up(value: number): number {
  return Math.ceil(value - Math.abs(value) * NOISE);
}

/** Down to a whole number, but not for the noise of floating point. */
export function down(value: number): number {
  return Math.floor(value + Math.abs(value) * NOISE);
}

/** Between two bounds. */
export function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/** The next power of two that is not less. */
export function powerOfTwo(value: number): number {
  return value <= 1 ? 1 : 2 ** Math.ceil(Math.log2(value));
}

/** Without the last bits of a double, which say nothing and read badly: 10.8, not 10.799999999999999. */
export function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

/** Quantiles of Student's t, for intervals from a handful of samples. */

const LANCZOS = [
  76.18009172947146, -86.50532032941678, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2,
  -0.5395239384953e-5,
] as const;

/** ln Γ(x) for x > 0 (Lanczos 1964, six terms, error below 2e-10). */
function logGamma(x: number): number {
  const shifted = x + 5.5;
  const series = LANCZOS.reduce((sum, coefficient, at) => sum + coefficient / (x + at + 1), 1.000000000190015);
  return (x + 0.5) * Math.log(shifted) - shifted + Math.log((Math.sqrt(2 * Math.PI) * series) / x);
}

/** The continued fraction of the incomplete beta function (Lentz's method; DLMF 8.17.22). */
function betaFraction(a: number, b: number, x: number): number {
  const apart = (value: number) => (Math.abs(value) < 1e-300 ? 1e-300 : value);
  let c = 1;
  let d = 1 / apart(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 500; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / apart(1 + even * d);
    c = apart(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / apart(1 + odd * d);
    c = apart(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-14) break;
  }
  return fraction;
}

/** Regularised incomplete beta function I_x(a, b). */
function beta(a: number, b: number, x: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x));
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(a, b, x)) / a : 1 - (front * betaFraction(b, a, 1 - x)) / b;
}

/** t such that `confidence` (0…1) of Student's distribution with `freedom` ≥ 1 degrees lies within ±t. */
export function studentT(confidence: number, freedom: number): number {
  const beyond = 1 - confidence;
  // P(|T| > t) = I_x(ν÷2, 1÷2) with x = ν÷(ν + t²), which falls as t grows.
  const outside = (t: number) => beta(freedom / 2, 0.5, freedom / (freedom + t * t));
  let low = 0;
  let high = 1;
  while (outside(high) > beyond) high *= 2;
  for (let step = 0; step < 80; step += 1) {
    const middle = (low + high) / 2;
    if (outside(middle) > beyond) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

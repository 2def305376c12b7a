/** Erlang's formulas as a textbook prints them, summed term by term in logarithms. Shares nothing with the kernels: it judges them. */

/** ln(aⁿ ÷ n!), added up factor by factor. */
function logTerm(load: number, n: number): number {
  let sum = 0;
  for (let k = 1; k <= n; k += 1) sum += Math.log(load) - Math.log(k);
  return sum;
}

/** ln Σ eˣ without overflow. */
function logSum(logarithms: readonly number[]): number {
  const top = logarithms.reduce((most, one) => Math.max(most, one), Number.NEGATIVE_INFINITY);
  return top + Math.log(logarithms.reduce((sum, one) => sum + Math.exp(one - top), 0));
}

/**
 * Probability that an arrival waits: C = (aᶜ÷c!)·(c÷(c−a)) ÷ (Σₖ₌₀…c₋₁ aᵏ÷k! + (aᶜ÷c!)·(c÷(c−a))), 1 when a ≥ c (Erlang 1917).
 * `load` in erlangs, 0 allowed.
 */
export function erlangC(servers: number, load: number): number {
  if (load <= 0) return 0;
  if (load >= servers) return 1;
  const terms: number[] = [];
  let log = 0;
  for (let k = 0; k < servers; k += 1) {
    terms.push(log);
    log += Math.log(load) - Math.log(k + 1);
  }
  const waiting = logTerm(load, servers) + Math.log(servers / (servers - load));
  return Math.exp(waiting - logSum([...terms, waiting]));
}

/** Fewest servers, `least` or more, of which at most `share` of the arrivals have to wait: doubled, then halved. */
export function serversFor(load: number, share: number, least: number): number {
  let enough = least;
  while (erlangC(enough, load) > share) enough *= 2;
  let short = least - 1;
  while (enough - short > 1) {
    const middle = Math.floor((enough + short) / 2);
    if (erlangC(middle, load) > share) short = middle;
    else enough = middle;
  }
  return enough;
}

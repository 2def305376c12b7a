/** Queueing theory that the plan rests on. Loads are in erlangs (arrival rate × service time), rates per second, times in seconds. */

/** Little's law: requests in flight of `rate` per second that each stay `seconds`. */
export function inFlight(rate: number, seconds: number): number {
  return rate * seconds;
}

/**
 * Erlang-B: share of arrivals lost by `servers` without a queue at `load` erlangs (0 when there is no load). Recurrence
 * B(0) = 1, B(n) = a·B(n−1) ÷ (n + a·B(n−1)), stable for any size.
 */
export function erlangB(servers: number, load: number): number {
  let blocked = 1;
  for (let n = 1; n <= servers; n += 1) blocked = (load * blocked) / (n + load * blocked);
  return load === 0 ? 0 : blocked;
}

/** Erlang-C: probability that an arrival waits, with an endless queue; 1 when the load is not below the servers. */
export function erlangC(servers: number, load: number): number {
  if (load === 0) return 0;
  return load >= servers ? 1 : waitFromBlocking(servers, load, erlangB(servers, load));
}

function waitFromBlocking(servers: number, load: number, blocked: number): number {
  return blocked / (1 - (load / servers) * (1 - blocked));
}

/**
 * Fewest servers, at least `least`, with which at most `share` (above 0) of arrivals wait (Erlang-C). The answer lies about √load above
 * the load, so it is searched for from there. Infinity for a load that is not finite.
 */
export function serversFor(load: number, share: number, least: number): number {
  if (!Number.isFinite(load)) return Number.POSITIVE_INFINITY;
  const suffices = (servers: number) =>
    load === 0 || (servers > load && waitFromBlocking(servers, load, blockingOf(servers, load)) <= share);
  let tooFew = Math.max(least, Math.floor(load) + 1) - 1;
  let step = 1;
  while (!suffices(tooFew + step)) {
    tooFew += step;
    step *= 2;
  }
  for (let enough = tooFew + step; ; ) {
    if (enough - tooFew === 1) return enough;
    const middle = Math.floor((tooFew + enough) / 2);
    if (suffices(middle)) enough = middle;
    else tooFew = middle;
  }
}

/**
 * Erlang-B by its inverse, 1/B(c) = Σ c·(c−1)⋯(c−j+1) ÷ aʲ: for more servers than load the terms soon vanish, after some √a of them,
 * where the recurrence would need all c steps.
 */
function blockingOf(servers: number, load: number): number {
  let term = 1;
  let inverse = 1;
  for (let left = servers; left > 0; left -= 1) {
    term *= left / load;
    inverse += term;
    if (inverse > 1e300) return 0;
    if (left < load && term < inverse * 1e-17) break;
  }
  return 1 / inverse;
}

/** Mean wait of M/M/c in seconds; Infinity when the load is not below the servers. */
export function meanWait(servers: number, rate: number, serviceSeconds: number): number {
  const load = rate * serviceSeconds;
  if (load >= servers) return Number.POSITIVE_INFINITY;
  return (erlangC(servers, load) * serviceSeconds) / (servers - load);
}

/** Wait that `quantile` (0…1) of the arrivals do not exceed, seconds: P(W > t) = C·e^(−(c−a)·t/s). Infinity when unstable. */
export function waitQuantile(servers: number, rate: number, serviceSeconds: number, quantile: number): number {
  const load = rate * serviceSeconds;
  if (load >= servers) return Number.POSITIVE_INFINITY;
  const waiting = erlangC(servers, load);
  const beyond = 1 - quantile;
  return waiting <= beyond ? 0 : (Math.log(waiting / beyond) * serviceSeconds) / (servers - load);
}

export type BoundedQueue = {
  /** Share of arrivals turned away. */
  readonly refused: number;
  /** Mean number in the system. */
  readonly inSystem: number;
  /** Mean wait of those let in, seconds. */
  readonly meanWait: number;
  /** Served per second. */
  readonly throughput: number;
};

/**
 * M/M/c/K: `servers` and at most `capacity` (≥ servers) in the system; an arrival beyond is refused at once, as the bounded engine
 * does. Any load is stable. Probabilities are built from the most likely state outwards so that none overflows.
 */
export function boundedQueue(servers: number, capacity: number, rate: number, serviceSeconds: number): BoundedQueue {
  const load = rate * serviceSeconds;
  if (load === 0) return { refused: 0, inSystem: 0, meanWait: 0, throughput: 0 };
  let weight = 1;
  let total = 1;
  let mean = 0;
  for (let n = 1; n <= capacity; n += 1) {
    weight *= load / Math.min(n, servers);
    total += weight;
    mean += n * weight;
    // Far from 1 in either direction only the ratios matter.
    if (weight > 1e200) {
      total /= weight;
      mean /= weight;
      weight = 1;
    }
  }
  const refused = weight / total;
  const inSystem = mean / total;
  const throughput = rate * (1 - refused);
  return { refused, inSystem, meanWait: Math.max(0, inSystem / throughput - serviceSeconds), throughput };
}

/**
 * A worker that lets in at most `capacity` requests: one core that takes `cpuSeconds` for each in turn, and `delaySeconds` in which a
 * request only waits for others (upstream, database). M/M/1/K without the delay, Erlang-B without the core. Product form: with n inside,
 * j of them at the core, the weight is ρ^j·a^(n−j)÷(n−j)!, and the sums g(n) = ρ·g(n−1) + aⁿ÷n! take one pass (Baskett, Chandy,
 * Muntz, Palacios 1975: any delay with that mean gives the same). `meanWait` is the wait for the core.
 */
export function boundedWorker(capacity: number, rate: number, cpuSeconds: number, delaySeconds: number): BoundedQueue {
  const atCore = rate * cpuSeconds;
  const away = rate * delaySeconds;
  if (atCore + away === 0) return { refused: 0, inSystem: 0, meanWait: 0, throughput: rate };
  let delayed = 1;
  let weight = 1;
  let total = 1;
  let mean = 0;
  for (let n = 1; n <= capacity; n += 1) {
    delayed *= away / n;
    weight = atCore * weight + delayed;
    total += weight;
    mean += n * weight;
    // Only the ratios matter, and the sums must not overflow.
    if (total > 1e200) {
      delayed /= total;
      weight /= total;
      mean /= total;
      total = 1;
    }
  }
  const refused = weight / total;
  const inSystem = mean / total;
  const throughput = rate * (1 - refused);
  return { refused, inSystem, meanWait: Math.max(0, inSystem / throughput - cpuSeconds - delaySeconds), throughput };
}

/** Mean wait of M/G/1 in seconds (Pollaczek and Khinchine): `variance` is that of the service time over its mean squared, 1 when exponential. */
export function singleServerWait(rate: number, serviceSeconds: number, variance: number): number {
  const load = rate * serviceSeconds;
  return load >= 1 ? Number.POSITIVE_INFINITY : (load * serviceSeconds * (1 + variance)) / (2 * (1 - load));
}

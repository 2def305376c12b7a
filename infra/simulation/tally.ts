/** What happened, counted from the start of a run; a window is the difference of two. */

export class Tally {
  /** At nginx. */
  arrived = 0;
  cached = 0;
  served = 0;
  shed = 0;
  /** Nobody to serve it. */
  unreachable = 0;
  /** In a replica that went away with its zone. */
  lost = 0;
  /** In a replica that was killed at the end of its grace. */
  killed = 0;
  /** Took longer than its handler may: 504. */
  late = 0;
  /** No connection of the pool within dbAcquireS. */
  poolTimeouts = 0;
  /** No server connection of PgBouncer within query_wait_timeout. */
  poolerTimeouts = 0;
  latencySeconds = 0;
  /** Of all that left, however they did. */
  insideLeft = 0;
  poolAsked = 0;
  poolWaited = 0;
  poolWaitSeconds = 0;
  poolerAsked = 0;
  poolerWaited = 0;
  poolerWaitSeconds = 0;
  // Integrals over time.
  seconds = 0;
  insideSeconds = 0;
  cpuBusySeconds = 0;
  coreBusySeconds = 0;
  servingSeconds = 0;
}

export type Counts = Readonly<Tally>;
const names = Object.keys(new Tally()) as readonly (keyof Tally)[];

/** What happened between two tallies. */
export function between(before: Counts, after: Counts): Counts {
  const difference = new Tally();
  for (const name of names) difference[name] = after[name] - before[name];
  return difference;
}

/** Calls that were let in and got no answer, and those that nobody could take. */
export function failures(counts: Counts): number {
  const { unreachable, lost, killed, late, poolTimeouts, poolerTimeouts } = counts;
  return unreachable + lost + killed + late + poolTimeouts + poolerTimeouts;
}

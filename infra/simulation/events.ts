/** What stands on the agenda of a simulated system. */

/** Kinds of entries on the agenda; the subject (request, replica, order) stands above them. */
export const EVENT = {
  arrival: 0,
  cpuEnd: 1,
  coreEnd: 2,
  transactionEnd: 3,
  upstreamEnd: 4,
  poolTimeout: 5,
  poolerTimeout: 6,
  reserve: 7,
  ready: 8,
  available: 9,
  preStopEnd: 10,
  graceEnd: 11,
  order: 12,
} as const;
/** Bits of the kind. */
export const KIND_BITS = 4;

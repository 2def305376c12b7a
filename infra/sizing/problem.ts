/** What is wrong with an input, one entry per finding; inputs that can be read but do not hold are refusals instead. */
export type Problem = {
  /** `load.peakRps`, `given.pgbouncer.maxClientConn`. */
  readonly path: string;
  /** As it was given, shortened. */
  readonly value: unknown;
  readonly allowed: string;
  /** The nearest legal value or name, as it would be written. */
  readonly nearest?: string;
  /** A whole sentence with all of this. */
  readonly message: string;
};

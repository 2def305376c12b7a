/** What was loaded last, for the time in which it cannot be loaded: believed for a bounded while, and no longer. */

export type LastKnownOptions = {
  readonly maxEntries: number;
  /** Since it was loaded, ms. */
  readonly staleMs: number;
  readonly now: () => number;
};

/** `find` loads; where that rejects, it answers what it loaded last, or rejects when that is too old or not there. */
export function lastKnown<Value>(
  load: (key: string) => Promise<Value | undefined>,
  { maxEntries, staleMs, now }: LastKnownOptions,
): {
  find(key: string): Promise<Value | undefined>;
  /** Undefined: everything. */
  forget(key: string | undefined): void;
} {
  const known = new Map<string, { readonly value: Value | undefined; readonly at: number }>();
  return {
    async find(key) {
      try {
        const value = await load(key);
        known.delete(key);
        known.set(key, { value, at: now() });
        const [oldest] = known.size > maxEntries ? known.keys() : [];
        if (oldest !== undefined) known.delete(oldest);
        return value;
      } catch (error) {
        const last = known.get(key);
        if (last === undefined || now() - last.at > staleMs) throw error;
        return last.value;
      }
    },
    forget(key) {
      if (key === undefined) known.clear();
      else known.delete(key);
    },
  };
}

/** Polls a condition; the only waiting that tests do. */

/**
 * Resolves with the first value of `condition` that is neither undefined nor false; rejects with the last failure after `deadlineMs`.
 * `condition` may throw: that counts as "not yet".
 */
export async function waitFor<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 60_000,
  what = "the condition",
): Promise<T> {
  const end = Date.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what} did not hold within ${deadlineMs} ms`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

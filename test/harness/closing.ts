/** Takes down what single tests have opened. Apart from the rest of the harness, which programs without a test runner use too. */
import { afterEach } from "vitest";

/** A list of closers, called once in a file: after each test what is in it is called (closeAll). */
export function closing(): (() => unknown)[] {
  const closers: (() => unknown)[] = [];
  afterEach(() => closeAll(closers.splice(0)));
  return closers;
}

/** The last first, each waited for, whatever became of the one before; then rejects with the first failure. */
export async function closeAll(closers: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closers.toReversed()) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Takes down what single tests have opened. Apart from the rest of the harness, which programs without a test runner use too. */
import { afterEach } from "vitest";

/** A list of closers, called once in a file: after each test what is in it is called, the last first, each waited for. */
export function closing(): (() => unknown)[] {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  return closers;
}

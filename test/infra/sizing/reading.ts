/** Raw documents of the tests as inputs; a problem in one is a mistake of the test and stops it with the problem's own words. */

import { readInput } from "../../../infra/sizing/index.ts";
import type { SizingInput } from "../../../infra/sizing/input.ts";

export function inputOf(raw: unknown): SizingInput {
  const read = readInput(raw);
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join("\n"));
  return read.input;
}

/** The same where a document may rightly be refused by the reader, such as one with numbers pinned at random. */
export function maybeInput(raw: unknown): SizingInput | undefined {
  const read = readInput(raw);
  return read.ok ? read.input : undefined;
}

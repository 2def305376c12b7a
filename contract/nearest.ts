/** What somebody who mistyped a name most likely meant. */

/** The nearest of `candidates`, for messages; undefined when there is none. */
export function nearestOf(text: string, candidates: readonly string[]): string | undefined {
  return candidates.toSorted((a, b) => editDistance(text, a) - editDistance(text, b))[0];
}

/** Levenshtein distance; texts are cut at 128 characters. */
export function editDistance(left: string, right: string): number {
  const a = left.slice(0, 128);
  const b = right.slice(0, 128);
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

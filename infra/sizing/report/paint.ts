/** Emphasis on a terminal, and its absence everywhere else. */

/** Each takes a text without escapes and gives it back, with escapes or not. */
export type Paint = Readonly<Record<"good" | "bad" | "warn" | "strong" | "faint", (text: string) => string>>;

const same = (text: string): string => text;

/** For files, pipes, and people who set NO_COLOR. */
export const plain: Paint = { good: same, bad: same, warn: same, strong: same, faint: same };

/** Select Graphic Rendition (ECMA-48): one on, one off, so that it can stand within another. */
function sgr(on: number, off: number): (text: string) => string {
  return (text) => `\u001b[${on}m${text}\u001b[${off}m`;
}

export const coloured: Paint = {
  good: sgr(32, 39),
  bad: sgr(31, 39),
  warn: sgr(33, 39),
  strong: sgr(1, 22),
  faint: sgr(2, 22),
};

/** Tables of text: columns as wide as their widest cell, numbers to the right. */

export type Align = "left" | "right";

/** Rows as lines, cells two blanks apart, nothing behind the last; missing cells are empty. */
export function alignTable(rows: readonly (readonly string[])[], aligns: readonly Align[]): string[] {
  const widths = aligns.map((_, column) => Math.max(0, ...rows.map((row) => widthOf(row[column] ?? ""))));
  return rows.map((row) =>
    aligns
      .map((align, column) => pad(row[column] ?? "", widths[column] ?? 0, align))
      .join("  ")
      .trimEnd(),
  );
}

/** Code points: no text of a plan has characters that are two columns wide. */
function widthOf(text: string): number {
  return [...text].length;
}

function pad(text: string, width: number, align: Align): string {
  const blanks = " ".repeat(width - widthOf(text));
  return align === "left" ? text + blanks : blanks + text;
}

/** GitHub's tables; cells lose what would end them. */
export function markdownTable(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  aligns: readonly Align[],
): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [
    line(heads),
    `|${aligns.map((align) => (align === "right" ? " ---: " : " --- ")).join("|")}|`,
    ...rows.map(line),
  ];
}

/** Text within a line of Markdown: no markup, no second line, no end of a cell. */
export function cell(text: string): string {
  return text.replace(/[\\|*_<>[\]#`]/g, "\\$&").replace(/\s*\n\s*/g, " ");
}

/** Breaks at blanks so that no line is longer than `width`, where words allow it. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** One diagram of an SVG: a frame with two labelled axes, and paths in its coordinates. */
import { figure } from "./numbers.ts";

export type Axis = { readonly label: string; readonly most: number };
export type Frame = {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly x: Axis;
  readonly y: Axis;
};
type Point = readonly [x: number, y: number];

/** At most `count` steps of 1, 2 or 5 times a power of ten, from 0 to the greatest that is not above `most`. */
export function ticksTo(most: number, count: number): number[] {
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? 10 * power;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) =>
    Number((index * step).toPrecision(12)),
  );
}

export function place({ left, top, width, height, x, y }: Frame, [px, py]: Point): Point {
  return [left + (px / x.most) * width, top + height - (Math.min(py, y.most) / y.most) * height];
}

/** Straight lines from point to point, in tenths of a pixel. */
export function pathOf(frame: Frame, points: readonly Point[]): string {
  return points
    .map((point, index) => {
      const [x, y] = place(frame, point);
      return `${index === 0 ? "M" : "L"}${tenth(x)} ${tenth(y)}`;
    })
    .join("");
}

export function tenth(value: number): string {
  return String(Number(value.toFixed(1)));
}

/** Text as it may stand in an element or attribute. */
export function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  // Control characters are no XML, not even escaped.
  return [...text]
    .filter((one) => one >= " ")
    .join("")
    .replace(/[&<>"']/g, (one) => entities[one] ?? one);
}

export function textAt(
  x: number,
  y: number,
  content: string,
  kind: string,
  anchor: "start" | "middle" | "end" = "start",
): string {
  return `<text x="${tenth(x)}" y="${tenth(y)}" class="${kind}" text-anchor="${anchor}">${escapeXml(content)}</text>`;
}

/** Grid, ticks and the names of the axes. */
export function axes(frame: Frame): string[] {
  const { left, top, width, height, x, y } = frame;
  const vertical = ticksTo(x.most, 8).map((tick) => {
    const [at] = place(frame, [tick, 0]);
    return `${line(at, top, at, top + height, "grid")}${textAt(at, top + height + 18, figure(tick), "tick", "middle")}`;
  });
  const horizontal = ticksTo(y.most, 6).map((tick) => {
    const [, at] = place(frame, [0, tick]);
    return `${line(left, at, left + width, at, "grid")}${textAt(left - 8, at + 4, figure(tick), "tick", "end")}`;
  });
  const middle = top + height / 2;
  return [
    ...vertical,
    ...horizontal,
    line(left, top + height, left + width, top + height, "axis"),
    line(left, top, left, top + height, "axis"),
    textAt(left + width / 2, top + height + 38, x.label, "label", "middle"),
    `<text class="label" text-anchor="middle" transform="translate(${tenth(left - 62)} ${tenth(middle)}) rotate(-90)">${escapeXml(y.label)}</text>`,
  ];
}

export function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  return `<line x1="${tenth(x1)}" y1="${tenth(y1)}" x2="${tenth(x2)}" y2="${tenth(y2)}" class="${kind}"/>`;
}

/** Samples of lines with their names, in a row. */
export function legend(
  left: number,
  top: number,
  entries: readonly (readonly [kind: string, name: string])[],
): string[] {
  let at = left;
  return entries.map(([kind, name]) => {
    const sample = `${line(at, top - 4, at + 26, top - 4, kind)}${textAt(at + 32, top, name, "tick")}`;
    at += 32 + name.length * 6.6 + 22;
    return sample;
  });
}

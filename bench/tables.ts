/** The bench's figures as Markdown tables. */
import type { Measured, Round } from "./rounds.ts";

export function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** The median, and the least and the greatest. */
export function spread(list: readonly number[], digits: number): string {
  if (list.length === 0) return "–";
  const round = (value: number) => value.toFixed(digits);
  return `${round(median(list))} (${round(Math.min(...list))}–${round(Math.max(...list))})`;
}

/** Value over base, round by round; empty where one of the two is missing. */
export function ratios(
  values: readonly (number | undefined)[],
  bases: readonly (number | undefined)[],
): readonly number[] {
  return values.flatMap((value, index) => {
    const base = bases[index];
    return value === undefined || base === undefined || base === 0 ? [] : [value / base];
  });
}

/** The first line is the head. */
export function rows(lines: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = lines;
  return [head, head.map(() => "---"), ...rest].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

export type Ratio = {
  /** How the lane stands in the table. */
  readonly title: string;
  readonly lane: string;
  /** The lane it is measured by; itself for the reference. */
  readonly base: string | undefined;
  /** What is counted of each call: 1, or its events, or its tools. */
  readonly unitsPerCall?: number;
};

/** One line for each lane, with its ratio to its base by throughput and by CPU time of the process under test. */
export function ratioTable(measured: Measured, lines: readonly Ratio[], what = "calls"): string {
  const one = what.replace(/s$/, "");
  const head = [
    "through",
    `${what}/s`,
    "of nginx",
    `CPU µs per ${one}`,
    "per core, of nginx",
    "p50 / p99 ms",
    "other core busy",
  ];
  return rows([head, ...lines.map((line) => ratioLine(measured, line))]);
}

function ratioLine(measured: Measured, { title, lane, base, unitsPerCall = 1 }: Ratio): readonly string[] {
  const own = measured.get(lane) ?? [];
  const reference = base === undefined ? [] : (measured.get(base) ?? []);
  const perSecond = ({ perSecond }: Round) => perSecond;
  const cpu = ({ cpuMsPerCall }: Round) => cpuMsPerCall;
  const micros = own.flatMap(({ cpuMsPerCall }) =>
    cpuMsPerCall === undefined ? [] : [(cpuMsPerCall * 1000) / unitsPerCall],
  );
  return [
    title,
    spread(
      own.map((round) => round.perSecond * unitsPerCall),
      0,
    ),
    spread(ratios(own.map(perSecond), reference.map(perSecond)), 2),
    spread(micros, micros.length > 0 && median(micros) < 10 ? 1 : 0),
    spread(ratios(reference.map(cpu), own.map(cpu)), 2),
    latencies(own),
    spread(
      own.map(({ besideBusy }) => besideBusy),
      2,
    ),
  ];
}

/** Medians of the percentiles of the rounds. */
function latencies(rounds: readonly Round[]): string {
  const of = (pick: (round: Round) => number | undefined) => {
    const known = rounds.flatMap((round) => pick(round) ?? []);
    return known.length === 0 ? undefined : median(known).toFixed(2);
  };
  const [p50, p99] = [of(({ p50Ms }) => p50Ms), of(({ p99Ms }) => p99Ms)];
  return p50 === undefined || p99 === undefined ? "–" : `${p50} / ${p99}`;
}

export function missingNote(missing: readonly string[]): string {
  return missing.length === 0 ? "" : `\n\nNot here: ${missing.join("; ")}.`;
}

/** The bench's figures as Markdown tables. */
import type { Memory, Processes, Start } from "./processes.ts";
import type { Comparison, Round } from "./tools-call.ts";

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
function ratios(values: readonly (number | undefined)[], bases: readonly (number | undefined)[]): number[] {
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

export function callTable({ rounds, events, missing }: Comparison): string {
  const perSecond = (name: string) => (rounds.get(name) ?? []).map((round) => round.perSecond);
  const cpu = (name: string) => (rounds.get(name) ?? []).map(({ cpuMsPerCall }) => cpuMsPerCall);
  const latency = (list: readonly Round[], pick: (round: Round) => number) => median(list.map(pick)).toFixed(1);
  const lines = [...rounds]
    .filter(([name]) => events.get(name) === 0)
    .map(([name, list]) => [
      name,
      spread(perSecond(name), 0),
      spread(ratios(perSecond(name), perSecond("nginx")), 2),
      spread(ratios(perSecond(name), perSecond("direct")), 2),
      spread(
        cpu(name).flatMap((value) => value ?? []),
        3,
      ),
      spread(ratios(cpu("nginx"), cpu(name)), 2),
      `${latency(list, ({ p50Ms }) => p50Ms)} / ${latency(list, ({ p99Ms }) => p99Ms)}`,
    ]);
  const head = ["through", "calls/s", "of nginx", "of direct", "CPU ms per call", "per core, of nginx", "p50 / p99 ms"];
  const note = missing.length === 0 ? "" : `\n\nNot installed here: ${missing.join(", ")}.`;
  return rows([head, ...lines]) + note;
}

export function eventTable({ rounds, events }: Comparison): string {
  const lines = [...rounds].flatMap(([name, list]) => {
    const perCall = events.get(name) ?? 0;
    if (perCall === 0) return [];
    const micros = list.flatMap(({ cpuMsPerCall }) =>
      cpuMsPerCall === undefined ? [] : [(cpuMsPerCall * 1000) / perCall],
    );
    return [
      [
        name,
        spread(
          list.map(({ perSecond }) => perSecond * perCall),
          0,
        ),
        spread(micros, 1),
      ],
    ];
  });
  return rows([["through", "events/s", "CPU µs per event"], ...lines]);
}

export function processTable({ firstStart, secondStart, idle, afterSessions, sessions }: Processes): string {
  const memory = ({ gateway, children }: Memory) =>
    `${gateway.toFixed(0)} MiB, its children ${children.toFixed(0)} MiB`;
  const start = ({ seconds, cpuSeconds }: Start) => `${seconds.toFixed(2)} s, ${cpuSeconds.toFixed(2)} s of CPU`;
  return rows([
    ["", ""],
    ["first start until ready", start(firstStart)],
    ["every further start", start(secondStart)],
    ["resident, idle", memory(idle)],
    [`resident, after ${sessions} sessions`, memory(afterSessions)],
  ]);
}

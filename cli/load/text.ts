/** The report as text for people: the verdict first. */
import type { Figures, LoadReport, StepReport } from "./report.ts";
import { ms, percent, seconds } from "./verdict.ts";

export function reportText(report: LoadReport): string {
  const { steps, total, notes } = report;
  const rows = steps.length > 1 ? [...steps, { name: "together", ...total }] : steps;
  const blocks = [
    report.verdict,
    table([stepHead(rows), ...rows.map((row) => stepCells(row, rows))]),
    table(failureRows(total)),
    pairs(factsOf(report)),
    notes.map((note) => `Note: ${note}`).join("\n"),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

type Row = Pick<StepReport, "name" | "offeredRps" | "peakMiB"> & Figures;
type Column = {
  readonly head: string;
  /** A column where no row has anything is left out. */
  readonly cell: (row: Row) => string | undefined;
};

const columns: readonly Column[] = [
  { head: "load", cell: ({ name }) => name },
  { head: "offered/s", cell: ({ offeredRps }) => (offeredRps === undefined ? undefined : plain(offeredRps)) },
  { head: "good/s", cell: ({ throughput }) => plain(throughput) },
  { head: "requests", cell: ({ requests }) => String(requests) },
  { head: "failed", cell: ({ failedShare }) => percent(failedShare) },
  { head: "503", cell: ({ shed, shedShare }) => (shed === 0 ? undefined : percent(shedShare)) },
  { head: "p50 ms", cell: ({ latencyMs }) => latencyMs.p50.toFixed(2) },
  { head: "p90", cell: ({ latencyMs }) => latencyMs.p90.toFixed(2) },
  { head: "p99", cell: ({ latencyMs }) => latencyMs.p99.toFixed(2) },
  { head: "p99.9", cell: ({ latencyMs }) => latencyMs.p999.toFixed(2) },
  { head: "max", cell: ({ latencyMs }) => latencyMs.max.toFixed(2) },
  { head: "CPU ms/request", cell: ({ cpu }) => cpu?.msPerRequest.toFixed(3) },
  { head: "requests/CPU s", cell: ({ cpu }) => (cpu === undefined ? undefined : plain(cpu.requestsPerCpuSecond)) },
  { head: "MiB", cell: ({ peakMiB }) => peakMiB?.toFixed(0) },
];

function shown(rows: readonly Row[]): readonly Column[] {
  return columns.filter(({ cell }) => rows.some((row) => cell(row) !== undefined));
}

function stepHead(rows: readonly Row[]): readonly string[] {
  return shown(rows).map(({ head }) => head);
}

function stepCells(row: Row, rows: readonly Row[]): readonly string[] {
  return shown(rows).map(({ cell }) => cell(row) ?? "–");
}

function failureRows({ failures, requests, firstFailure }: Figures): readonly (readonly string[])[] {
  const kinds = Object.entries(failures);
  if (kinds.length === 0) return [];
  const first = firstFailure === undefined ? [] : [["the first", oneLine(firstFailure)]];
  return [["failures"], ...kinds.map(([kind, times]) => [kind, `${times} (${percent(times / requests)})`]), ...first];
}

function factsOf(report: LoadReport): readonly (readonly [string, string])[] {
  const { gateway, tool, memory, bytesPerSession, coldStartS, workers, generator, machine, total } = report;
  const version = gateway === undefined ? "" : `, version ${gateway.version}${engineText(gateway.engine)}`;
  const mix = Object.entries(report.mix).map(([method, share]) => `${method} ${percent(share)}`);
  const sessions = report.era === "modern" ? "" : `, ${report.sessions} legacy sessions`;
  const facts: (readonly [string, string | undefined])[] = [
    ["gateway", report.url + version],
    ["asked", `${report.era} era${sessions}; ${mix.join(", ")}`],
    ["tool", tool === undefined ? undefined : `${tool.name} ${JSON.stringify(tool.arguments).slice(0, 200)}`],
    [
      "profile",
      `${report.profile}, seed ${report.seed}, ${seconds(total.seconds)} after ${seconds(report.warmUpSeconds)} of warm-up`,
    ],
    ["workers", "source" in workers ? `read from ${workers.source}${workersText(total)}` : undefined],
    [
      "memory",
      memory === undefined
        ? undefined
        : `${memory.beforeMiB.toFixed(0)} MiB before, ${memory.peakMiB.toFixed(0)} at most, ${memory.afterMiB.toFixed(0)} after`,
    ],
    ["per session", bytesPerSession === undefined ? undefined : sessionText(bytesPerSession)],
    ["cold start", coldStartS === undefined ? undefined : `${coldStartS.toFixed(2)} s until /ready`],
    ["generator", `at most ${percent(generator.busyShare)} of a core${latenessText(report)}`],
    ["machine", `${machine.cores} cores (${machine.cpu}), ${machine.memoryMiB} MiB, Node ${machine.runtime}`],
    ["started", report.startedAt],
  ];
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

function sessionText(bytes: number): string {
  return bytes === 0 ? "memory did not grow with open sessions" : `${bytes} bytes`;
}

function engineText(engine: string | undefined): string {
  return engine === undefined ? "" : `, engine ${engine}`;
}

function workersText({ cpu }: Figures): string {
  const each = Object.entries(cpu?.workers ?? {});
  if (each.length === 0) return "";
  return `; CPU ${each.map(([worker, used]) => (each.length > 1 ? `${worker} ${seconds(used)}` : seconds(used))).join(", ")}`;
}

function latenessText({ steps, generator }: LoadReport): string {
  const isOpen = steps.some(({ offeredRps }) => offeredRps !== undefined);
  return isOpen ? `, p99 ${ms(generator.latenessP99Ms)} late with arrivals` : "";
}

function plain(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** What a server sent is shown without its control characters. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, " ").slice(0, 300);
}

function pairs(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}

/** The first column to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const width = (column: number) => widths[column] ?? 0;
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at === 0 ? cell.padEnd(width(at)) : cell.padStart(width(at))))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

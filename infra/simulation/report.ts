/** A report for people: the verdict first, then each scenario with its figures and what they say of the plan. */
import type { Finding, ScenarioReport, SimulationReport } from "./index.ts";
import type { Interval } from "./statistics.ts";

type Unit = Finding["unit"];

/** Ends with a newline; lines of at most 120 columns but for long statements. */
export function reportText(report: SimulationReport): string {
  return [verdictText(report), ...report.scenarios.map(scenarioText), closing(report)].join("\n");
}

function verdictText({ scenarios, verdict }: SimulationReport): string {
  const findings = scenarios.flatMap(({ name, findings: all }) => all.map((finding) => ({ name, finding })));
  const open = findings.filter(({ finding }) => finding.verdict === "not confirmed");
  if (verdict === "confirmed")
    return `Confirmed: nothing contradicts the plan (${several(findings.length, "prediction")} in ${several(scenarios.length, "scenario")}).\n`;
  const lines = open.map(
    ({ name, finding }) =>
      `  ${name}: ${finding.statement}: planned ${planned(finding)}, simulated ${interval(finding.simulated, finding.unit)}`,
  );
  return `Not confirmed: ${count(open.length)} of ${count(findings.length)} predictions do not hold.\n${lines.join("\n")}\n`;
}

function scenarioText({
  name,
  about,
  runs,
  seconds,
  requests,
  figures,
  peaks,
  replicas,
  findings,
}: ScenarioReport): string {
  const failures = Object.entries(requests.failures).filter(([, times]) => times > 0);
  const rows: readonly (readonly [string, string])[] = [
    ...figureRows(figures),
    [
      "at most",
      `${count(peaks.inFlight)} in flight, ${count(peaks.connections)} connections of pools, ${count(peaks.serverConnections)} to PostgreSQL, ${several(peaks.replicasAlive, "replica")} alive`,
    ],
    ["replicas", replicasText(replicas)],
    [
      "requests",
      `${count(requests.arrived)} = ${count(requests.cached)} cached + ${count(requests.served)} served + ${count(requests.shed)} turned away + ${count(requests.failed)} failed + ${count(requests.inFlight)} in flight`,
    ],
    ...failures.map(([cause, times]) => ["", `${FAILURE_TEXTS[cause] ?? cause}: ${count(times)}`] as const),
  ];
  const facts = rows.map(([left, right]) => `  ${left.padEnd(13)}${right}`).join("\n");
  const over = `${decimal(seconds)} s in ${runs === 1 ? "one run" : `${runs} runs`}`;
  return `${name}: ${about} (${over})\n${facts}\n\n${findingsText(findings)}`;
}

/** A row of what was not there to measure says so once. */
function figureRows(figures: ScenarioReport["figures"]): readonly (readonly [string, string])[] {
  const { latencyMean, latencyP50, latencyP90, latencyP99, poolWaits, poolWaitMean, poolerWaits, poolerWaitMean } =
    figures;
  const figure = (value: Interval | null, unit: Unit) => (value === null ? "–" : interval(value, unit));
  const waits = (share: Interval | null, mean: Interval | null) =>
    share === null ? NOTHING : `${figure(share, "share")} wait, ${figure(mean, "s")} on average`;
  const latencies: readonly (readonly [string, string])[] =
    latencyMean === null
      ? [["latency", NOTHING]]
      : [
          ["latency", `mean ${figure(latencyMean, "s")}, p50 ${figure(latencyP50, "s")}`],
          ["", `p90 ${figure(latencyP90, "s")}, p99 ${figure(latencyP99, "s")}`],
        ];
  return [
    ...latencies,
    ["turned away", `${figure(figures.shed, "share")}; failed ${figure(figures.failed, "share")}`],
    [
      "answers",
      `${figure(figures.throughput, "requests/s")} per second; in flight ${figure(figures.inFlight, "requests")}`,
    ],
    ["pool", waits(poolWaits, poolWaitMean)],
    ["PgBouncer", waits(poolerWaits, poolerWaitMean)],
    ["use", `workers ${figure(figures.gatewayUse, "share")}, database cores ${figure(figures.databaseUse, "share")}`],
  ];
}

const NOTHING = "nothing to measure";

const FAILURE_TEXTS: Readonly<Record<string, string>> = {
  unreachable: "no replica to take them",
  lost: "in a replica that was lost",
  killed: "in a replica at the end of its grace",
  late: "longer than a handler may take",
  poolTimeouts: "no connection of the pool in time",
  poolerTimeouts: "no server connection of PgBouncer in time",
};

/** Steps beyond these are left out in the middle. */
const SHOWN_STEPS = 8;

function replicasText(steps: ScenarioReport["replicas"]): string {
  const texts = steps.map(
    ({ atS, serving, alive }) =>
      `${serving}${alive === serving ? "" : ` of ${alive}`}${atS === 0 ? "" : ` at ${decimal(atS)} s`}`,
  );
  if (texts.length <= SHOWN_STEPS) return texts.join(", ");
  return [...texts.slice(0, SHOWN_STEPS / 2), "…", ...texts.slice(-SHOWN_STEPS / 2)].join(", ");
}

function findingsText(findings: readonly Finding[]): string {
  const rows = [
    ["verdict", "prediction", "planned", "simulated"],
    ...findings.map((finding) => [
      finding.verdict,
      finding.statement,
      planned(finding),
      interval(finding.simulated, finding.unit),
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd())
    .join("\n")
    .concat("\n");
}

function closing({ seed, spread, requests }: SimulationReport): string {
  return `${count(requests)} requests, seed ${seed}, ${spread} times. Figures hold with 95 % each, the intervals of the predictions with 95 % together.\n`;
}

function planned({ kind, predicted, limit, unit }: Finding): string {
  const value = `${kind === "limit" ? "≤ " : ""}${quantity(predicted, unit)}`;
  return limit === null ? value : `${value}, at most ${quantity(limit, unit)}`;
}

/** `12.3 % (12.1 to 12.5)`; a figure without spread stands alone. */
function interval({ mean, low, high }: Interval, unit: Unit): string {
  const middle = quantity(mean, unit);
  if (low === high) return middle;
  const scale = scaleOf(unit);
  return `${middle} (${decimal(low * scale)} to ${decimal(high * scale)})`;
}

function quantity(value: number, unit: Unit): string {
  const text = decimal(value * scaleOf(unit));
  if (unit === "share") return `${text} %`;
  return unit === "s" ? `${text} ms` : text;
}

function scaleOf(unit: Unit): number {
  if (unit === "share") return 100;
  return unit === "s" ? 1000 : 1;
}

function several(value: number, what: string): string {
  return `${count(value)} ${what}${value === 1 ? "" : "s"}`;
}

function count(value: number): string {
  return value < 1000 ? String(value) : decimal(value);
}

/** Three digits below a thousand, groups of whole digits from there; what rounds to nothing is 0. */
function decimal(value: number): string {
  if (Math.abs(value) >= 1000) return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, " ");
  return Math.abs(value) < 1e-6 ? "0" : String(Number(value.toPrecision(3)));
}

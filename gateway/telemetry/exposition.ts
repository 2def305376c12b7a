/** The figures of a registry as data that travels between processes, and as Prometheus text 0.0.4. */
import { type MetricName, metricOf } from "../../contract/metrics.ts";

/** `labels` as they stand between the braces of a line; `counts` one for each bucket and one for +Inf, not cumulative. */
export type SeriesFigures =
  | { readonly labels: string; readonly value: number }
  | { readonly labels: string; readonly counts: readonly number[]; readonly sum: number };
export type FamilyFigures = { readonly name: MetricName; readonly series: readonly SeriesFigures[] };
/** One registry's, or several merged; families in the order of the declarations. */
export type Figures = readonly FamilyFigures[];

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Content type METRICS_CONTENT_TYPE. */
export function renderFigures(figures: Figures): string {
  let text = "";
  for (const { name, series } of figures) {
    if (series.length === 0) continue;
    const { help, type, buckets = [] } = metricOf(name);
    text += `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`;
    for (const one of series)
      text +=
        "value" in one ? `${name}${braced(one.labels)} ${formatNumber(one.value)}\n` : bucketLines(name, buckets, one);
  }
  return text;
}

function bucketLines(
  name: string,
  bounds: readonly number[],
  { labels, counts, sum }: { readonly labels: string; readonly counts: readonly number[]; readonly sum: number },
): string {
  const head = labels === "" ? "" : `${labels},`;
  let total = 0;
  let text = "";
  for (const [index, count] of counts.entries()) {
    total += count;
    text += `${name}_bucket{${head}le="${formatNumber(bounds[index] ?? Infinity)}"} ${total}\n`;
  }
  return `${text}${name}_sum${braced(labels)} ${formatNumber(sum)}\n${name}_count${braced(labels)} ${total}\n`;
}

function braced(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function formatNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

/** Makes one registry's figures of those of several processes, as a scrape of all of them has to see them. */
import { type MetricName, metricNames, metricOf } from "../../contract/metrics.ts";
import type { FamilyFigures, Figures, SeriesFigures } from "./exposition.ts";

/** Counters and histograms are added; gauges as their declaration says. */
export function mergeFigures(parts: readonly Figures[]): Figures {
  const families = new Map<MetricName, Map<string, SeriesFigures>>();
  for (const figures of parts) {
    for (const { name, series } of figures) {
      let merged = families.get(name);
      if (merged === undefined) {
        merged = new Map();
        families.set(name, merged);
      }
      const takesLargest = metricOf(name).merge === "max";
      for (const one of series) {
        const known = merged.get(one.labels);
        merged.set(one.labels, known === undefined ? one : joined(known, one, takesLargest));
      }
    }
  }
  return metricNames.flatMap((name): readonly FamilyFigures[] => {
    const merged = families.get(name);
    return merged === undefined ? [] : [{ name, series: [...merged.values()] }];
  });
}

function joined(one: SeriesFigures, other: SeriesFigures, takesLargest: boolean): SeriesFigures {
  const { labels } = one;
  if ("value" in one)
    return "value" in other
      ? { labels, value: takesLargest ? Math.max(one.value, other.value) : one.value + other.value }
      : one;
  if ("value" in other) return one;
  const counts = one.counts.map((count, index) => count + (other.counts[index] ?? 0));
  return { labels, counts, sum: one.sum + other.sum };
}

/** What must not be forgotten when the process that counted it is gone: counters and histograms, no gauges. */
export function countsOf(figures: Figures): Figures {
  return figures.filter(({ name }) => metricOf(name).type !== "gauge");
}

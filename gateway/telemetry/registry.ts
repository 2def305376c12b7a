/**
 * The metric registry, typed by the declarations. A hot path asks once for a handle (`counter`, `histogram`) and then adds to a
 * number; no object is made per event.
 */
import { type LabelValues, type MetricName, type MetricNameOf, metricNames, metricOf } from "../../contract/metrics.ts";
import { type Figures, renderFigures, type SeriesFigures } from "./exposition.ts";

/** Label combinations of one metric; what comes after them is counted under `other`, so that memory stays bounded. */
const MAX_SERIES = 2000;
const OVERFLOW = "other";

export interface Counter {
  /** `by` is at least 0; default 1. */
  inc(by?: number): void;
}
export interface Gauge {
  set(value: number): void;
  add(by: number): void;
}
export interface Histogram {
  /** In the unit of the metric. */
  observe(value: number): void;
}

export interface Metrics {
  counter<Name extends MetricNameOf<"counter">>(name: Name, ...labels: LabelValues<Name>): Counter;
  gauge<Name extends MetricNameOf<"gauge">>(name: Name, ...labels: LabelValues<Name>): Gauge;
  histogram<Name extends MetricNameOf<"histogram">>(name: Name, ...labels: LabelValues<Name>): Histogram;
  /** Called at each scrape, before rendering; sets values through `set`. What it throws is left out of the scrape. */
  collect<Name extends MetricNameOf<"counter" | "gauge">>(
    name: Name,
    read: (set: (value: number, ...labels: LabelValues<Name>) => void) => void,
  ): void;
  /** All figures as they are now, after the collectors have set theirs. */
  figures(): Figures;
  /** The same as text, of content type METRICS_CONTENT_TYPE. */
  render(): string;
}

class Single implements Counter, Gauge {
  value = 0;
  inc(by = 1): void {
    this.value += by;
  }
  add(by: number): void {
    this.value += by;
  }
  set(value: number): void {
    this.value = value;
  }
  figures(labels: string): SeriesFigures {
    return { labels, value: this.value };
  }
}

class Distribution implements Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] ?? Infinity)) at++;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  figures(labels: string): SeriesFigures {
    return { labels, counts: [...this.#counts], sum: this.#sum };
  }
}

/** All series of one metric. */
class Family<Series extends { figures(labels: string): SeriesFigures }> {
  readonly #series = new Map<string, Series>();
  readonly #name: MetricName;
  readonly #make: () => Series;

  constructor(name: MetricName, make: () => Series) {
    this.#name = name;
    this.#make = make;
    if (metricOf(name).labels.length === 0) this.of([]);
  }

  of(values: readonly string[]): Series {
    const key = labelText(metricOf(this.#name).labels, values);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const isFull = this.#series.size >= MAX_SERIES && !values.every((value) => value === OVERFLOW);
    if (isFull) return this.of(values.map(() => OVERFLOW));
    const made = this.#make();
    this.#series.set(key, made);
    return made;
  }

  /** Series that a collector does not name again are gone. */
  clear(): void {
    this.#series.clear();
  }

  figures(): readonly SeriesFigures[] {
    return Array.from(this.#series, ([labels, series]) => series.figures(labels));
  }
}

export function createMetrics(): Metrics {
  const singles = new Map<MetricName, Family<Single>>();
  const distributions = new Map<MetricName, Family<Distribution>>();
  const collectors = new Map<MetricName, () => void>();
  for (const name of metricNames) {
    const { type, buckets = [] } = metricOf(name);
    if (type === "histogram") distributions.set(name, new Family(name, () => new Distribution(buckets)));
    else singles.set(name, new Family(name, () => new Single()));
  }
  const single = (name: MetricName, labels: readonly string[]) => familyOf(singles, name).of(labels);

  function figures(): Figures {
    for (const collect of collectors.values()) {
      try {
        collect();
      } catch {
        // A source that fails must not cost the figures of the others.
      }
    }
    return metricNames.flatMap((name) => {
      const series = (singles.get(name) ?? distributions.get(name))?.figures() ?? [];
      return series.length === 0 ? [] : [{ name, series }];
    });
  }

  return {
    counter: (name, ...labels) => single(name, labels),
    gauge: (name, ...labels) => single(name, labels),
    histogram: (name, ...labels) => familyOf(distributions, name).of(labels),
    collect(name, read) {
      collectors.set(name, () => {
        familyOf(singles, name).clear();
        read((value, ...labels) => single(name, labels).set(value));
      });
    },
    figures,
    render: () => renderFigures(figures()),
  };
}

function familyOf<Value>(families: ReadonlyMap<MetricName, Value>, name: MetricName): Value {
  const family = families.get(name);
  if (family === undefined) throw new TypeError(`${name} is of another kind`);
  return family;
}

function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, index) => `${name}="${escapeLabel(values[index] ?? "")}"`).join(",");
}

function escapeLabel(value: string): string {
  return value.slice(0, 200).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

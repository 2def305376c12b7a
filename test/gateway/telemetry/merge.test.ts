/** Figures of several processes as one exposition. */
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  collectBuild,
  collectLoopMetrics,
  collectProcessMetrics,
  countsOf,
  createMetrics,
  mergeFigures,
  renderFigures,
} from "../../../gateway/telemetry/index.ts";

function lines(text: string, name: string): string[] {
  return text.split("\n").filter((line) => line.startsWith(name));
}

describe("merged figures", () => {
  it("add counters, buckets and most gauges, and keep the largest where a sum says nothing", () => {
    const parts = [1, 2].map((factor) => {
      const metrics = createMetrics();
      metrics.counter("mcp_errors_total", "A").inc(factor);
      metrics.counter("mcp_errors_total", `only ${factor}`).inc();
      metrics.histogram("mcp_request_duration_seconds", "ping").observe(factor * 0.002);
      metrics.gauge("mcp_streams_open", "get").set(factor * 10);
      metrics.gauge("mcp_plan_limit", "replicas_max").set(7);
      metrics.gauge("nodejs_eventloop_delay_seconds", "max").set(factor);
      return metrics.figures();
    });
    const text = renderFigures(mergeFigures(parts));
    expect(lines(text, "mcp_errors_total")).toEqual([
      'mcp_errors_total{code="A"} 3',
      'mcp_errors_total{code="only 1"} 1',
      'mcp_errors_total{code="only 2"} 1',
    ]);
    expect(lines(text, "mcp_request_duration_seconds").slice(1, 4)).toEqual([
      'mcp_request_duration_seconds_bucket{method="ping",le="0.0025"} 1',
      'mcp_request_duration_seconds_bucket{method="ping",le="0.005"} 2',
      'mcp_request_duration_seconds_bucket{method="ping",le="0.01"} 2',
    ]);
    expect(lines(text, "mcp_request_duration_seconds_sum")).toEqual([
      'mcp_request_duration_seconds_sum{method="ping"} 0.006',
    ]);
    expect(lines(text, "mcp_request_duration_seconds_count")).toEqual([
      'mcp_request_duration_seconds_count{method="ping"} 2',
    ]);
    expect(lines(text, "mcp_streams_open")).toEqual(['mcp_streams_open{kind="get"} 30']);
    expect(lines(text, "mcp_plan_limit")).toEqual(['mcp_plan_limit{limit="replicas_max"} 7']);
    expect(lines(text, "nodejs_eventloop_delay_seconds")).toEqual([
      'nodejs_eventloop_delay_seconds{percentile="max"} 2',
    ]);
  });

  it("of one process are its own", () => {
    const metrics = createMetrics();
    metrics.counter("mcp_errors_total", "A").inc();
    metrics.histogram("mcp_request_duration_seconds", "ping").observe(1);
    expect(renderFigures(mergeFigures([metrics.figures()]))).toBe(metrics.render());
  });

  it("survive the way over IPC, and counts without gauges are what is left of a process", () => {
    const metrics = createMetrics();
    metrics.counter("mcp_errors_total", "A").inc();
    metrics.gauge("mcp_streams_open", "get").set(3);
    const sent = JSON.parse(JSON.stringify(metrics.figures()));
    expect(sent).toEqual(metrics.figures());
    expect(countsOf(sent).map(({ name }) => name)).not.toContain("mcp_streams_open");
    expect(countsOf(sent).find(({ name }) => name === "mcp_errors_total")?.series).toEqual([
      { labels: 'code="A"', value: 1 },
    ]);
  });

  it("are the sum whatever the order", () => {
    const counts = fc.array(fc.tuple(fc.constantFrom("A", "B", "C"), fc.nat(1000)), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(counts, { maxLength: 5 }), (processes) => {
        const parts = processes.map((added) => {
          const metrics = createMetrics();
          for (const [code, by] of added) metrics.counter("mcp_errors_total", code).inc(by);
          return metrics.figures();
        });
        const expected = new Map<string, number>();
        for (const [code, by] of processes.flat()) expected.set(code, (expected.get(code) ?? 0) + by);
        for (const order of [parts, parts.toReversed()]) {
          const merged = mergeFigures(order).find(({ name }) => name === "mcp_errors_total")?.series ?? [];
          const got = merged.map((one) => [one.labels, "value" in one ? one.value : undefined] as const);
          expect(new Map(got)).toEqual(new Map([...expected].map(([code, sum]) => [`code="${code}"`, sum])));
        }
      }),
      { numRuns: 50 },
    );
  });

  const promtool = spawnSync("promtool", ["--version"]).status === 0;
  it.skipIf(!promtool)(promtool ? "pass promtool's check" : "pass promtool's check (promtool is not installed)", () => {
    const parts = ["a", "b"].map((name) => {
      const metrics = createMetrics();
      collectBuild(metrics, "1.2.3", "0123456789abcdef");
      collectProcessMetrics(metrics);
      const stop = collectLoopMetrics(metrics);
      metrics.counter("mcp_errors_total", `${name}"\n\\`).inc();
      metrics.histogram("mcp_request_duration_seconds", "ping").observe(1);
      const figures = metrics.figures();
      stop();
      return figures;
    });
    const checked = spawnSync("promtool", ["check", "metrics"], {
      input: renderFigures(mergeFigures(parts)),
      encoding: "utf8",
    });
    expect([checked.status, checked.stdout, checked.stderr]).toEqual([0, "", ""]);
  });
});

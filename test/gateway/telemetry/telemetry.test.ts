import { describe, expect, it } from "vitest";
import { metricNames, metricOf } from "../../../contract/metrics.ts";
import {
  collectBuild,
  collectLoopMetrics,
  collectProcessMetrics,
  createLog,
  createMetrics,
} from "../../../gateway/telemetry/index.ts";

function linesOf(text: string, name: string): string[] {
  return text.split("\n").filter((line) => line.startsWith(name));
}

describe("metric declarations", () => {
  it("have legal names, a unit at the end of the name, and ascending buckets", () => {
    for (const name of metricNames) {
      const { type, unit, labels, buckets } = metricOf(name);
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(name.endsWith("_total"), name).toBe(type === "counter");
      if (unit !== "1") expect(name).toContain(`_${unit}`);
      expect(labels.every((label) => /^[a-z]+$/.test(label) && label !== "le")).toBe(true);
      expect(buckets !== undefined, name).toBe(type === "histogram");
      expect(buckets).toEqual(buckets?.toSorted((a, b) => a - b));
    }
  });
});

describe("createMetrics", () => {
  it("counts through one handle per series and escapes label values", () => {
    const metrics = createMetrics();
    const one = metrics.counter("mcp_errors_total", 'a"b\\c\nd');
    one.inc();
    one.inc(2);
    expect(metrics.counter("mcp_errors_total", 'a"b\\c\nd')).toBe(one);
    expect(linesOf(metrics.render(), "mcp_errors_total")).toEqual(['mcp_errors_total{code="a\\"b\\\\c\\nd"} 3']);
  });

  it("renders histograms as cumulative buckets, sum and count", () => {
    const metrics = createMetrics();
    const histogram = metrics.histogram("mcp_request_duration_seconds", "ping");
    for (const value of [0.001, 0.004, 0.004, 61]) histogram.observe(value);
    const lines = linesOf(metrics.render(), "mcp_request_duration_seconds");
    expect(lines.slice(0, 4)).toEqual([
      'mcp_request_duration_seconds_bucket{method="ping",le="0.001"} 1',
      'mcp_request_duration_seconds_bucket{method="ping",le="0.0025"} 1',
      'mcp_request_duration_seconds_bucket{method="ping",le="0.005"} 3',
      'mcp_request_duration_seconds_bucket{method="ping",le="0.01"} 3',
    ]);
    expect(lines.slice(-3)).toEqual([
      'mcp_request_duration_seconds_bucket{method="ping",le="+Inf"} 4',
      'mcp_request_duration_seconds_sum{method="ping"} 61.009',
      'mcp_request_duration_seconds_count{method="ping"} 4',
    ]);
  });

  it("reads collected gauges at each scrape, and forgets series that are gone; a failing source costs only itself", () => {
    const metrics = createMetrics();
    let upstreams = ["a", "b"];
    metrics.collect("mcp_db_connections", (set) => {
      for (const upstream of upstreams) set(1, upstream);
    });
    metrics.collect("mcp_client_requests_parked", () => {
      throw new Error("gone");
    });
    expect(linesOf(metrics.render(), "mcp_db_connections")).toHaveLength(2);
    upstreams = ["b"];
    expect(linesOf(metrics.render(), "mcp_db_connections")).toEqual(['mcp_db_connections{state="b"} 1']);
  });

  it("keeps the number of series bounded", () => {
    const metrics = createMetrics();
    for (let index = 0; index < 2100; index++) metrics.counter("mcp_errors_total", `c${index}`).inc();
    const lines = linesOf(metrics.render(), "mcp_errors_total");
    expect(lines).toHaveLength(2001);
    expect(lines.at(-1)).toBe('mcp_errors_total{code="other"} 100');
  });

  it("says what the process is", () => {
    const metrics = createMetrics();
    collectBuild(metrics, "1.2.3", "0123456789abcdef");
    collectProcessMetrics(metrics);
    const stop = collectLoopMetrics(metrics);
    const text = metrics.render();
    stop();
    expect(text).toContain(`mcp_build_info{version="1.2.3",node="${process.version}",settings="0123456789abcdef"} 1\n`);
    expect(linesOf(text, "nodejs_eventloop_delay_seconds")).toHaveLength(3);
  });
});

describe("createLog", () => {
  function record(format: "json" | "text", level: "debug" | "warn" = "debug") {
    const lines: string[] = [];
    return { lines, log: createLog({ format, level, now: () => 0, write: (line) => void lines.push(line) }) };
  }

  it("writes JSON lines with the fields of its parents and without secrets", () => {
    const { lines, log } = record("json");
    log
      .child({ request: "r1", Authorization: "Bearer x" })
      .info("call", { ms: 3, apiKey: "k", accessToken: "t", none: undefined });
    expect(lines).toEqual([
      '{"request":"r1","ms":3,"time":"1970-01-01T00:00:00.000Z","level":"info","event":"call"}\n',
    ]);
  });

  it("writes text that no input can forge", () => {
    const { lines, log } = record("text");
    log.error("bad\ninput", { reason: "a b\u001b[2J\u009b\nfake", plain: "x" });
    expect(lines).toEqual([
      '1970-01-01T00:00:00.000Z error bad\\u{a}input reason="a b\\u001b[2J\\u{9b}\\nfake" plain=x\n',
    ]);
  });

  it("leaves out what is below its level and cuts long text", () => {
    const { lines, log } = record("json", "warn");
    log.info("no");
    log.warn("yes", { text: "x".repeat(5000) });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.length).toBeLessThan(4200);
  });
});

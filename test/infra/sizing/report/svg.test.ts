/** The picture: its numbers from queueing theory, and that it is a picture for everybody. */
import { describe, expect, it } from "vitest";
import { capacityOf, fleetOf, latencyCurve, replicasAt, scalingSteps } from "../../../../infra/sizing/report/curves.ts";
import { svgReport } from "../../../../infra/sizing/report/index.ts";
import { dev, prod, subjectOf } from "./stacks.ts";

const subject = subjectOf("stack prod", prod);
const fleet = fleetOf(subject);

describe("curves", () => {
  it("are limited by what binds first", () => {
    // 4 workers with 37 in flight of 250 ms each: 592 requests/s, below the 600 of the processor.
    expect(fleet).toEqual({
      min: 11,
      max: 14,
      workers: 4,
      perReplica: 592,
      limitedBy: "requests in flight",
      atTarget: 420,
      serviceSeconds: 1 / 150,
      latencySeconds: 0.25,
    });
    expect(capacityOf(fleet, 14)).toBe(8288);
  });

  it("scale where the target is passed, and not beyond the bounds", () => {
    expect(scalingSteps(fleet)).toEqual([
      [0, 11],
      [4620, 12],
      [5040, 13],
      [5460, 14],
    ]);
    expect([0, 4620, 4621, 5461, 100_000].map((load) => replicasAt(fleet, load))).toEqual([11, 11, 12, 14, 14]);
    const wide = scalingSteps({ ...fleet, min: 1, max: 2_000_000_001 });
    expect(wide).toHaveLength(201);
    expect(wide.at(-1)?.[1]).toBe(2_000_000_001);
  });

  it("begin at the mean latency, rise, and wait as M/M/1 does with one worker", () => {
    const single = { ...fleet, workers: 1, perReplica: 100, serviceSeconds: 0.01, latencySeconds: 0.05 };
    const curve = latencyCurve(single, 1);
    for (const [load, value] of curve)
      expect(value / (0.05 + (load / 100) * (0.01 / (1 - load / 100)))).toBeCloseTo(1, 9);
    const tail = latencyCurve(single, 1, 0.99);
    expect(
      tail.every(([, value], index) => value >= (curve[index]?.[1] ?? Number.POSITIVE_INFINITY) - 1e-12 || index < 5),
    ).toBe(true);
    expect(curve.every(([, value], index) => index === 0 || value > (curve[index - 1]?.[1] ?? 0))).toBe(true);
  });
});

describe("picture", () => {
  const svg = svgReport(subject);

  it("says in words what it shows", () => {
    expect(svg).toContain('role="img" aria-labelledby="title description"');
    expect(svg).toContain('<title id="title">Capacity and latency of stack prod</title>');
    expect(svg).toContain(
      `<desc id="description">Accepted: stack prod carries 4,320 requests/s with 11 to 14 replicas; all ${subject.document.budgets.length} budgets hold. Peak 4,320 requests/s; 11 to 14 replicas, together up to 8,288 requests/s (the knee), limited by requests in flight.</desc>`,
    );
  });

  it("labels axes with units, steps with replicas and the knee with its load", () => {
    const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, content]) => content);
    for (const text of ["load: requests per second at the gateway", "requests per second", "latency, ms"])
      expect(texts).toContain(text);
    expect(texts).toEqual(expect.arrayContaining(["11 replicas", "12", "13", "14", "knee 8,288 requests/s"]));
  });

  it("is drawn for both colour schemes, with numbers only, whatever the title", () => {
    const hostile = svgReport({ ...subjectOf("a</title><script>&", dev) });
    expect(hostile).not.toContain("<script>");
    for (const picture of [svg, hostile]) {
      expect(picture).toContain("@media (prefers-color-scheme: dark)");
      expect(picture).not.toMatch(/NaN|Infinity|undefined/);
      expect(isBalanced(picture)).toBe(true);
    }
  });

  it("is the same for the same plan", () => {
    expect(svgReport(subjectOf("stack prod", prod))).toBe(svg);
  });
});

/** Every element that is opened is closed, in order. */
function isBalanced(xml: string): boolean {
  const open: string[] = [];
  for (const [, close, name = "", single] of xml.matchAll(/<(\/?)([a-z]+)(?:\s[^<>]*?)?(\/?)>/g)) {
    if (single === "/") continue;
    if (close === "") open.push(name);
    else if (open.pop() !== name) return false;
  }
  return open.length === 0;
}

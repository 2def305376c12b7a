/** From rounds to tables, and from what h2load prints to figures. */
import { describe, expect, it } from "vitest";
import { withSections } from "../../bench/page.ts";
import { isAlike, type Round } from "../../bench/rounds.ts";
import { median, missingNote, ratios, ratioTable, spread } from "../../bench/tables.ts";
import { readH2load } from "../../bench/wrk.ts";

function round(perSecond: number, cpuMsPerCall: number | undefined, p99Ms?: number): Round {
  const latency = { p50Ms: p99Ms === undefined ? undefined : p99Ms / 2, p99Ms };
  return {
    calls: perSecond,
    seconds: 1,
    failures: 0,
    bytes: undefined,
    perSecond,
    cpuMsPerCall,
    besideBusy: 0.5,
    ...latency,
  };
}

describe("figures", () => {
  it("medians are of the middle, or between the two that are", () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, 0]);
  });

  it("a spread is the median with the least and the greatest", () => {
    expect([spread([3, 1, 2.04], 1), spread([], 1)]).toEqual(["2.0 (1.0–3.0)", "–"]);
  });

  it("ratios compare what was measured next to each other", () => {
    expect(ratios([10, undefined, 30, 5], [20, 20, 20, undefined])).toEqual([0.5, 1.5]);
  });

  it("what is not there is named", () => {
    expect([missingNote([]), missingNote(["nginx", "mcp-proxy"])]).toEqual(["", "\n\nNot here: nginx; mcp-proxy."]);
  });
});

describe("the table of ratios", () => {
  const measured = new Map([
    ["direct", [round(90, undefined, 1), round(110, undefined, 3)]],
    ["nginx", [round(50, 0.02, 2), round(40, 0.04, 2)]],
    ["ours", [round(25, 0.04, 4), round(30, 0.05, 6)]],
  ]);

  it("compares round by round, by throughput and by CPU time", () => {
    const lines = ["direct", "nginx", "ours"].map((lane) => ({ title: lane, lane, base: "nginx" }));
    expect(ratioTable(measured, lines).split("\n")).toEqual([
      "| through | calls/s | of nginx | CPU µs per call | per core, of nginx | p50 / p99 ms | other core busy |",
      "| --- | --- | --- | --- | --- | --- | --- |",
      "| direct | 100 (90–110) | 2.27 (1.80–2.75) | – | – | 1.00 / 2.00 | 0.50 (0.50–0.50) |",
      "| nginx | 45 (40–50) | 1.00 (1.00–1.00) | 30 (20–40) | 1.00 (1.00–1.00) | 1.00 / 2.00 | 0.50 (0.50–0.50) |",
      "| ours | 28 (25–30) | 0.63 (0.50–0.75) | 45 (40–50) | 0.65 (0.50–0.80) | 2.50 / 5.00 | 0.50 (0.50–0.50) |",
    ]);
  });

  it("counts what a call has many of, and has no ratio without a reference", () => {
    const line = { title: "ours", lane: "ours", base: undefined, unitsPerCall: 10 };
    expect(ratioTable(measured, [line], "events").split("\n").at(-1)).toBe(
      "| ours | 275 (250–300) | – | 4.5 (4.0–5.0) | – | 2.50 / 5.00 | 0.50 (0.50–0.50) |",
    );
  });
});

const H2LOAD = `starting benchmark...
finished in 1.00s, 18880.00 req/s, 4.59MB/s
requests: 18880 total, 18944 started, 18880 done, 18880 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 18870 2xx, 1 3xx, 2 4xx, 7 5xx
traffic: 4.59MB (4815120) total, 757.15KB (775320) headers (space savings 37.12%), 2.75MB (2888640) data
`;

describe("h2load", () => {
  it("is read with everything but 2xx as a failure", () => {
    expect(readH2load(H2LOAD)).toEqual({
      calls: 18870,
      seconds: 1,
      failures: 10,
      p50Ms: undefined,
      p99Ms: undefined,
      bytes: undefined,
    });
  });

  it("is shown with what it said when that is something else", () => {
    expect(() => readH2load("unable to connect")).toThrow("h2load said:\nunable to connect");
  });
});

describe("answers that nobody reads", () => {
  const counted = (calls: number, bytes: number | undefined) => ({ ...round(calls, undefined), bytes });

  it("are the same by their length, what is in flight at the end left aside", () => {
    const right = counted(1000, 500_000);
    expect(isAlike(right, counted(2000, 1_008_000), 10)).toBe(true);
    expect(isAlike(right, counted(2000, 920_000), 10)).toBe(false);
    expect(isAlike(right, counted(2000, 1_060_000), 10)).toBe(false);
    expect(isAlike(counted(4, 100_000), counted(2, 90_000), 4)).toBe(true);
    expect(isAlike(right, counted(2000, undefined), 10)).toBe(true);
  });
});

describe("the page", () => {
  it("gets its sections one by one, and keeps the others", () => {
    const page = "# Performance\n\nIntro.\n\n## A\n\nold\n\n## B\n\nkept\n";
    expect(withSections(page, { A: "new\n", C: "third" })).toBe(
      "# Performance\n\nIntro.\n\n## A\n\nnew\n\n## B\n\nkept\n\n## C\n\nthird\n",
    );
    expect(withSections(page, { A: "" })).toBe("# Performance\n\nIntro.\n\n## B\n\nkept\n");
  });
});

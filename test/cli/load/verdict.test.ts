import { describe, expect, it } from "vitest";
import { figuresOf } from "../../../cli/load/figures.ts";
import type { LoadReport, StepReport } from "../../../cli/load/report.ts";
import { Tally } from "../../../cli/load/tally.ts";
import { notesOf, verdictOf } from "../../../cli/load/verdict.ts";

/** A step of one second in which so many were answered in 10 ms. */
function step(name: string, good: number, more: Partial<StepReport> = {}): StepReport {
  const tally = new Tally();
  for (let index = 0; index < good; index += 1) tally.answered(10, true);
  tally.seconds = 1;
  return { name, ...figuresOf(tally, { "pid 7": good / 100 }), ...more };
}

function report(steps: readonly StepReport[], more: Partial<LoadReport> = {}): LoadReport {
  const [first = step("none", 0)] = steps;
  const { name: _, offeredRps: __, ...total } = first;
  return {
    verdict: "",
    outcome: "completed",
    startedAt: "2026-11-21T12:00:00.000Z",
    url: "http://127.0.0.1:4444/mcp",
    profile: "smoke",
    era: "legacy",
    mix: { "tools/call": 1 },
    sessions: 1,
    seed: 1,
    warmUpSeconds: 2,
    steps,
    total,
    workers: { source: "/proc of 7" },
    generator: { busyShare: 0.5, latenessP99Ms: 1 },
    machine: { cpu: "", cores: 1, memoryMiB: 1, runtime: "" },
    notes: [],
    ...more,
  };
}

const over = { how: "over" } as const;
const knee = (at: StepReport) => ({ profile: "step", knee: { step: at.name, throughput: at.throughput } }) as const;
const none = "None of 100 requests failed.";

describe("verdicts", () => {
  const [few, many] = [step("1 connection", 100), step("2 connections", 200)];
  const offered = (rps: number) => step(`${rps}/s`, 100, { offeredRps: rps });

  it.each([
    [
      "a knee",
      report([few, step("2 connections", 101)], knee(few)),
      "The knee is at 1 connection: 100 requests/s; more load adds less than 5 %.",
    ],
    [
      "a knee that was not reached",
      report([few, many], knee(many)),
      "The knee is at 2 connections: 200 requests/s; the last step, more may be possible.",
    ],
    [
      "a rate that was too much",
      report([offered(50), offered(150)], knee(offered(150))),
      "The knee is at 150/s: 100 requests/s; it did not keep up with what was offered.",
    ],
    [
      "a rate that was not",
      report([offered(100)], knee(offered(100))),
      "The knee is at 100/s: 100 requests/s; the last step, more may be possible.",
    ],
    [
      "a soak",
      report([offered(101)], { profile: "soak" }),
      "The gateway kept up: 100 of 101 requests/s offered, p99 10.0 ms.",
    ],
    [
      "a soak that is too much",
      report([offered(110)], { profile: "soak" }),
      "The gateway did not keep up: 100 of 110 requests/s offered, p99 10.0 ms.",
    ],
    ["a smoke", report([few]), "100 requests/s, p99 10.0 ms."],
  ])("of %s", (_, given, text) => {
    expect(verdictOf(given, over)).toBe(`${text} ${none}`);
  });

  it("of a run that was cut short", () => {
    expect(verdictOf(report([few]), { how: "interrupted" })).toBe(`Interrupted after 1.0 s of load. ${none}`);
    expect(verdictOf(report([few]), { how: "gone", why: "socket ECONNREFUSED" })).toBe(
      `The gateway was gone after 1.0 s of load: socket ECONNREFUSED. ${none}`,
    );
    expect(verdictOf(report([step("x", 0)]), { how: "interrupted" })).toBe(
      "Interrupted after 1.0 s of load. Nothing was answered.",
    );
  });

  it.each([
    [{ failed: 1, failedShare: 0.0005, failures: { timeout: 1 } }, "1 of 100 requests failed (<0.1 %), all timeout."],
    [
      { failed: 50, failedShare: 0.5, shed: 20, failures: { "tool error": 30, "HTTP 503": 20 } },
      "50 of 100 requests failed (50 %), most of them tool error (30); 20 were refused with 503.",
    ],
  ])("tell of failures: %#", (failures, text) => {
    expect(verdictOf(report([step("x", 100, failures)]), over)).toBe(`100 requests/s, p99 10.0 ms. ${text}`);
  });
});

describe("notes", () => {
  it("say what a reader has to know", () => {
    const { cpu: _, ...without } = step("1 connection", 100, { unsent: 1500, cut: 3 });
    const given = report([without], {
      generator: { busyShare: 0.97, latenessP99Ms: 12 },
      coldStartS: 2,
    });
    expect(notesOf(given)).toEqual([
      "The generator used 97 % of a core: the gateway may serve more than this; CPU per request is hardly touched by that.",
      "The generator was up to 12.0 ms late with its own arrivals (p99): this machine is too busy for the latencies of an open loop.",
      "1,500 arrivals found no connection before their step ended; they are in no latency.",
      "3 requests were in flight at the end and are in no figure.",
      "Steps without CPU figures used less CPU time than the clock of the system shows, or served nothing.",
      "The cold start is that of a gateway whose embedded database exists already: a first run takes longer.",
    ]);
    expect(notesOf(report([step("1 connection", 100)]))).toEqual([]);
  });
});

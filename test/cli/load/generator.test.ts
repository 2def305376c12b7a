import { describe, expect, it } from "vitest";
import { generate, type Load, type Ports } from "../../../cli/load/generator.ts";
import { seeded } from "../../../cli/load/random.ts";
import { answerOf, FakeClock, fakeServer, REFUSED, type Served } from "./fake.ts";

const good = answerOf(200, "good");
const full = answerOf(503, "full");

async function run(
  load: Load,
  serve: (now: number, index: number) => Served,
  more: Partial<Ports> = {},
  abortAtMs?: number,
) {
  const clock = new FakeClock();
  let index = -1;
  const server = fakeServer(clock, () => {
    index += 1;
    return serve(clock.now(), index);
  });
  const controller = new AbortController();
  if (abortAtMs !== undefined) clock.after(abortAtMs, () => controller.abort());
  const ports: Ports = {
    clock,
    open: server.open,
    random: seeded(1),
    ask: () => ({ text: "q", failureOf: ({ status }) => (status === 200 ? undefined : `HTTP ${status}`) }),
    ...more,
  };
  const { tally, ending } = await clock.run(generate(load, ports, controller.signal));
  const { good: answered, goodInTime, failed, shed, unsent, cut, maxInFlight, seconds, latency, lateness } = tally;
  return {
    ending,
    counts: { answered, goodInTime, failed, shed, unsent, cut, maxInFlight },
    failures: Object.fromEntries(tally.failures),
    firstFailure: tally.firstFailure,
    seconds,
    latencies: { count: latency.count, p50: latency.percentile(0.5), max: latency.maxMs },
    lateness,
    server: { opened: server.opened, closed: server.closed, requests: server.requests.length },
  };
}

describe("closed loop", () => {
  it("asks on each connection one after the other until the time is over", async () => {
    expect(
      await run({ kind: "closed", connections: 3, seconds: 1 }, () => ({ afterMs: 100, answer: good })),
    ).toMatchObject({
      ending: { how: "over" },
      // Answers at 100, 200, … 1000 ms; those at 1000 ms are still in time.
      counts: { answered: 30, goodInTime: 30, failed: 0, shed: 0, unsent: 0, cut: 0, maxInFlight: 3 },
      failures: {},
      firstFailure: undefined,
      seconds: 1,
      latencies: { count: 30, p50: 100, max: 100 },
      server: { opened: 3, closed: 3, requests: 30 },
    });
  });

  it("waits for what is under way at the end, and leaves it out of the throughput", async () => {
    const result = await run({ kind: "closed", connections: 2, seconds: 1 }, () => ({ afterMs: 300, answer: good }));
    expect(result.counts).toEqual({
      answered: 8,
      goodInTime: 6,
      failed: 0,
      shed: 0,
      unsent: 0,
      cut: 0,
      maxInFlight: 2,
    });
    expect(result.seconds).toBe(1);
  });

  it("counts failures by kind; refusals are in no latency, timeouts are", async () => {
    const kinds = [
      { afterMs: 100, answer: good },
      { afterMs: 1, answer: full },
      { afterMs: 400, answer: { kind: "timeout", unreached: false } },
      { afterMs: 5, answer: { kind: "socket ECONNRESET", unreached: false } },
    ];
    const result = await run(
      { kind: "closed", connections: 1, seconds: 1 },
      (_, index) => kinds[index % 4] ?? { afterMs: 1, answer: good },
    );
    expect(result).toMatchObject({
      counts: { answered: 2, goodInTime: 2, failed: 5, shed: 2 },
      failures: { "HTTP 503": 2, timeout: 2, "socket ECONNRESET": 1 },
      firstFailure: "HTTP 503: full",
      latencies: { count: 4, max: 400 },
    });
  });

  it("ends when nothing can be reached for two seconds, and tries ten times a second until then", async () => {
    const result = await run({ kind: "closed", connections: 1, seconds: 60 }, (now) =>
      now < 500 ? { afterMs: 10, answer: good } : { afterMs: 0, answer: REFUSED },
    );
    expect(result).toMatchObject({
      ending: { how: "gone", why: "socket ECONNREFUSED" },
      counts: { answered: 50, failed: 21 },
      failures: { "socket ECONNREFUSED": 21 },
      seconds: 2.5,
    });
  });

  it("goes on when the server comes back in time", async () => {
    const away = (now: number) => now >= 100 && now < 1900;
    const result = await run({ kind: "closed", connections: 1, seconds: 5 }, (now) => ({
      afterMs: 10,
      answer: away(now) ? REFUSED : good,
    }));
    expect([result.ending, result.failures]).toEqual([{ how: "over" }, { "socket ECONNREFUSED": 17 }]);
  });

  it("is cut when it is interrupted", async () => {
    const result = await run(
      { kind: "closed", connections: 4, seconds: 60 },
      () => ({ afterMs: 100, answer: good }),
      {},
      250,
    );
    expect(result).toMatchObject({
      ending: { how: "interrupted" },
      counts: { answered: 8, goodInTime: 8, cut: 4 },
      seconds: 0.25,
      server: { opened: 4, closed: 4 },
    });
  });
});

describe("open loop", () => {
  /** Gaps of exactly 1/rps. */
  const even = { random: () => 1 - 1 / Math.E };

  it("keeps the rate whatever the answers do, and opens connections as it needs them", async () => {
    const result = await run(
      { kind: "open", rps: 10, connections: 100, seconds: 2 },
      () => ({ afterMs: 450, answer: good }),
      even,
    );
    expect(result).toMatchObject({
      ending: { how: "over" },
      counts: { answered: 19, goodInTime: 15, unsent: 0, maxInFlight: 5 },
      seconds: 2,
      latencies: { count: 19, p50: 449.5355, max: 450 },
      server: { opened: 5, closed: 5 },
    });
  });

  it("counts latency from when a request was meant to be sent: a server that stalls for a second shows it in every later answer", async () => {
    // One connection, 10 arrivals a second, the second of them takes 1 s: those behind it wait.
    const result = await run(
      { kind: "open", rps: 10, connections: 1, seconds: 1.05 },
      (_, index) => ({ afterMs: index === 1 ? 700 : 1, answer: good }),
      even,
    );
    expect(result.counts).toMatchObject({ answered: 10, goodInTime: 10, unsent: 0, maxInFlight: 1 });
    // 1, 700, then 601, 502, 403, 304, 205, 106 (waiting included), then 7 and 1 ms.
    expect(result.latencies.max).toBeCloseTo(700, 6);
    expect(result.latencies.p50).toBeCloseTo(205, -1);
    expect(result.lateness.maxMs).toBe(0);
  });

  it("tells arrivals that never found a connection", async () => {
    const result = await run(
      { kind: "open", rps: 100, connections: 2, seconds: 1 },
      () => ({ afterMs: 250, answer: good }),
      even,
    );
    expect(result.counts).toMatchObject({ answered: 8, unsent: 91, maxInFlight: 2 });
  });

  it("arrives as a Poisson process of the rate", async () => {
    const result = await run({ kind: "open", rps: 1000, connections: 1000, seconds: 20 }, () => ({
      afterMs: 1,
      answer: good,
    }));
    // 20,000 expected; the standard deviation of a Poisson count is its root, 141. The seed is fixed.
    expect(Math.abs(result.counts.answered - 20_000)).toBeLessThan(3 * 141);
  });
});

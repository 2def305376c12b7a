/** A whole load test on a clock that only the test moves: the same report each time, to the last figure. */
import { describe, expect, it } from "vitest";
import { calibrationOf, caveatOf } from "../../../cli/load/calibrate.ts";
import type { Probe } from "../../../cli/load/probe.ts";
import type { Mix } from "../../../cli/load/questions.ts";
import type { LoadReport } from "../../../cli/load/report.ts";
import { type LoadOrder, runLoad } from "../../../cli/load/run.ts";
import { reportText } from "../../../cli/load/text.ts";
import { calibrationSchema } from "../../../contract/calibration.ts";
import { answerOf, FakeClock, fakeServer, type Served } from "./fake.ts";

const ENDPOINT = { url: new URL("http://127.0.0.1:4444/mcp"), token: "secret" };
const ECHO = {
  name: "time__echo",
  inputSchema: { properties: { message: { type: "string" } }, required: ["message"] },
};

type Asked = { readonly id: number; readonly method: string };

/** A gateway that serves one request at a time, 10 ms each, and refuses the one that would find more than `room` before it. */
function gateway(clock: FakeClock, room: number) {
  let busyUntil = 0;
  let cpuSeconds = 0;
  const sessions = { opened: 0, closed: 0 };
  const work = (answer: Served["answer"]): Served => {
    busyUntil = Math.max(busyUntil, clock.now()) + 10;
    cpuSeconds += 0.008;
    return { afterMs: busyUntil - clock.now(), answer };
  };
  const server = fakeServer(clock, (request) => {
    if (request.startsWith("GET /version"))
      return { afterMs: 1, answer: answerOf(200, '{"version":"1.2.3","engine":"fastify"}') };
    if (request.startsWith("DELETE")) {
      sessions.closed += 1;
      return { afterMs: 1, answer: answerOf(204, "") };
    }
    const { id, method } = JSON.parse(request.slice(request.indexOf("\r\n\r\n"))) as Asked;
    const result = (value: object) =>
      answerOf(200, JSON.stringify({ jsonrpc: "2.0", id, result: value }), { "mcp-session-id": "s" });
    if (method === "initialize") {
      sessions.opened += 1;
      return { afterMs: 1, answer: result({}) };
    }
    if (method === "notifications/initialized") return { afterMs: 1, answer: answerOf(202, "") };
    if (method === "tools/list") return { afterMs: 1, answer: result({ tools: [ECHO] }) };
    if (busyUntil - clock.now() > room * 10)
      return {
        afterMs: 1,
        answer: answerOf(503, `{"jsonrpc":"2.0","id":${id},"error":{"code":-32000,"message":"full"}}`),
      };
    return work(result({ content: [] }));
  });
  const probe: Probe = {
    source: "/proc of 7",
    everyMs: 250,
    read: () =>
      Promise.resolve([
        { worker: "pid 7", cpuSeconds, residentBytes: (100 + sessions.opened - sessions.closed) * 2 ** 20 },
      ]),
  };
  return { server, probe, sessions };
}

async function run(more: Partial<LoadOrder>, { room = 1000, abortAtMs }: { room?: number; abortAtMs?: number } = {}) {
  const clock = new FakeClock();
  const { server, probe, sessions } = gateway(clock, room);
  const controller = new AbortController();
  if (abortAtMs !== undefined) clock.after(abortAtMs, () => controller.abort());
  const order: LoadOrder = {
    profile: "smoke",
    seconds: 10,
    era: "legacy",
    mix: new Map([["tools/call", 1]]),
    wanted: {},
    seed: 1,
    endpoint: ENDPOINT,
    ...more,
  };
  const report = await clock.run(
    runLoad(order, {
      clock,
      wallClock: () => new Date("2026-11-21T12:00:00Z"),
      open: server.open,
      probe: () => probe,
      ownCpuSeconds: () => clock.now() / 4000,
      machine: { cpu: "Test CPU", cores: 2, memoryMiB: 2048, runtime: "v26.0.0" },
      signal: controller.signal,
      progress: () => undefined,
    }),
  );
  return { report, sessions, server };
}

describe("a load test", () => {
  it("reports exactly what happened, ends its sessions and closes its connections", async () => {
    const { report, sessions, server } = await run({});
    const figures = {
      seconds: 10,
      requests: 1001,
      good: 1001,
      failed: 0,
      failedShare: 0,
      shed: 0,
      shedShare: 0,
      unsent: 0,
      cut: 0,
      maxInFlight: 2,
      throughput: 100,
      latencyMs: { p50: 20, p90: 20, p99: 20, p999: 20, max: 20 },
      failures: {},
    };
    const cpu = { msPerRequest: 8, requestsPerCpuSecond: 125 };
    expect(roundedCpu(report)).toEqual({
      verdict: "100 requests/s, p99 20.0 ms. None of 1,001 requests failed.",
      outcome: "completed",
      startedAt: "2026-11-21T12:00:00.000Z",
      url: "http://127.0.0.1:4444/mcp",
      gateway: { version: "1.2.3", engine: "fastify" },
      profile: "smoke",
      era: "legacy",
      mix: { "tools/call": 1 },
      tool: { name: "time__echo", arguments: { message: "load" } },
      sessions: 2,
      seed: 1,
      warmUpSeconds: 2,
      steps: [
        {
          name: "2 connections",
          connections: 2,
          ...figures,
          cpu: { seconds: 8.008, ...cpu, workers: { "pid 7": 8.008 } },
          peakMiB: 102,
        },
      ],
      total: { ...figures, cpu: { seconds: 8.008, ...cpu, workers: { "pid 7": 8.008 } } },
      workers: { source: "/proc of 7" },
      memory: { beforeMiB: 100, peakMiB: 102, afterMiB: 102 },
      generator: { busyShare: 0.25, latenessP99Ms: 0 },
      machine: { cpu: "Test CPU", cores: 2, memoryMiB: 2048, runtime: "v26.0.0" },
      notes: [],
    });
    expect(sessions).toEqual({ opened: 2, closed: 2 });
    expect(server.closed).toBeGreaterThanOrEqual(server.opened);
  });

  it("is told to people with the verdict first", async () => {
    const { report } = await run({ profile: "spike", rps: 40, seconds: 6, sessions: 100, seed: 3 }, { room: 5 });
    expect(reportText(report)).toBe(
      `In the spike 99.5 of 400 requests/s were served and 75 % refused; p99 54.7 ms before, 34.2 ms after. 610 of 976 requests failed (63 %), all HTTP 503, JSON-RPC -32000.

load      offered/s  good/s  requests  failed   503  p50 ms    p90    p99  p99.9    max  CPU ms/request  requests/CPU s  MiB
base           40.0    40.0        81     0 %     –   10.02  34.69  54.66  54.66  54.78           8.000             125  200
spike           400    99.5       815    75 %  75 %   57.98  59.78  59.99  59.99  59.99           8.000             125  200
after          40.0    39.5        80     0 %     –   10.02  22.46  34.18  34.18  34.22           8.000             125  200
together          –    59.7       976    63 %  63 %   53.63  59.52  59.99  59.99  59.99           8.000             125    –

failures
HTTP 503, JSON-RPC -32000  610 (63 %)
the first                  HTTP 503, JSON-RPC -32000: {"jsonrpc":"2.0","id":100000131,"error":{"code":-32000,"message":"full"}}

gateway      http://127.0.0.1:4444/mcp, version 1.2.3, engine fastify
asked        legacy era, 100 legacy sessions; tools/call 100 %
tool         time__echo {"message":"load"}
profile      spike, seed 3, 6.0 s after 1.2 s of warm-up
workers      read from /proc of 7; CPU 2.9 s
memory       100 MiB before, 200 at most, 200 after
per session  1048576 bytes
generator    at most 25 % of a core, p99 0.00 ms late with arrivals
machine      2 cores (Test CPU), 2048 MiB, Node v26.0.0
started      2026-11-21T12:00:00.000Z
`,
    );
  });

  it("asks the same again from the same seed, something else from another", async () => {
    const mix: Mix = new Map([
      ["tools/call", 0.5],
      ["tools/list", 0.5],
    ]);
    const order = { era: "mixed", mix, rps: 20, seconds: 2 } as const;
    const first = await run(order);
    expect((await run(order)).server.requests).toEqual(first.server.requests);
    expect((await run({ ...order, seed: 2 })).server.requests).not.toEqual(first.server.requests);
  });

  it("draws methods, eras and sessions by their shares", async () => {
    const mix = new Map([
      ["tools/call", 0.8],
      ["tools/list", 0.2],
    ] as const);
    const { server } = await run({ era: "mixed", mix, connections: 1, sessions: 3, seconds: 10 });
    const load = server.requests.filter((request) => /"method":"tools\/(?:call|list)"/.test(request)).slice(1);
    const share = (pattern: RegExp) => load.filter((request) => pattern.test(request)).length / load.length;
    // About 1,200 requests: a share of one half is off by more than 0.045 in one of 500 seeds; this seed is fixed.
    expect(load.length).toBeGreaterThan(1000);
    expect(Math.abs(share(/mcp-protocol-version: 2026-07-28/) - 0.5)).toBeLessThan(0.045);
    expect(Math.abs(share(/"method":"tools\/call"/) - 0.8)).toBeLessThan(0.045);
    expect(share(/authorization: Bearer secret\r\n/)).toBe(1);
    expect(share(/mcp-session-id: s\r\n/) + share(/mcp-protocol-version: 2026-07-28/)).toBe(1);
    expect(share(/mcp-name: time__echo\r\n/)).toBe(share(/2026-07-28[\s\S]*"name":"time__echo"/));
  });

  it("finds the knee of a server that serves one at a time", async () => {
    const { report } = await run({ profile: "step", connections: 8, seconds: 4 });
    expect(report.steps.map(({ name, throughput }) => [name, throughput])).toEqual([
      ["1 connection", 100],
      ["2 connections", 100],
      ["4 connections", 100],
      ["8 connections", 100],
    ]);
    expect([report.knee, report.verdict]).toEqual([
      { step: "1 connection", throughput: 100 },
      "The knee is at 1 connection: 100 requests/s; more load adds less than 5 %. None of 411 requests failed.",
    ]);
  });

  it("is interrupted, and reports what it has", async () => {
    const { report, sessions } = await run({}, { abortAtMs: 5000 });
    expect(report.outcome).toBe("interrupted");
    expect(report.verdict).toMatch(/^Interrupted after 3\.0 s of load\. None of 29\d requests failed\.$/);
    expect(report.total.cut).toBe(2);
    expect(sessions).toEqual({ opened: 2, closed: 2 });
    expect(() => calibrationOf(report)).toThrow("no calibration was written: the load test did not run to its end");
  });

  it("measures what a session costs in memory", async () => {
    expect((await run({ sessions: 100, seconds: 1 })).report.bytesPerSession).toBe(2 ** 20);
    expect((await run({ sessions: 99, seconds: 1 })).report.bytesPerSession).toBeUndefined();
  });
});

describe("calibration", () => {
  it("is what the plan reads, from the step that served most", async () => {
    const { report } = await run({ profile: "step", connections: 2, sessions: 100, seconds: 2 });
    const calibration = calibrationOf({ ...report, coldStartS: 1.5 });
    expect(calibrationSchema.parse(JSON.parse(JSON.stringify(calibration)))).toEqual({
      measuredAt: "2026-11-21T12:00:00.000Z",
      version: "1.2.3",
      engine: "fastify",
      machine: { cpu: "Test CPU", cores: 2, memoryMiB: 2048, runtime: "v26.0.0" },
      load: { profile: "step", era: "legacy", mix: { "tools/call": 1 }, requests: 201, errorShare: 0 },
      rpsPerWorker: expect.closeTo(125, 6),
      bytesPerSession: 2 ** 20,
      workerBaseMiB: 100,
      coldStartS: 1.5,
    });
  });

  it("bounds the memory of a request where many were in flight", async () => {
    const { report } = await run({ seconds: 1 });
    const withMany = (maxInFlight: number) =>
      calibrationOf({ ...report, steps: report.steps.map((step) => ({ ...step, maxInFlight, peakMiB: 300 })) });
    // 200 MiB more than before the test.
    expect(withMany(2000).bytesPerRequest).toBe(104_858);
    expect(withMany(999).bytesPerRequest).toBeUndefined();
  });

  it("says so where the worker was far from full use", async () => {
    const { report } = await run({ seconds: 1 });
    expect(caveatOf(report)).toBeUndefined();
    const half = report.steps.map((step) => ({ ...step, seconds: 2 * step.seconds }));
    expect(caveatOf({ ...report, steps: half })).toBe(
      "the workers were busy 40 % of the time. At full use they serve more per CPU second: --profile step, and no neighbours on the machine, get there.",
    );
  });

  it("is not made from a load test that cannot say it", async () => {
    const { report } = await run({ seconds: 1 });
    const refused = (change: Partial<LoadReport>) => {
      try {
        return calibrationOf({ ...report, ...change });
      } catch (error) {
        return error instanceof Error ? error.message : error;
      }
    };
    const [step] = report.steps;
    if (step === undefined) throw new Error("no step");
    const failing = { ...step, failedShare: 0.02 };
    const { gateway: _, ...rest } = report;
    expect(() => calibrationOf(rest)).toThrow(
      "no calibration was written: the gateway does not tell its version to this caller (GET /version)",
    );
    expect(refused({ gateway: { version: "1" } })).toBe(
      "no calibration was written: engine undefined is not one of fastify, bounded",
    );
    expect(refused({ workers: { unreachable: "/metrics was answered with HTTP 403" } })).toBe(
      "no calibration was written: the CPU time of the workers cannot be reached: /metrics was answered with HTTP 403",
    );
    const tooManyFailed =
      "no calibration was written: where it served most, more than 1 % of the requests failed, or there was no CPU time to be seen";
    expect(refused({ steps: [failing] })).toBe(tooManyFailed);
    expect(refused({ steps: [{ ...step, throughput: step.throughput * 0.7 }, failing] })).toBe(tooManyFailed);
    expect(refused({ steps: [{ ...step, throughput: step.throughput * 0.9 }, failing] })).toMatchObject({
      rpsPerWorker: expect.closeTo(125, 6),
    });
  });
});

/** Sums of 0.008 are not exact. */
function roundedCpu(report: LoadReport): unknown {
  return JSON.parse(JSON.stringify(report), (_, value) =>
    typeof value === "number" ? Number(value.toFixed(6)) : value,
  );
}

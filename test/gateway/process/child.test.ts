import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type ChildMessage,
  lineLog,
  relayLogLine,
  restartDelayMs,
  type SupervisedChild,
  type SuperviseOptions,
  superviseChild,
} from "../../../gateway/process/index.ts";
import { isAlive, type LogLine, rememberingLog } from "../upstreams/fixtures/stdio-client.ts";

let directory: string;
let lines: LogLine[];
let started: SupervisedChild[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "child-test-"));
  lines = [];
  started = [];
});
afterEach(async () => {
  await Promise.all(started.map((child) => child.stop(0)));
  await rm(directory, { recursive: true });
});

function supervise(config: object, more: Partial<SuperviseOptions> = {}): SupervisedChild {
  const child = superviseChild({
    entry: new URL("./fixtures/service.ts", import.meta.url),
    env: { PATH: "/bin" },
    name: "service",
    log: rememberingLog(lines),
    config,
    readyTimeoutMs: 30_000,
    restart: { minMs: 10, maxMs: 60_000 },
    ...more,
  });
  started.push(child);
  return child;
}

describe("a supervised child", () => {
  test("becomes ready with its message, sees only the environment given, and its output goes to the log", async () => {
    const messages: ChildMessage[] = [];
    const child = supervise({}, { onMessage: (message) => void messages.push(message) });
    expect(await child.ready).toEqual({ type: "ready", service: "test", pid: child.pid });
    expect(child.status()).toEqual({ state: "running", restarts: 0, failures: 0, lastFailure: undefined });
    await vi.waitFor(() => expect(lines).toHaveLength(3), 60_000);
    const base = { process: "service" };
    expect(lines).toContainEqual({ level: "info", event: "service.started", fields: { ...base, answer: 42 } });
    expect(lines).toContainEqual({
      level: "warn",
      event: "process.output",
      fields: { ...base, line: "this is on stdout" },
    });
    expect(lines).toContainEqual({
      level: "warn",
      event: "process.output",
      fields: { ...base, line: "this is on stderr" },
    });
    // What the platform adds by itself (macOS: __CF_USER_TEXT_ENCODING) is not ours.
    const names = messages[0]?.environment as string[];
    expect(names.filter((name) => !name.startsWith("__") && !name.startsWith("NODE_CHANNEL"))).toEqual(["PATH"]);
  });

  test("stops in good order when asked, and stopping twice is one stop", async () => {
    const marker = join(directory, "marker");
    const child = supervise({ marker });
    await child.ready;
    const pid = child.pid ?? 0;
    await Promise.all([child.stop(30_000), child.stop(30_000)]);
    expect(await readFile(marker, "utf8")).toBe("stopped in good order");
    expect([isAlive(pid), child.pid, child.status().state]).toEqual([false, undefined, "stopped"]);
    await child.stop(1);
  });

  test("is killed at the deadline when it does not stop", async () => {
    const child = supervise({ mode: "stubborn" });
    await child.ready;
    const pid = child.pid ?? 0;
    await child.stop(200);
    expect(isAlive(pid)).toBe(false);
  });

  test("is restarted after a kill -9", async () => {
    const crashes: string[] = [];
    const child = supervise({}, { onCrash: (reason) => void crashes.push(reason) });
    const first = await child.ready;
    const restarted = new Promise<ChildMessage>((resolve) => child.onRestart(resolve));
    process.kill(child.pid ?? 0, "SIGKILL");
    const second = await restarted;
    expect([second.service, second.pid === first.pid]).toEqual(["test", false]);
    expect(crashes).toEqual(["signal SIGKILL; its last line: this is on stderr"]);
    expect(child.status()).toMatchObject({ state: "running", restarts: 1, failures: 1 });
  });

  test("shows a crash loop", async () => {
    const child = supervise({ mode: "crash" });
    await child.ready;
    await vi.waitFor(() => expect(child.status().failures).toBeGreaterThan(1), 60_000);
    expect(child.status().lastFailure).toMatch(/^exit code 9/);
    await child.stop(1000);
    expect(child.status().state).toBe("stopped");
  });

  test.each([
    ["fail", "no room for this service", 30_000],
    ["exit", "exit code 7", 30_000],
    ["hang", "not ready within 700 ms", 700],
  ])(
    "that never becomes ready (%s) rejects with the reason and is not restarted",
    async (mode, reason, readyTimeoutMs) => {
      const child = supervise({ mode }, { readyTimeoutMs });
      await expect(child.ready).rejects.toThrow(`service did not start: ${reason}`);
      expect(child.status()).toEqual({ state: "stopped", restarts: 0, failures: 1, lastFailure: reason });
      expect(child.pid).toBeUndefined();
    },
  );
});

test("the restart delay grows from half to the whole of minMs·2^(n-1) and never passes maxMs", () => {
  expect([1, 2, 3, 10].map((n) => restartDelayMs(n, 100, 1000, 0))).toEqual([50, 100, 200, 500]);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (n, random) => {
        const delay = restartDelayMs(n, 200, 10_000, random);
        expect(delay).toBeGreaterThanOrEqual(100);
        expect(delay).toBeLessThanOrEqual(10_000);
      },
    ),
  );
});

test("a log record of a child arrives whole, any other line is one event of bounded length", () => {
  const written: string[] = [];
  const long = "x".repeat(5000);
  lineLog((line) => void written.push(line))
    .child({ a: 1 })
    .error("x.y", { b: `two\nlines ${long}` });
  expect(written).toHaveLength(1);
  expect(written[0]?.indexOf("\n")).toBe((written[0]?.length ?? 0) - 1);
  const log = rememberingLog(lines);
  relayLogLine(log, written[0]?.trimEnd() ?? "");
  for (const other of ['{"level":"fatal","event":"e","fields":{}}', '{"level":', long]) relayLogLine(log, other);
  expect(lines).toEqual([
    { level: "error", event: "x.y", fields: { a: 1, b: `two\nlines ${long}` } },
    { level: "warn", event: "process.output", fields: { line: '{"level":"fatal","event":"e","fields":{}}' } },
    { level: "warn", event: "process.output", fields: { line: '{"level":' } },
    { level: "warn", event: "process.output", fields: { line: "x".repeat(4096) } },
  ]);
});

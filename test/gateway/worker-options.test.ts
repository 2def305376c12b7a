import { describe, expect, it } from "vitest";
import { loadSettings } from "../../gateway/settings/index.ts";
import { autoWorkers, heapOfWorker, requestsUntilReplaced, workerOptions } from "../../gateway/worker-options.ts";

const optionsFor = (env: Readonly<Record<string, string>>, cpus: number) =>
  workerOptions(loadSettings({ env, envFile: false }).settings, cpus);

describe("workerOptions", () => {
  it("is one process that nobody supervises where nothing is set", () => {
    expect(optionsFor({}, 4)).toEqual({
      workers: 1,
      mode: "st",
      threads: 1,
      timeoutMs: 30_000,
      maxRequests: 0,
      maxRequestsJitter: 0,
      memoryBytes: undefined,
      respawn: true,
      preload: true,
      reload: false,
    });
  });

  it("takes every setting over", () => {
    const env = {
      HTTP_SERVER: "bounded",
      WORKERS: "6",
      RUNTIME_MODE: "mt",
      RUNTIME_THREADS: "3",
      WORKER_TIMEOUT: "600",
      WORKER_MAX_REQUESTS: "100000",
      WORKER_MAX_REQUESTS_JITTER: "100",
      WORKER_MEMORY: "512MiB",
      WORKER_RESPAWN: "False",
      PRELOAD: "False",
      DEV_RELOAD: "True",
    };
    expect(optionsFor(env, 4)).toEqual({
      workers: 6,
      mode: "mt",
      threads: 3,
      timeoutMs: 600_000,
      maxRequests: 100_000,
      maxRequestsJitter: 100,
      memoryBytes: 512 * 1024 * 1024,
      respawn: false,
      preload: false,
      reload: true,
    });
  });

  it.each([
    ["fastify", 1, 3],
    ["fastify", 2, 5],
    ["fastify", 7, 15],
    ["fastify", 8, 16],
    ["fastify", 64, 16],
    ["bounded", 1, 1],
    ["bounded", 15, 15],
    ["bounded", 64, 16],
  ] as const)("auto is for %s on %i cores %i workers", (engine, cpus, workers) => {
    expect(autoWorkers(engine, cpus)).toBe(workers);
    expect(optionsFor({ HTTP_SERVER: engine, WORKERS: "auto" }, cpus).workers).toBe(workers);
  });

  it.each([
    ["bounded", "auto", "8", "st"],
    ["bounded", "auto", "9", "mt"],
    ["bounded", "st", "9", "st"],
    ["bounded", "mt", "1", "mt"],
    ["fastify", "mt", "9", "st"],
  ])("%s in mode %s with %s workers runs in %s", (engine, mode, workers, chosen) => {
    const { mode: actual, threads } = optionsFor(
      { HTTP_SERVER: engine, RUNTIME_MODE: mode, WORKERS: workers, RUNTIME_THREADS: "4" },
      2,
    );
    expect([actual, threads]).toEqual([chosen, chosen === "mt" ? 4 : 1]);
  });

  it.each([
    [{ maxRequests: 0, maxRequestsJitter: 50 }, 1, 0],
    [{ maxRequests: 1000, maxRequestsJitter: 100 }, 0, 900],
    [{ maxRequests: 1000, maxRequestsJitter: 100 }, 0.5, 1000],
    [{ maxRequests: 1000, maxRequestsJitter: 100 }, 1, 1100],
    [{ maxRequests: 10, maxRequestsJitter: 100 }, 0, 1],
  ])("replaces a worker of %o at %f after %i requests", (options, random, requests) => {
    expect(requestsUntilReplaced(options, random)).toBe(requests);
  });

  it.each([
    [undefined, [], undefined],
    [512 * 1024 * 1024, [], 512],
    [512 * 1024 * 1024, ["--max-old-space-size=251"], 251],
    [undefined, ["--trace-gc", "--max_old_space_size=100", "--max-old-space-size=251"], 251],
  ])("a worker that may have %s bytes under node %j has a heap of %s MiB", (memoryBytes, flags, heap) => {
    expect(heapOfWorker({ memoryBytes }, flags)).toBe(heap);
  });

  it("spreads replacements over a tenth of the requests unless told otherwise", () => {
    expect(optionsFor({ WORKER_MAX_REQUESTS: "1005" }, 1).maxRequestsJitter).toBe(100);
    expect(optionsFor({ WORKER_MAX_REQUESTS: "1005", WORKER_MAX_REQUESTS_JITTER: "0" }, 1).maxRequestsJitter).toBe(0);
  });
});

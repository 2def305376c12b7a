/** The report of a load test: what machines read with --json, and what the text for people is made of. */
import type { Profile } from "./profiles.ts";
import type { ToolCall } from "./tools.ts";

export type Latency = {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
};

export type Cpu = {
  readonly seconds: number;
  readonly msPerRequest: number;
  /** Good answers per CPU second: what one worker on one core serves at full use. */
  readonly requestsPerCpuSecond: number;
  /** CPU seconds of each worker. */
  readonly workers: Readonly<Record<string, number>>;
};

export type Figures = {
  readonly seconds: number;
  /** Answered, refused and failed; not those of `unsent` and `cut`. */
  readonly requests: number;
  readonly good: number;
  readonly failed: number;
  readonly failedShare: number;
  /** Refused with HTTP 503. */
  readonly shed: number;
  readonly shedShare: number;
  /** Arrivals that found no connection in time. */
  readonly unsent: number;
  /** In flight when the run was interrupted. */
  readonly cut: number;
  readonly maxInFlight: number;
  /** Good answers per second within the step. */
  readonly throughput: number;
  readonly latencyMs: Latency;
  readonly failures: Readonly<Record<string, number>>;
  readonly firstFailure?: string;
  readonly cpu?: Cpu;
};

export type StepReport = Figures & {
  readonly name: string;
  /** Open loop only, as good answers per second are then compared with it. */
  readonly offeredRps?: number;
  readonly connections?: number;
  /** Greatest resident memory of all workers together within the step. */
  readonly peakMiB?: number;
};

export type Memory = { readonly beforeMiB: number; readonly peakMiB: number; readonly afterMiB: number };

export type LoadReport = {
  readonly verdict: string;
  readonly outcome: "completed" | "interrupted" | "gone";
  readonly startedAt: string;
  readonly url: string;
  /** As /version says, where the caller may ask. */
  readonly gateway?: { readonly version: string; readonly engine?: string };
  readonly profile: Profile;
  readonly era: "legacy" | "modern" | "mixed";
  readonly mix: Readonly<Record<string, number>>;
  readonly tool?: ToolCall;
  /** Legacy sessions that the clients shared. */
  readonly sessions: number;
  readonly seed: number;
  readonly warmUpSeconds: number;
  readonly steps: readonly StepReport[];
  readonly total: Figures;
  /** Of the profile step. */
  readonly knee?: { readonly step: string; readonly throughput: number };
  /** Where CPU and memory come from, or why there are none. */
  readonly workers: { readonly source: string } | { readonly unreachable: string };
  readonly memory?: Memory;
  readonly bytesPerSession?: number;
  readonly coldStartS?: number;
  readonly generator: {
    /** Of one core: near 1 the generator is the bottleneck and the throughput is its own. */
    readonly busyShare: number;
    readonly latenessP99Ms: number;
  };
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryMiB: number;
    readonly runtime: string;
  };
  /** What a reader has to know to judge the figures. */
  readonly notes: readonly string[];
};

/**
 * One workload on this machine: started, asked until it is ready, watched, started again with growing pauses when it ends by itself. Its
 * failure is its own; whoever waits for it is told.
 */
import type { Probe, Workload } from "../../topology/index.ts";
import { type Disk, layFiles, layVolumes } from "./layout.ts";
import { lastLines, logFile, sizeOf } from "./logs.ts";
import { ask } from "./probe.ts";
import type { Identity } from "./proc.ts";
import { contextOf, type Ended, endText, type Started, signalTo, startProcess, stopProcess, sweep } from "./process.ts";
import type { User } from "./users.ts";

export type UnitState =
  | "waiting"
  | "starting"
  | "ready"
  | "not ready"
  | "ended"
  | "failed"
  | "stopping"
  | "stopped"
  | "done";

export type UnitStatus = {
  readonly state: UnitState;
  readonly identity: Identity | null;
  /** Milliseconds since 1970 of the present state. */
  readonly since: number;
  /** Starts after the first. */
  readonly restarts: number;
  /** Why it ended, or does not get ready, with what it printed last. */
  readonly failure: string | null;
};

export type UnitContext = {
  readonly disk: Disk;
  readonly user: User | undefined;
  readonly logs: string;
  /** Where probes ask. */
  readonly host: string;
  readonly pause: { readonly minMs: number; readonly maxMs: number };
  /** After every change of the status. */
  onChange(): void;
  say(sentence: string): void;
};

/** Ends in a row after which it is called failed; it is tried again all the same, at the longest pause. */
const FAILED_AFTER = 3;
const LAST_LINES = 15;
/** Between two questions of a start: a probe's own period is for a platform that asks thousands. */
const START_POLL_MS = 200;

export class Unit {
  workload: Workload;
  readonly #context: UnitContext;
  #status: UnitStatus = { state: "waiting", identity: null, since: Date.now(), restarts: 0, failure: null };
  #started: Started | undefined;
  #failures = 0;
  #running: Promise<void> = Promise.resolve();
  #stopped = new AbortController();

  constructor(workload: Workload, context: UnitContext) {
    this.workload = workload;
    this.#context = context;
  }

  get status(): UnitStatus {
    return this.#status;
  }

  /**
   * Resolves when it is ready, or done where it is a job. Rejects with RangeError and what it printed last where it fails again and again;
   * it is tried further on.
   */
  start(): Promise<void> {
    this.#stopped = new AbortController();
    this.#failures = 0;
    const up = Promise.withResolvers<void>();
    this.#running = this.#keep(up, this.#stopped.signal);
    return up.promise;
  }

  /** `waitMs` before the signal: until nobody sends anything new. Idempotent. */
  async stop(waitMs: number): Promise<void> {
    const { shutdown } = this.workload;
    const identity = this.#started?.identity;
    const isAlive = this.#started?.hasEnded() === false;
    if (isAlive) this.#change("stopping");
    this.#stopped.abort();
    if (identity !== undefined && isAlive) {
      await pause(waitMs);
      const outcome = await stopProcess(identity, shutdown.signal, Math.max(0, shutdown.graceS * 1000 - waitMs));
      if (outcome === "killed")
        this.#context.say(`${this.workload.name} did not end within ${shutdown.graceS} s and was killed`);
    }
    await this.#running;
    if (this.#status.state !== "done") this.#change("stopped");
  }

  /** Other files for the process that runs, which it reads at the signal, or by itself. */
  reload(workload: Workload): void {
    this.workload = workload;
    layFiles(workload, this.#context.disk, this.#context.user);
    const identity = this.#started?.identity;
    if (workload.reload !== null && identity !== undefined) signalTo(identity, workload.reload);
  }

  async #keep(up: PromiseWithResolvers<void>, stopped: AbortSignal): Promise<void> {
    for (let first = true; !stopped.aborted; first = false) {
      const failure = await this.#once(up, stopped, first).catch(reasonOf);
      if (failure === undefined || stopped.aborted) break;
      this.#failures++;
      const isFailed = this.#failures >= this.#allowedFailures();
      this.#change(isFailed ? "failed" : "ended", failure);
      const delayMs = this.#delayMs();
      const isOver = isFailed && this.workload.shape.kind === "job";
      this.#context.say(`${this.workload.name}: ${failure}${isOver ? "" : `\nstarting again in ${delayMs / 1000} s`}`);
      if (isFailed) up.reject(new RangeError(`${this.workload.name}: ${failure}`));
      if (isOver) break;
      await pause(delayMs, stopped);
    }
    up.reject(new RangeError(`${this.workload.name} was stopped before it was ready`));
  }

  #allowedFailures(): number {
    const { shape } = this.workload;
    return shape.kind === "job" ? shape.retries + 1 : FAILED_AFTER;
  }

  #delayMs(): number {
    const { minMs, maxMs } = this.#context.pause;
    return Math.min(maxMs, minMs * 2 ** Math.min(this.#failures - 1, 20));
  }

  /** One life of the process: undefined where it ended as it should, else why it did not. */
  async #once(up: PromiseWithResolvers<void>, stopped: AbortSignal, first: boolean): Promise<string | undefined> {
    const { workload } = this;
    const { disk, user, logs } = this.#context;
    layVolumes(workload, disk, user);
    layFiles(workload, disk, user);
    const logStart = sizeOf(logFile(logs, workload.name));
    const started = await startProcess(workload, logs, user);
    this.#started = started;
    if (!first) this.#status = { ...this.#status, restarts: this.#status.restarts + 1 };
    this.#status = { ...this.#status, identity: started.identity };
    this.#change("starting");
    const watching = new AbortController();
    const reason = workload.shape.kind === "job" ? this.#runJob(started) : this.#watch(started, up, watching.signal);
    const failure = await Promise.race([started.ended.then(() => undefined), reason]);
    watching.abort();
    const { signal, graceS } = workload.shutdown;
    if (failure !== undefined && !stopped.aborted) await stopProcess(started.identity, signal, graceS * 1000);
    const ended = await started.ended;
    if (!stopped.aborted) sweep(started.identity);
    this.#status = { ...this.#status, identity: null };
    if (workload.shape.kind === "job" && ended.code === 0) {
      this.#change("done");
      up.resolve();
      return undefined;
    }
    if (stopped.aborted) return undefined;
    return this.#describe(failure, ended, logStart);
  }

  #describe(failure: string | undefined, ended: Ended, logStart: number): string {
    const lines = lastLines(logFile(this.#context.logs, this.workload.name), LAST_LINES, logStart);
    const printed =
      lines.length === 0 ? "it printed nothing" : `it printed last:\n${lines.map((line) => `  ${line}`).join("\n")}`;
    return `${failure ?? `ended with ${endText(ended)}`}; ${printed}`;
  }

  /** Resolves with the reason when its time is over. */
  async #runJob(started: Started): Promise<string | undefined> {
    const { shape } = this.workload;
    const deadlineS = shape.kind === "job" ? shape.deadlineS : 0;
    const timeout = new AbortController();
    void started.ended.then(() => timeout.abort());
    await pause(deadlineS * 1000, timeout.signal);
    return started.hasEnded() ? undefined : `was not done within ${deadlineS} s`;
  }

  /** Asks until it is ready, and goes on asking. Resolves with the reason when it has to be started again. */
  async #watch(started: Started, up: PromiseWithResolvers<void>, over: AbortSignal): Promise<string | undefined> {
    const { probes } = this.workload;
    if (probes !== null) {
      const { startup, readiness, liveness } = probes;
      const refusal =
        (await this.#until(startup, budgetMs(startup), over)) ??
        (await this.#until(readiness, budgetMs(startup), over));
      if (over.aborted) return undefined;
      if (refusal !== undefined) return `did not get ready within ${budgetMs(startup) / 1000} s: ${refusal}`;
      this.#ready(up);
      return await Promise.race([this.#followReadiness(readiness, over), this.#followLiveness(liveness, over)]);
    }
    if (!started.hasEnded()) this.#ready(up);
    return await started.ended.then(() => undefined);
  }

  #ready(up: PromiseWithResolvers<void>): void {
    this.#change("ready", null);
    up.resolve();
    const stableMs = this.#context.pause.maxMs;
    const identity = this.#status.identity;
    // Ends in a row count only without a while of work between them.
    setTimeout(() => {
      if (this.#status.identity === identity && this.#status.state === "ready") this.#failures = 0;
    }, stableMs).unref();
  }

  /** Undefined when the answer was yes, else the last no. */
  async #until(probe: Probe, budget: number, over: AbortSignal): Promise<string | undefined> {
    const end = performance.now() + budget;
    for (;;) {
      const refusal = await this.#ask(probe);
      if (refusal === undefined || over.aborted || performance.now() > end) return refusal;
      await pause(START_POLL_MS, over);
    }
  }

  async #followReadiness(probe: Probe, over: AbortSignal): Promise<undefined> {
    await this.#follow(probe, over, (misses, refusal) => {
      if (misses === 0 && this.#status.state === "not ready") this.#change("ready", null);
      if (misses >= probe.failureThreshold && this.#status.state === "ready") this.#change("not ready", refusal);
      return false;
    });
    return undefined;
  }

  async #followLiveness(probe: Probe | null, over: AbortSignal): Promise<string | undefined> {
    if (probe === null) return await untilAborted(over);
    return await this.#follow(probe, over, (misses) => misses >= probe.failureThreshold);
  }

  /** Asks at the probe's period; resolves with the last refusal once `judge` says that it is enough, with undefined when it is over. */
  async #follow(
    probe: Probe,
    over: AbortSignal,
    judge: (misses: number, refusal: string) => boolean,
  ): Promise<string | undefined> {
    let misses = 0;
    while (!over.aborted) {
      await pause(probe.periodS * 1000, over);
      if (over.aborted) break;
      const refusal = await this.#ask(probe);
      misses = refusal === undefined ? 0 : misses + 1;
      if (!over.aborted && judge(misses, refusal ?? "")) return `does not answer any more: ${refusal}`;
    }
    return undefined;
  }

  #ask(probe: Probe): Promise<string | undefined> {
    return ask(probe, this.#context.host, contextOf(this.workload, this.#context.user));
  }

  #change(state: UnitState, failure: string | null = this.#status.failure): void {
    if (state !== this.#status.state) this.#status = { ...this.#status, since: Date.now() };
    this.#status = { ...this.#status, state, failure };
    this.#context.onChange();
  }
}

function budgetMs({ periodS, failureThreshold }: Probe): number {
  return periodS * failureThreshold * 1000;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined), { once: true }));
}

/** Resolves when the time is over, or at once when `signal` says so. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (ms <= 0 || signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done, { once: true });
  });
}

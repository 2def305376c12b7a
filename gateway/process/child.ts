/**
 * The supervisor of one of our own entry files as a child process: start, readiness, restart with back-off, stop by
 * deadline. A child's stdout never reaches ours (it is reserved for the line of --json); what it writes goes to the log.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Log } from "../telemetry/index.ts";
import { relayLogLine } from "./log-lines.ts";

export type SuperviseOptions = {
  /** A file URL or path of one of our own .ts entry files; it calls serveParent. */
  readonly entry: URL | string;
  readonly args?: readonly string[];
  /** The whole environment of the child; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly name: string;
  readonly log: Log;
  /** Sent to every new child as its configuration; secrets travel here, not in args (which `ps` shows). */
  readonly config?: unknown;
  /** From fork to the ready message; a child that takes longer is killed and counts as failed. */
  readonly readyTimeoutMs: number;
  /** Waiting time after the n-th failure in a row: minMs·2^(n-1), at most maxMs, times a random 0.5–1. */
  readonly restart: { readonly minMs: number; readonly maxMs: number };
  /** Messages of the child other than ready. */
  readonly onMessage?: (message: ChildMessage) => void;
  /** The child has ended without being told to; called before the restart is planned. */
  readonly onCrash?: (reason: string) => void;
};

export type ChildMessage = { readonly type: string; readonly [field: string]: unknown };
/** Why the first start failed; `code` where the child had a registered one. */
export class StartFailure extends Error {
  readonly reason: string;
  readonly code: string | undefined;

  constructor(name: string, reason: string, code: string | undefined) {
    super(`${name} did not start: ${reason}`);
    this.name = "StartFailure";
    this.reason = reason;
    this.code = code;
  }
}

export type ChildState = "starting" | "running" | "waiting" | "stopped";

export type SupervisedChild = {
  /** The ready message of the first start. Rejects, and nothing is restarted, when the first start fails. */
  readonly ready: Promise<ChildMessage>;
  /** Called with the ready message of each later start. */
  onRestart(listener: (message: ChildMessage) => void): void;
  /** Sends a message to the running child; false when there is none. */
  send(message: ChildMessage): boolean;
  /** Asks the child to end (IPC), SIGKILL after graceMs. Resolves when it is gone. Idempotent. */
  stop(graceMs: number): Promise<void>;
  readonly pid: number | undefined;
  /** `failures` counts ends in a row without `restart.maxMs` of running between them: above 0 and "waiting" is a crash loop. */
  status(): { state: ChildState; restarts: number; failures: number; lastFailure: string | undefined };
};

/** The delay before the next start after `failures` ≥ 1 failures in a row, in ms. `random` is in [0, 1). */
export function restartDelayMs(failures: number, minMs: number, maxMs: number, random: number): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(full * (0.5 + random / 2));
}

/** How a process ended, for people. */
export function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

export function isMessage(value: unknown): value is ChildMessage {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

/** How long after a child's end its last output is waited for. */
const DRAIN_MS = 500;

function logLines(stream: Readable | null, log: Log, seen: (line: string) => void): void {
  if (stream === null) return;
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) => {
    if (line === "") return;
    seen(relayLogLine(log, line));
  });
}

/** Starts and keeps running one child. See SuperviseOptions and SupervisedChild. */
export function superviseChild(options: SuperviseOptions): SupervisedChild {
  const log = options.log.child({ process: options.name });
  const file = typeof options.entry === "string" ? options.entry : fileURLToPath(options.entry);
  const first = Promise.withResolvers<ChildMessage>();
  const listeners: ((message: ChildMessage) => void)[] = [];
  let child: ChildProcess | undefined;
  let state: ChildState = "starting";
  let everReady = false;
  let restarts = 0;
  let failures = 0;
  let lastFailure: string | undefined;
  let timer: NodeJS.Timeout | undefined;

  function start(): void {
    state = "starting";
    let lastLine = "";
    let told: ChildMessage | undefined;
    let timedOut = false;
    let readyAt: number | undefined;
    const started = fork(file, [...(options.args ?? [])], {
      env: { ...options.env },
      execPath: process.execPath,
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    child = started;
    logLines(started.stdout, log, () => {});
    logLines(started.stderr, log, (line) => {
      if (line !== "") lastLine = line;
    });
    const readyTimer = setTimeout(() => {
      timedOut = true;
      started.kill("SIGKILL");
    }, options.readyTimeoutMs);
    started.on("message", (message) => {
      if (!isMessage(message)) return;
      if (message.type === "failed") {
        told = message;
        return;
      }
      if (message.type !== "ready") return options.onMessage?.(message);
      if (readyAt !== undefined || state === "stopped") return;
      clearTimeout(readyTimer);
      readyAt = performance.now();
      state = "running";
      if (everReady) for (const listener of listeners) listener(message);
      everReady = true;
      first.resolve(message);
    });
    // A failed fork says "error" and may never say "exit"; a failed send says "error" and the child lives on.
    started.on("error", (error) => {
      if (started.pid === undefined) ended(error.message);
      else log.warn("process.channel", { reason: error.message });
    });
    const exited = (code: number | null, signal: NodeJS.Signals | null) => {
      const reason = timedOut ? `not ready within ${options.readyTimeoutMs} ms` : describeExit(code, signal);
      if (typeof told?.reason === "string") ended(told.reason, typeof told.code === "string" ? told.code : undefined);
      else ended(lastLine === "" ? reason : `${reason}; its last line: ${lastLine}`);
    };
    // "close" comes when its last lines have been read, but never while a grandchild holds the pipe.
    started.on("exit", (code, signal) => setTimeout(exited, DRAIN_MS, code, signal));
    started.on("close", exited);
    let done = false;
    function ended(reason: string, code?: string): void {
      if (done) return;
      done = true;
      clearTimeout(readyTimer);
      if (child === started) child = undefined;
      if (state === "stopped") return;
      if (readyAt !== undefined && performance.now() - readyAt >= options.restart.maxMs) failures = 0;
      failed(reason, code);
    }
    started.send({ type: "start", config: options.config ?? null });
  }

  function failed(reason: string, code: string | undefined): void {
    failures++;
    lastFailure = reason;
    options.onCrash?.(reason);
    if (!everReady) {
      state = "stopped";
      log.error("process.start_failed", { reason });
      first.reject(new StartFailure(options.name, reason, code));
      return;
    }
    const delayMs = restartDelayMs(failures, options.restart.minMs, options.restart.maxMs, Math.random());
    log.error("process.ended", { reason, failures, restartInMs: delayMs });
    state = "waiting";
    timer = setTimeout(() => {
      restarts++;
      start();
    }, delayMs);
  }

  async function stop(graceMs: number): Promise<void> {
    state = "stopped";
    clearTimeout(timer);
    first.promise.catch(() => {});
    first.reject(new Error(`${options.name} was stopped before it was ready`));
    const running = child;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, "exit");
    if (running.connected) running.send({ type: "shutdown" });
    const kill = setTimeout(() => running.kill("SIGKILL"), graceMs);
    await gone;
    clearTimeout(kill);
    if (child === running) child = undefined;
  }

  start();
  return {
    ready: first.promise,
    onRestart: (listener) => void listeners.push(listener),
    send(message) {
      return child?.connected === true ? child.send(message) : false;
    },
    stop,
    get pid() {
      return child?.pid;
    },
    status: () => ({ state, restarts, failures, lastFailure }),
  };
}

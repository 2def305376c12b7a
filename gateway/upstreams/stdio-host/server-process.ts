/**
 * One MCP server as a child process in a process group of its own: framing, stderr, and its end (MCP stdio shutdown: close
 * stdin, wait, SIGTERM, SIGKILL; always the whole group). Knows nothing of JSON-RPC.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Log } from "../../telemetry/index.ts";
import { type Definition, redact } from "./definition.ts";
import { splitLines } from "./lines.ts";

export type ProcessOptions = {
  readonly definition: Definition;
  /** Already filtered; see inheritedEnvironment. */
  readonly baseEnv: Readonly<Record<string, string>>;
  readonly maxMessageBytes: number;
  /** Waited after closing stdin, and again after SIGTERM, ms. */
  readonly graceMs: number;
  readonly log: Log;
  onLine(line: Buffer): void;
  /** Called once, after the last line. */
  onEnd(end: ProcessEnd): void;
};

export type ProcessEnd = {
  /** For people: exit code or signal, why we ended it, the last stderr line. Env values are redacted. */
  readonly reason: string;
  /** True when it ended by itself. */
  readonly unexpected: boolean;
  /** True when the program could not be started at all. */
  readonly neverRan: boolean;
};

const MAX_STDERR_LINE_BYTES = 4096;
/** A server that floods stderr costs this many log lines per second; the rest is counted. */
const STDERR_LINES_PER_SECOND = 50;
/** How long after the exit its last output is waited for: a grandchild may hold the pipe open. */
const DRAIN_MS = 300;

/** Signals a whole group; false when it has no member left. */
export function killGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

export class ServerProcess {
  readonly pid: number | undefined;
  readonly startedMs = performance.now();
  #options: ProcessOptions;
  #child: ChildProcess;
  #lastErrorLine = "";
  #endingBecause: string | undefined;
  #ended = false;
  #gone = Promise.withResolvers<void>();

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { definition } = options;
    this.#child = spawn(definition.command, definition.args, {
      ...(definition.cwd === undefined ? {} : { cwd: definition.cwd }),
      env: { ...options.baseEnv, ...definition.env },
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.pid = this.#child.pid;
    this.#read();
    this.#watch();
  }

  /** Resolves when the process is gone and onEnd has been called. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Bytes the server has not taken from its stdin yet. */
  get unsentBytes(): number {
    return this.#child.stdin?.writableLength ?? 0;
  }

  /** Sends one message; it must not contain a line end. Ignored once the process is ending. */
  send(line: Buffer): void {
    const { stdin } = this.#child;
    if (stdin === null || !stdin.writable || this.#endingBecause !== undefined) return;
    stdin.cork();
    stdin.write(line);
    stdin.write("\n");
    stdin.uncork();
  }

  /** Begins the end; idempotent. The deadline of the whole is 2·graceMs. */
  end(because: string): void {
    if (this.#endingBecause !== undefined || this.#ended) return;
    this.#endingBecause = because;
    this.#child.stdin?.end();
    this.#after(this.#options.graceMs, "SIGTERM");
    this.#after(2 * this.#options.graceMs, "SIGKILL");
  }

  /** Kills the group at once, for the host's own end. */
  kill(): void {
    if (this.pid !== undefined) killGroup(this.pid, "SIGKILL");
  }

  #after(ms: number, signal: NodeJS.Signals): void {
    setTimeout(() => {
      if (!this.#ended && this.pid !== undefined) killGroup(this.pid, signal);
    }, ms).unref();
  }

  #read(): void {
    const { definition, maxMessageBytes, log } = this.#options;
    const takeOut = splitLines(maxMessageBytes, {
      line: (line) => this.#options.onLine(line),
      tooLong: () => this.end(`it sent a message of more than ${maxMessageBytes} bytes (UPSTREAM_MAX_MESSAGE_BYTES)`),
    });
    this.#child.stdout?.on("data", takeOut);
    let second = 0;
    let lines = 0;
    let suppressed = 0;
    const logLine = (text: string) => {
      this.#lastErrorLine = redact(text, definition.env);
      const now = Math.floor(performance.now() / 1000);
      if (now !== second) {
        if (suppressed > 0) log.warn("stdio.stderr_suppressed", { lines: suppressed });
        second = now;
        lines = 0;
        suppressed = 0;
      }
      if (++lines <= STDERR_LINES_PER_SECOND) log.info("stdio.stderr", { pid: this.pid, line: this.#lastErrorLine });
      else suppressed++;
    };
    const takeError = splitLines(MAX_STDERR_LINE_BYTES, {
      line: (line) => logLine(line.toString("utf8")),
      tooLong: () => logLine(`(a line of more than ${MAX_STDERR_LINE_BYTES} bytes)`),
    });
    this.#child.stderr?.on("data", takeError);
    this.#child.stderr?.on("end", () => {
      takeError(Buffer.from("\n"));
      if (suppressed > 0) log.warn("stdio.stderr_suppressed", { lines: suppressed });
    });
  }

  #watch(): void {
    const child = this.#child;
    // EPIPE of a server that closed its stdin or died: its exit tells more.
    for (const stream of child.stdio) stream?.on("error", () => {});
    child.on("error", (error) => {
      if (child.pid !== undefined) return;
      // ENOENT is said of the program also when it is the working directory that is missing.
      const { cwd } = this.#options.definition;
      const missing = cwd !== undefined && !existsSync(cwd);
      const reason = missing ? `its working directory ${cwd} does not exist` : error.message;
      this.#finish(reason, true);
    });
    const describe = (code: number | null, signal: NodeJS.Signals | null) =>
      signal === null ? `exit code ${code}` : `signal ${signal}`;
    child.on("exit", (code, signal) => {
      // What the server started itself goes with it, whether it ended well or not.
      if (this.pid !== undefined && killGroup(this.pid, "SIGTERM")) {
        const { pid } = this;
        setTimeout(() => killGroup(pid, "SIGKILL"), this.#options.graceMs).unref();
      }
      setTimeout(() => this.#finish(describe(code, signal), false), DRAIN_MS);
    });
    child.on("close", (code, signal) => this.#finish(describe(code, signal), false));
  }

  #finish(how: string, neverRan: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    const because = this.#endingBecause;
    const ended = because === undefined ? (neverRan ? how : `it ended with ${how}`) : `it was ended: ${because}`;
    const lastLine = this.#lastErrorLine === "" ? "" : `; its last stderr line: ${this.#lastErrorLine}`;
    const reason = redact(ended, this.#options.definition.env) + lastLine;
    const level = because === undefined ? "warn" : "info";
    this.#options.log[level]("stdio.child_ended", { pid: this.pid, reason });
    this.#options.onEnd({ reason, unexpected: because === undefined, neverRan });
    this.#gone.resolve();
  }
}

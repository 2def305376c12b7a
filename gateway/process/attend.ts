/**
 * A worker's side of a crew: takes its configuration, says that it serves and that its event loop turns, and does what the
 * supervisor asks: lead, tell its figures, retire, drain, end.
 */
import { isMainThread } from "node:worker_threads";
import { Fault } from "../../contract/errors.ts";
import type { Figures } from "../telemetry/index.ts";
import type { Channel } from "./channel.ts";
import { type ChildMessage, StartFailure } from "./child.ts";

/** What a worker can be asked. */
export type Worker = {
  /** Fields of the ready message. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Does what one worker does for all; what it tells goes to the supervisor. Once in a worker's life. */
  lead(): Promise<Readonly<Record<string, unknown>>>;
  figures(): Figures | Promise<Figures>;
  /** A successor serves: takes no new connection, and resolves when those there are have had their last answer. */
  retire(): Promise<void>;
  /** The whole gateway ends: refuses new work, and resolves when the calls in flight are done. */
  drain(): Promise<void>;
  /** What is still in flight is given up. */
  close(): Promise<void>;
};

/** What a worker may ask of its crew. */
export type CrewLine = {
  /** The figures of all workers, as text. Rejects when the supervisor is gone. */
  scrape(): Promise<string>;
  /** Asks to be replaced; `reason` is counted. Asking again changes nothing. */
  spent(reason: string): void;
  /** Ends this worker: it cannot go on. */
  fail(reason: string): void;
};

/** How often a worker says that its event loop turns, for a supervisor that waits `timeoutMs`; ms. */
export function beatEveryMs(timeoutMs: number): number {
  return Math.max(50, Math.min(1000, timeoutMs / 4));
}

/** Runs one worker; ends the process, or the thread, when it is told to or when its supervisor is gone. */
export function attend(channel: Channel, start: (config: unknown, crew: CrewLine) => Promise<Worker>): void {
  let starting: Promise<Worker> | undefined;
  let isSpent = false;
  let isEnding = false;
  let scrapes = 0;
  const scraping = new Map<number, (text: string) => void>();

  const trouble = (event: string, error: unknown) =>
    channel.send({
      type: "trouble",
      event,
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  const fail = (reason: string, code?: string) =>
    channel.send({ type: "failed", reason, ...(code === undefined ? {} : { code }) }, () => process.exit(1));

  const crew: CrewLine = {
    fail,
    scrape() {
      const { promise, resolve } = Promise.withResolvers<string>();
      const id = ++scrapes;
      scraping.set(id, resolve);
      channel.send({ type: "scrape", id });
      return promise;
    },
    spent(reason) {
      if (isSpent) return;
      isSpent = true;
      channel.send({ type: "spent", reason });
    },
  };

  function failFor(event: string, error: unknown): void {
    if (error instanceof Fault || error instanceof StartFailure) {
      fail(error instanceof Fault ? error.message : error.reason, error.code);
      return;
    }
    trouble(event, error);
    fail(error instanceof Error ? error.message : String(error));
  }

  async function begin(message: ChildMessage): Promise<void> {
    if (starting !== undefined) return;
    try {
      starting = start(message.config, crew);
      const worker = await starting;
      channel.send({ ...worker.ready, type: "ready" });
      const every = typeof message.beatMs === "number" ? message.beatMs : 0;
      if (every > 0) setInterval(() => channel.send({ type: "beat" }), every).unref();
    } catch (error) {
      failFor("worker.start_failed", error);
    }
  }

  async function end(finish: (worker: Worker) => Promise<void>): Promise<void> {
    if (isEnding) return;
    isEnding = true;
    let code = 0;
    try {
      const worker = await starting;
      if (worker !== undefined) {
        await finish(worker);
        // What it has counted must not be lost with it.
        channel.send({ type: "figures", id: 0, figures: await worker.figures() });
        await worker.close();
      }
    } catch (error) {
      code = 1;
      trouble("worker.end_failed", error);
    }
    channel.send({ type: "ended" }, () => process.exit(code));
  }

  async function cut(): Promise<void> {
    isEnding = true;
    await (await starting)?.close();
    process.exit(0);
  }

  async function lead(worker: Worker): Promise<void> {
    try {
      channel.send({ type: "led", fields: await worker.lead() });
    } catch (error) {
      // Somebody has to: whoever takes its place is asked next.
      failFor("worker.lead_failed", error);
    }
  }

  async function answer(worker: Worker, id: unknown): Promise<void> {
    channel.send({ type: "figures", id, figures: await worker.figures() });
  }

  const tasks: Readonly<Record<string, (message: ChildMessage) => void>> = {
    start: (message) => void begin(message),
    lead: () => void starting?.then(lead),
    figures: ({ id }) => void starting?.then((worker) => answer(worker, id)),
    scraped({ id, text }) {
      if (typeof id !== "number" || typeof text !== "string") return;
      scraping.get(id)?.(text);
      scraping.delete(id);
    },
    retire: () => void end((worker) => worker.retire()),
    drain: () => void end((worker) => worker.drain()),
    cut: () => void cut().catch(() => process.exit(1)),
  };
  // After the supervisor's end its end of stderr is closed too.
  process.stderr.on("error", () => undefined);
  ignoreSignals();
  channel.onMessage((message) => tasks[message.type]?.(message));
  // Nobody is left to take connections from, or to be found by: calls in flight have lost their way out too.
  channel.onGone(() => process.exit(1));
}

/** A terminal signals its whole group, a service manager all processes: the supervisor tells its workers what to do. */
function ignoreSignals(): void {
  if (!isMainThread) return;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      if (!process.connected) process.exit(1);
    });
}

/** A load test from the first session to the report. Clock, connections and the probe of the workers are given. */
import { askVersion, type Client, closeSessions, listTools, openSessions } from "./client.ts";
import { LoadFailure } from "./failure.ts";
import { figuresOf } from "./figures.ts";
import type { Clock } from "./generator.ts";
import type { Link } from "./link.ts";
import type { Endpoint, Era } from "./messages.ts";
import type { Probe, WorkerReading } from "./probe.ts";
import { kneeOf, type PlannedStep, type ProfileOrder, planSteps } from "./profiles.ts";
import type { Mix } from "./questions.ts";
import { seeded } from "./random.ts";
import type { LoadReport, Memory, StepReport } from "./report.ts";
import { type Progress, runSteps, warmUpSeconds } from "./steps.ts";
import { chooseTool, type ToolCall, type WantedTool } from "./tools.ts";
import { notesOf, verdictOf } from "./verdict.ts";
import { sumOfBytes, Watch } from "./watch.ts";
import { weighSessions } from "./weigh.ts";

export type LoadOrder = ProfileOrder & {
  readonly endpoint: Endpoint;
  readonly era: Era | "mixed";
  readonly mix: Mix;
  readonly wanted: WantedTool;
  /** Legacy sessions that the clients share; without it one per connection. */
  readonly sessions?: number;
  readonly seed: number;
};

export type Surroundings = {
  readonly clock: Clock;
  wallClock(): Date;
  open(): Link;
  probe(client: Client): Probe;
  ownCpuSeconds(): number;
  readonly machine: LoadReport["machine"];
  readonly signal: AbortSignal;
  progress(at: Progress): void;
  readonly coldStartS?: number;
};

/** Shared by an open loop, whose clients are many and come and go. */
const OPEN_LOOP_SESSIONS = 64;
/** A gateway that hangs is not waited for when the sessions are ended. */
const CLOSE_MS = 5000;

/** Throws LoadFailure when it cannot begin; whatever happens later is in the report. */
export async function runLoad(order: LoadOrder, around: Surroundings): Promise<LoadReport> {
  const links: Link[] = [];
  const open = (): Link => {
    const link = around.open();
    links.push(link);
    return link;
  };
  const client = { endpoint: order.endpoint, open };
  let sessions: readonly (string | undefined)[] = [];
  try {
    const startedAt = around.wallClock().toISOString();
    const steps = planSteps(order);
    const gateway = await unlessAborted(askVersion(client), around.signal);
    const watch = new Watch(around.probe(client), around.clock);
    const idle = await unlessAborted(watch.read(), around.signal);
    if (order.era !== "modern")
      sessions = await openSessions(client, order.sessions ?? sessionsFor(steps), around.signal);
    const tool = await unlessAborted(toolFor(order, client, sessions[0]), around.signal);
    const head = { startedAt, gateway, tool, sessions: sessions.length };
    return await measure(order, around, { client, steps, sessions, watch, idle, head });
  } finally {
    await within(CLOSE_MS, around.clock, closeSessions(client, sessions));
    for (const link of links) link.close();
  }
}

type Prepared = {
  readonly client: Client;
  readonly steps: readonly PlannedStep[];
  readonly sessions: readonly (string | undefined)[];
  readonly watch: Watch;
  readonly idle: readonly WorkerReading[] | undefined;
  readonly head: {
    readonly startedAt: string;
    readonly gateway: LoadReport["gateway"] | undefined;
    readonly tool: ToolCall | undefined;
    readonly sessions: number;
  };
};

async function measure(order: LoadOrder, around: Surroundings, prepared: Prepared): Promise<LoadReport> {
  const { client, steps, sessions, watch, idle, head } = prepared;
  const { coldStartS } = around;
  const subject = { ...order, tool: head.tool, sessions, random: seeded(order.seed) };
  const ran = await runSteps({ ...around, steps, subject, client, watch });
  const memory = memoryOf(idle, ran.peakBytes, await watch.read());
  const isWeighed = ran.ending.how === "over" && order.era !== "modern";
  const bytesPerSession = isWeighed
    ? await weighSessions(client, order.sessions ?? 0, { ...around, watch })
    : undefined;
  const knee = order.profile === "step" ? kneeIn(ran.steps) : undefined;
  const report = {
    outcome: ran.ending.how === "over" ? ("completed" as const) : ran.ending.how,
    startedAt: head.startedAt,
    url: order.endpoint.url.origin + order.endpoint.url.pathname,
    ...(head.gateway === undefined ? {} : { gateway: head.gateway }),
    profile: order.profile,
    era: order.era,
    mix: Object.fromEntries(order.mix),
    ...(head.tool === undefined ? {} : { tool: head.tool }),
    sessions: head.sessions,
    seed: order.seed,
    warmUpSeconds: warmUpSeconds(steps),
    steps: ran.steps,
    total: figuresOf(ran.total, ran.cpu),
    ...(knee === undefined ? {} : { knee }),
    workers: watch.failure === undefined ? { source: watch.source } : { unreachable: watch.failure },
    ...(memory === undefined ? {} : { memory }),
    ...(bytesPerSession === undefined ? {} : { bytesPerSession }),
    ...(coldStartS === undefined ? {} : { coldStartS }),
    generator: { busyShare: ran.busyShare, latenessP99Ms: ran.total.lateness.percentile(0.99) },
    machine: around.machine,
  };
  return { verdict: verdictOf(report, ran.ending), ...report, notes: notesOf(report) };
}

/** Resolves when the work is done, or when it took too long. */
function within(ms: number, clock: Clock, work: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, resolve);
    void work.finally(() => {
      cancel();
      resolve();
    });
  });
}

/** What is still under way is left to the closing of its connection. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new LoadFailure("interrupted before the load began"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

function sessionsFor(steps: readonly PlannedStep[]): number {
  return Math.max(...steps.map(({ load }) => (load.kind === "closed" ? load.connections : OPEN_LOOP_SESSIONS)));
}

async function toolFor(order: LoadOrder, client: Client, session: string | undefined): Promise<ToolCall | undefined> {
  if (!order.mix.has("tools/call") || order.mix.get("tools/call") === 0) return undefined;
  const era = order.era === "modern" ? "modern" : "legacy";
  return chooseTool(await listTools(client, era, session), order.wanted);
}

function kneeIn(steps: readonly StepReport[]): { readonly step: string; readonly throughput: number } | undefined {
  const knee = steps[kneeOf(steps.map(({ throughput }) => throughput))];
  return knee === undefined || knee.throughput === 0 ? undefined : { step: knee.name, throughput: knee.throughput };
}

function memoryOf(
  idle: readonly WorkerReading[] | undefined,
  peakBytes: number,
  after: readonly WorkerReading[] | undefined,
): Memory | undefined {
  if (idle === undefined || after === undefined) return undefined;
  const [before, last] = [sumOfBytes(idle), sumOfBytes(after)];
  const peak = Math.max(before, peakBytes, last);
  return { beforeMiB: before / 2 ** 20, peakMiB: peak / 2 ** 20, afterMiB: last / 2 ** 20 };
}

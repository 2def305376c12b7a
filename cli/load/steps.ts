/** Runs the steps of a profile, after a warm-up, and counts what each one cost the workers. */
import type { Client } from "./client.ts";
import { figuresOf } from "./figures.ts";
import { type Clock, type Ending, generate, type Load } from "./generator.ts";
import type { PlannedStep } from "./profiles.ts";
import { questions, type Subject } from "./questions.ts";
import type { StepReport } from "./report.ts";
import { Tally } from "./tally.ts";
import { cpuBetween, type Watch } from "./watch.ts";

/** Runs warm: what the first requests cost is compilation. */
const WARM_UP_SECONDS = 2;
const WARM_UP_SHARE = 0.2;
const PROGRESS_MS = 250;

export type Progress = { readonly step: string; readonly doneSeconds: number; readonly requests: number };

export type Course = {
  readonly steps: readonly PlannedStep[];
  readonly subject: Subject;
  readonly client: Client;
  readonly watch: Watch;
  readonly clock: Clock;
  /** CPU seconds of this process, the generator. */
  ownCpuSeconds(): number;
  progress(at: Progress): void;
  readonly signal: AbortSignal;
};

export type Ran = {
  readonly steps: readonly StepReport[];
  readonly total: Tally;
  readonly cpu: Readonly<Record<string, number>> | undefined;
  readonly peakBytes: number;
  readonly busyShare: number;
  readonly ending: Ending;
};

/** Ends early when it is interrupted or the gateway is gone; the last report is then of the step that was cut short. */
export async function runSteps(course: Course): Promise<Ran> {
  const { steps, subject, client, watch, clock, signal } = course;
  const ask = questions(subject);
  let requests = 0;
  const counted = () => {
    requests += 1;
    return ask();
  };
  const ports = { clock, open: client.open, random: subject.random, ask: counted };
  const began = clock.now();
  let step = "warm-up";
  const stopProgress = every(PROGRESS_MS, clock, () =>
    course.progress({ step, doneSeconds: (clock.now() - began) / 1000, requests }),
  );
  watch.start();
  const total = new Tally();
  const reports: StepReport[] = [];
  let [peakBytes, busyShare] = [0, 0];
  let cpu: Readonly<Record<string, number>> | undefined = {};
  let { ending } = await generate(warmUp(steps), ports, signal);
  for (const { name, load } of steps) {
    if (ending.how !== "over") break;
    step = name;
    watch.takePeak();
    const before = await watch.read();
    const [cpuBefore, timeBefore] = [course.ownCpuSeconds(), clock.now()];
    const generated = await generate(load, ports, signal);
    const took = (clock.now() - timeBefore) / 1000;
    if (took > 0) busyShare = Math.max(busyShare, (course.ownCpuSeconds() - cpuBefore) / took);
    const used = cpuBetween(before, await watch.read());
    const peak = watch.takePeak();
    reports.push(stepReport(name, load, generated.tally, used, peak));
    total.add(generated.tally);
    cpu = added(cpu, used);
    peakBytes = Math.max(peakBytes, peak);
    ending = generated.ending;
  }
  watch.stop();
  stopProgress();
  return { steps: reports, total, cpu, peakBytes, busyShare, ending };
}

function stepReport(
  name: string,
  load: Load,
  tally: Tally,
  cpu: Readonly<Record<string, number>> | undefined,
  peak: number,
): StepReport {
  return {
    name,
    ...(load.kind === "open" ? { offeredRps: load.rps } : { connections: load.connections }),
    ...figuresOf(tally, cpu),
    ...(peak === 0 ? {} : { peakMiB: peak / 2 ** 20 }),
  };
}

function added(
  sum: Readonly<Record<string, number>> | undefined,
  more: Readonly<Record<string, number>> | undefined,
): Readonly<Record<string, number>> | undefined {
  if (sum === undefined || more === undefined) return undefined;
  return Object.fromEntries(Object.entries(more).map(([worker, seconds]) => [worker, seconds + (sum[worker] ?? 0)]));
}

/** Beside the asked duration. */
export function warmUpSeconds(steps: readonly PlannedStep[]): number {
  const asked = steps.reduce((sum, { load }) => sum + load.seconds, 0);
  return Math.min(WARM_UP_SECONDS, WARM_UP_SHARE * asked);
}

function warmUp(steps: readonly PlannedStep[]): Load {
  const load = steps[0]?.load ?? { kind: "closed", connections: 1, seconds: 0 };
  return { ...load, seconds: warmUpSeconds(steps) };
}

function every(ms: number, clock: Clock, then: () => void): () => void {
  let cancel = (): void => undefined;
  const arm = (): void => {
    cancel = clock.after(ms, () => {
      then();
      arm();
    });
  };
  arm();
  return () => cancel();
}

/** What the runs of a scenario showed: figures with intervals over the windows of a phase. */
import type { Run, Window } from "./run.ts";
import { type Interval, intervalOf, ratioIntervalOf, shareIntervalOf } from "./statistics.ts";
import { type Counts, failures } from "./tally.ts";

type Part = (counts: Counts) => number;

export class Measured {
  readonly runs: readonly Run[];
  readonly main: string;
  readonly #workers: number;
  readonly #cores: number;

  /** `workers` of a replica and `cores` (servers) of the database: what utilisation is a share of. */
  constructor(runs: readonly Run[], main: string, workers: number, cores: number) {
    this.runs = runs;
    this.main = main;
    this.#workers = workers;
    this.#cores = cores;
  }

  windows(phase = this.main): readonly Window[] {
    return this.runs.flatMap(({ windows }) => windows.filter((window) => window.phase === phase));
  }

  share(part: Part, whole: Part, confidence?: number): Interval {
    const counts = this.windows().map((window) => window.counts);
    return shareIntervalOf(counts.map(part), counts.map(whole), confidence);
  }

  /** Of what is never negative. */
  ratio(part: Part, whole: Part, confidence?: number): Interval {
    const counts = this.windows().map((window) => window.counts);
    return notNegative(ratioIntervalOf(counts.map(part), counts.map(whole), confidence));
  }

  /** Of each run as a whole. */
  perRun(figure: (run: Run) => number, confidence?: number): Interval {
    return notNegative(intervalOf(this.runs.map(figure), confidence));
  }

  /** Of the gateway's requests, those turned away at once. */
  shed(confidence?: number): Interval {
    return this.share(({ shed }) => shed, reachedGateway, confidence);
  }

  failed(confidence?: number): Interval {
    return this.share(failures, reachedGateway, confidence);
  }

  poolWaits(confidence?: number): Interval {
    return this.share(
      ({ poolWaited }) => poolWaited,
      ({ poolAsked }) => poolAsked,
      confidence,
    );
  }

  poolerWaits(confidence?: number): Interval {
    return this.share(
      ({ poolerWaited }) => poolerWaited,
      ({ poolerAsked }) => poolerAsked,
      confidence,
    );
  }

  poolWaitSeconds(): Interval {
    return this.ratio(
      ({ poolWaitSeconds }) => poolWaitSeconds,
      ({ poolAsked }) => poolAsked,
    );
  }

  poolerWaitSeconds(): Interval {
    return this.ratio(
      ({ poolerWaitSeconds }) => poolerWaitSeconds,
      ({ poolerAsked }) => poolerAsked,
    );
  }

  /** Of the workers that serve. */
  gatewayUse(confidence?: number): Interval {
    return this.share(
      ({ cpuBusySeconds }) => cpuBusySeconds,
      ({ servingSeconds }) => servingSeconds * this.#workers,
      confidence,
    );
  }

  databaseUse(confidence?: number): Interval {
    return this.share(
      ({ coreBusySeconds }) => coreBusySeconds,
      ({ seconds }) => seconds * this.#cores,
      confidence,
    );
  }

  inFlight(confidence?: number): Interval {
    return this.ratio(
      ({ insideSeconds }) => insideSeconds,
      ({ seconds }) => seconds,
      confidence,
    );
  }

  /** Answers of the gateway per second. */
  throughput(confidence?: number): Interval {
    return this.ratio(
      ({ served }) => served,
      ({ seconds }) => seconds,
      confidence,
    );
  }

  latencySeconds(confidence?: number): Interval {
    return this.ratio(
      ({ latencySeconds }) => latencySeconds,
      ({ served }) => served,
      confidence,
    );
  }

  /** Mean number inside − time inside of those that left ÷ time: Little's law says 0. */
  littleGap(confidence?: number): Interval {
    const counts = this.windows().map((window) => window.counts);
    return ratioIntervalOf(
      counts.map(({ insideSeconds, insideLeft }) => insideSeconds - insideLeft),
      counts.map(({ seconds }) => seconds),
      confidence,
    );
  }

  quantileSeconds(which: "p50" | "p90" | "p99"): Interval {
    return intervalOf(this.windows().map((window) => window[which]));
  }

  /** The most at one instant of any run. */
  most(figure: (run: Run) => number): number {
    return Math.max(...this.runs.map(figure));
  }
}

function notNegative(interval: Interval): Interval {
  return { ...interval, low: Math.max(0, interval.low) };
}

function reachedGateway({ arrived, cached }: Counts): number {
  return arrived - cached;
}

/**
 * One station on the machinery of the simulation: M/G/c with or without a bound. What the theory knows exactly, so that the machinery can
 * be checked against it.
 */
import { Agenda } from "./agenda.ts";
import { Links, NOBODY } from "./links.ts";
import { drawTime, randomOf, type Spread } from "./random.ts";
import { Stations } from "./stations.ts";
import { type Interval, intervalOf, ratioIntervalOf, shareIntervalOf } from "./statistics.ts";

export type Queue = {
  readonly servers: number;
  /** Most in the system, servers included; Infinity lets all in. */
  readonly capacity: number;
  /** Arrivals per second, Poisson. */
  readonly rate: number;
  readonly serviceSeconds: number;
  readonly spread: Spread;
};

export type QueueFigures = {
  readonly arrived: number;
  readonly refused: number;
  readonly served: number;
  readonly inside: number;
  readonly refusedShare: Interval;
  /** Share of those let in that had to wait. */
  readonly waitShare: Interval;
  readonly waitSeconds: Interval;
  readonly inSystem: Interval;
  /** Little's law per batch: mean number − time inside of those that left ÷ time, 0 but for the edges. */
  readonly littleGap: Interval;
};

const BATCHES = 20;
const ARRIVAL = -1;

/** Simulates `arrivals` in 20 batches of equal time after a tenth for warming up. */
export function simulateQueue(queue: Queue, seed: number, arrivals: number): QueueFigures {
  const span = arrivals / queue.rate;
  const run = new QueueRun(queue, seed);
  run.until(span / 10);
  const batches = Array.from({ length: BATCHES }, (_, batch) => run.batch(span / 10 + ((batch + 1) * span) / BATCHES));
  const each = (figure: (batch: Counts) => number) => batches.map(figure);
  return {
    arrived: run.arrived,
    refused: run.refused,
    served: run.served,
    inside: run.inside,
    refusedShare: shareIntervalOf(
      each(({ refused }) => refused),
      each(({ arrived }) => arrived),
    ),
    waitShare: shareIntervalOf(
      each(({ waited }) => waited),
      each(({ started }) => started),
    ),
    waitSeconds: ratioIntervalOf(
      each(({ waitSeconds }) => waitSeconds),
      each(({ started }) => started),
    ),
    inSystem: intervalOf(each(({ insideSeconds, seconds }) => insideSeconds / seconds)),
    littleGap: intervalOf(each(({ insideSeconds, timeInside, seconds }) => (insideSeconds - timeInside) / seconds)),
  };
}

/** Counted from the start, or within a batch. */
type Counts = {
  readonly seconds: number;
  readonly arrived: number;
  readonly refused: number;
  readonly waited: number;
  readonly started: number;
  readonly waitSeconds: number;
  readonly insideSeconds: number;
  readonly timeInside: number;
};

class QueueRun {
  readonly #queue: Queue;
  readonly #agenda = new Agenda();
  readonly #links = new Links();
  readonly #station: Stations;
  readonly #arrivals;
  readonly #services;
  /** Per request in the system. */
  readonly #arrivedAt: number[] = [];
  readonly #serviceOf: number[] = [];
  readonly #free: number[] = [];
  #now = 0;
  arrived = 0;
  refused = 0;
  served = 0;
  inside = 0;
  #waited = 0;
  #waitSeconds = 0;
  #started = 0;
  #insideSeconds = 0;
  #timeInside = 0;

  constructor(queue: Queue, seed: number) {
    this.#queue = queue;
    this.#station = new Stations(this.#links, 1, queue.servers);
    const random = randomOf(seed);
    this.#arrivals = random.split();
    this.#services = random.split();
    this.#agenda.add(this.#arrivals.exponential() / queue.rate, ARRIVAL, 0);
  }

  until(time: number): void {
    while (this.#now < time && this.#agenda.next()) {
      this.#insideSeconds += this.inside * (this.#agenda.time - this.#now);
      this.#now = this.#agenda.time;
      if (this.#agenda.event === ARRIVAL) this.#arrive();
      else this.#depart(this.#agenda.event);
    }
  }

  /** What happens from here to `end`. */
  batch(end: number): Counts {
    const before = this.#counts();
    this.until(end);
    const after = this.#counts();
    return {
      seconds: after.seconds - before.seconds,
      arrived: after.arrived - before.arrived,
      refused: after.refused - before.refused,
      waited: after.waited - before.waited,
      started: after.started - before.started,
      waitSeconds: after.waitSeconds - before.waitSeconds,
      insideSeconds: after.insideSeconds - before.insideSeconds,
      timeInside: after.timeInside - before.timeInside,
    };
  }

  #counts(): Counts {
    return {
      seconds: this.#now,
      arrived: this.arrived,
      refused: this.refused,
      waited: this.#waited,
      started: this.#started,
      waitSeconds: this.#waitSeconds,
      insideSeconds: this.#insideSeconds,
      timeInside: this.#timeInside,
    };
  }

  #arrive(): void {
    this.#agenda.add(this.#now + this.#arrivals.exponential() / this.#queue.rate, ARRIVAL, 0);
    this.arrived += 1;
    // Drawn for the refused too: the next arrival's service is the same whatever became of this one.
    const service = this.#queue.serviceSeconds * drawTime(this.#services, this.#queue.spread);
    if (this.inside >= this.#queue.capacity) {
      this.refused += 1;
      return;
    }
    const request = this.#free.pop() ?? this.#arrivedAt.length;
    this.#arrivedAt[request] = this.#now;
    this.#serviceOf[request] = service;
    this.#links.grow(this.#arrivedAt.length);
    this.inside += 1;
    if (this.#station.enter(0, request, this.#now)) this.#start(request);
    else this.#waited += 1;
  }

  #start(request: number): void {
    this.#started += 1;
    this.#waitSeconds += this.#now - (this.#arrivedAt[request] ?? 0);
    this.#agenda.add(this.#now + (this.#serviceOf[request] ?? 0), request, 0);
  }

  #depart(request: number): void {
    this.served += 1;
    this.inside -= 1;
    this.#timeInside += this.#now - (this.#arrivedAt[request] ?? 0);
    this.#free.push(request);
    const next = this.#station.leave(0, this.#now);
    if (next !== NOBODY) this.#start(next);
  }
}

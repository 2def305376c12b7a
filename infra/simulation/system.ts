/**
 * The planned system at work: a request's way from nginx through worker, pool, PgBouncer and database to its answer. Who starts and ends
 * replicas stands in operations.ts.
 */
import { Agenda } from "./agenda.ts";
import { type ArrivalPattern, Arrivals } from "./arrivals.ts";
import { Database } from "./database.ts";
import { EVENT, KIND_BITS } from "./events.ts";
import { Fleet, PHASE } from "./fleet.ts";
import { NOBODY } from "./links.ts";
import type { Model } from "./model.ts";
import { drawTime, type Random, randomOf } from "./random.ts";
import { Requests, STAGE } from "./requests.ts";
import { Stations } from "./stations.ts";
import { Histogram } from "./statistics.ts";
import { Tally } from "./tally.ts";

/** What is told about replicas, and carries out what was ordered for a time. */
export type Operator = {
  onReady(replica: number): void;
  onAvailable(replica: number): void;
  onGone(replica: number): void;
  carryOut(order: number): void;
};

/** Most at one instant since the start. */
export type Peaks = { inFlight: number; connections: number; serverConnections: number; replicasAlive: number };

/** Of times that were added and subtracted. */
const ROUNDING = 1e-9;

type FailureCause = "lost" | "killed" | "poolTimeouts" | "poolerTimeouts";

export class System {
  readonly model: Model;
  readonly fleet: Fleet;
  readonly peaks: Peaks = { inFlight: 0, connections: 0, serverConnections: 0, replicasAlive: 0 };
  readonly latencies = new Histogram();
  readonly #tally = new Tally();
  readonly #agenda = new Agenda();
  readonly #requests = new Requests();
  readonly #arrivals: Arrivals;
  readonly #routes: Random;
  readonly #cpuTimes: Random;
  readonly #upstreamTimes: Random;
  readonly #transactionCounts: Random;
  /** One processor per worker. */
  readonly #cpu: Stations;
  readonly #database: Database;
  /** Per worker. */
  readonly #inFlight: Int32Array;
  #operator: Operator | undefined;
  #inside = 0;
  now = 0;

  /** `places`: the most replicas that may be alive at once. */
  constructor(model: Model, places: number, pattern: ArrivalPattern, seed: number) {
    this.model = model;
    this.fleet = new Fleet(places, model.nginxes, model.zones);
    const random = randomOf(seed);
    this.#arrivals = new Arrivals(pattern, random.split(), random.split());
    this.#routes = random.split();
    this.#cpuTimes = random.split();
    this.#upstreamTimes = random.split();
    this.#transactionCounts = random.split();
    const workers = places * model.workers;
    this.#cpu = new Stations(this.#requests.links, workers, 1);
    this.#inFlight = new Int32Array(workers);
    this.#database = new Database(this, this.#requests, this.#tally, workers, random);
    this.#planArrival();
  }

  /** In the gateway now. */
  get inside(): number {
    return this.#inside;
  }

  operateBy(operator: Operator): void {
    this.#operator = operator;
  }

  /** Plans an event `seconds` from now; it is void when the subject's stamp has moved on by then. */
  plan(kind: number, subject: number, stamp: number, seconds: number): void {
    this.#agenda.add(this.now + seconds, kind | (subject << KIND_BITS), stamp);
  }

  runUntil(time: number): void {
    while (this.#agenda.earliest <= time && this.#agenda.next()) {
      this.#advance(this.#agenda.time);
      this.#handle(this.#agenda.event & (2 ** KIND_BITS - 1), this.#agenda.event >> KIND_BITS, this.#agenda.stamp);
    }
    this.#advance(time);
  }

  /** Everything counted up to now. */
  counts(): Tally {
    this.#tally.seconds = this.now;
    this.#tally.cpuBusySeconds = this.#cpu.busySeconds(this.now);
    this.#tally.coreBusySeconds = this.#database.coreBusySeconds(this.now);
    return Object.assign(new Tally(), this.#tally);
  }

  #advance(time: number): void {
    const seconds = time - this.now;
    this.#tally.insideSeconds += this.#inside * seconds;
    this.#tally.servingSeconds += this.fleet.servingCount * seconds;
    this.now = time;
  }

  #handle(kind: number, subject: number, stamp: number): void {
    if (kind === EVENT.arrival) this.#arrive();
    else if (kind <= EVENT.reserve) {
      if (this.#requests.stamp[subject] === stamp) this.#handleRequest(kind, subject);
    } else if (kind === EVENT.order) this.#operator?.carryOut(subject);
    else if (this.fleet.stamp[subject] === stamp) this.#handleReplica(kind, subject);
  }

  #handleRequest(kind: number, request: number): void {
    switch (kind) {
      case EVENT.cpuEnd:
        this.#leaveCpu(request);
        this.#goOn(request);
        break;
      case EVENT.upstreamEnd:
        this.#answer(request);
        break;
      case EVENT.coreEnd:
        this.#database.endCore(request);
        break;
      case EVENT.transactionEnd:
        this.#database.endTransaction(request);
        this.#goOn(request);
        break;
      case EVENT.poolTimeout:
        this.#fail(request, "poolTimeouts");
        break;
      case EVENT.poolerTimeout:
        this.#fail(request, "poolerTimeouts");
        break;
      default:
        this.#database.useReserve(request);
    }
  }

  #planArrival(): void {
    const next = this.#arrivals.after(this.now);
    if (next !== Number.POSITIVE_INFINITY) this.plan(EVENT.arrival, 0, 0, next - this.now);
  }

  /** Everything a request takes is drawn here, whatever becomes of it: the next one's draws are the same in any scenario. */
  #arrive(): void {
    this.#planArrival();
    const { model, fleet } = this;
    this.#tally.arrived += 1;
    const isCached = this.#routes.share() < model.hitShare;
    const nginx = this.#routes.below(model.nginxes);
    // Inside a replica the kernel spreads connections over the workers, and knows nothing of their load.
    const chosen = this.#routes.below(model.workers);
    const cpuS = model.cpuS * drawTime(this.#cpuTimes, model.spread);
    const upstreamS = model.upstreamS * drawTime(this.#upstreamTimes, model.spread);
    const transactions = Math.floor(model.transactions + this.#transactionCounts.share());
    if (isCached) {
      this.#tally.cached += 1;
      return;
    }
    const replica = fleet.leastConnections(nginx);
    if (replica < 0) {
      this.#tally.unreachable += 1;
      return;
    }
    const worker = replica * model.workers + chosen;
    const inFlight = this.#inFlight[worker] ?? 0;
    if (inFlight >= model.admission) {
      this.#tally.shed += 1;
      return;
    }
    const requests = this.#requests;
    const request = requests.take();
    requests.arrivedAt[request] = this.now;
    requests.cpuS[request] = cpuS;
    requests.upstreamS[request] = upstreamS;
    requests.transactions[request] = transactions;
    requests.worker[request] = worker;
    requests.nginx[request] = nginx;
    this.#inFlight[worker] = inFlight + 1;
    fleet.count(nginx, replica, 1);
    this.#inside += 1;
    if (this.#inside > this.peaks.inFlight) this.peaks.inFlight = this.#inside;
    if (this.#cpu.enter(worker, request, this.now)) this.#startCpu(request);
    else requests.moveTo(request, STAGE.cpuLine);
  }

  #startCpu(request: number): void {
    const stamp = this.#requests.moveTo(request, STAGE.cpu);
    this.plan(EVENT.cpuEnd, request, stamp, this.#requests.cpuS[request] ?? 0);
  }

  /** The worker takes its next request; those that waited longer than their handler may take have been answered 504 already. */
  #leaveCpu(request: number): void {
    const worker = this.#requests.worker[request] ?? 0;
    let next = this.#cpu.leave(worker, this.now);
    while (next !== NOBODY && this.now - (this.#requests.arrivedAt[next] ?? 0) > this.model.handlerS) {
      this.#tally.late += 1;
      this.#remove(next);
      next = this.#cpu.leave(worker, this.now);
    }
    if (next !== NOBODY) this.#startCpu(next);
  }

  /** Its next transaction, or the upstream when there is none left, for as long as its handler may still take. */
  #goOn(request: number): void {
    const requests = this.#requests;
    const transactions = requests.transactions[request] ?? 0;
    if (transactions > 0) {
      requests.transactions[request] = transactions - 1;
      this.#database.begin(request);
      return;
    }
    const stamp = requests.moveTo(request, STAGE.upstream);
    const leftS = (requests.arrivedAt[request] ?? 0) + this.model.handlerS - this.now;
    this.plan(EVENT.upstreamEnd, request, stamp, Math.min(requests.upstreamS[request] ?? 0, Math.max(0, leftS)));
  }

  /** Or 504, when its handler has taken as long as it may. */
  #answer(request: number): void {
    const seconds = this.now - (this.#requests.arrivedAt[request] ?? 0);
    if (seconds >= this.model.handlerS * (1 - ROUNDING)) this.#tally.late += 1;
    else {
      this.#tally.served += 1;
      this.#tally.latencySeconds += seconds;
      this.latencies.record(seconds);
    }
    this.#remove(request);
  }

  #fail(request: number, cause: FailureCause): void {
    this.#tally[cause] += 1;
    const stage = this.#requests.stage[request];
    if (stage === STAGE.cpuLine) this.#cpu.abandon(this.#requests.worker[request] ?? 0, request);
    else if (stage === STAGE.cpu) this.#leaveCpu(request);
    else if (stage !== STAGE.upstream) this.#database.release(request);
    this.#remove(request);
  }

  #remove(request: number): void {
    const requests = this.#requests;
    const worker = requests.worker[request] ?? 0;
    const replica = Math.floor(worker / this.model.workers);
    this.#tally.insideLeft += this.now - (requests.arrivedAt[request] ?? 0);
    this.#inFlight[worker] = (this.#inFlight[worker] ?? 0) - 1;
    this.fleet.count(requests.nginx[request] ?? 0, replica, -1);
    this.#inside -= 1;
    requests.giveBack(request);
    if (this.fleet.isLeaving[replica] === 1 && this.fleet.inFlight[replica] === 0) this.#end(replica);
  }

  /** A new pod; ready after its cold start. */
  startReplica(generation: number, afterS: number, zone?: number): void {
    const replica = this.fleet.add(generation, zone);
    if (this.fleet.alive > this.peaks.replicasAlive) this.peaks.replicasAlive = this.fleet.alive;
    this.plan(EVENT.ready, replica, this.fleet.stamp[replica] ?? 0, afterS);
  }

  /** Takes no more requests; goes with its last one after preStop, or is killed at the end of its grace. */
  drainReplica(replica: number): void {
    this.fleet.setPhase(replica, PHASE.draining);
    const stamp = this.fleet.stamp[replica] ?? 0;
    this.plan(EVENT.preStopEnd, replica, stamp, this.model.preStopS);
    this.plan(EVENT.graceEnd, replica, stamp, this.model.graceS);
  }

  /** Gone at once, with all that is in it. */
  loseReplica(replica: number, cause: "lost" | "killed"): void {
    if (this.fleet.phaseOf(replica) === PHASE.serving) this.fleet.setPhase(replica, PHASE.draining);
    this.fleet.isLeaving[replica] = 0;
    const { stage, worker, count } = this.#requests;
    const isHere = (request: number) => Math.floor((worker[request] ?? 0) / this.model.workers) === replica;
    // Those in line first, so that nothing that ends here starts them.
    for (const inLine of [true, false])
      for (let request = 0; request < count; request += 1) {
        const at = stage[request] ?? STAGE.nowhere;
        const isInLine = at === STAGE.cpuLine || at === STAGE.poolLine;
        if (at !== STAGE.nowhere && isInLine === inLine && isHere(request)) this.#fail(request, cause);
      }
    this.#end(replica);
  }

  #end(replica: number): void {
    this.fleet.isLeaving[replica] = 0;
    this.fleet.setPhase(replica, PHASE.gone);
    for (let worker = 0; worker < this.model.workers; worker += 1)
      this.#database.closeConnections(replica * this.model.workers + worker);
    this.#operator?.onGone(replica);
  }

  #handleReplica(kind: number, replica: number): void {
    const { fleet } = this;
    switch (kind) {
      case EVENT.ready:
        fleet.setPhase(replica, PHASE.serving);
        this.plan(EVENT.available, replica, fleet.stamp[replica] ?? 0, this.model.minReadyS);
        this.#operator?.onReady(replica);
        break;
      case EVENT.available:
        this.#operator?.onAvailable(replica);
        break;
      case EVENT.preStopEnd:
        if (fleet.inFlight[replica] === 0) this.#end(replica);
        else fleet.isLeaving[replica] = 1;
        break;
      default:
        this.loseReplica(replica, "killed");
    }
  }
}

/** The way of a transaction: a connection of the worker's pool, a server connection of PgBouncer, a core, and back. */
import { EVENT } from "./events.ts";
import { NOBODY } from "./links.ts";
import { drawTime, type Random } from "./random.ts";
import { type Requests, STAGE } from "./requests.ts";
import { Stations } from "./stations.ts";
import type { System } from "./system.ts";
import type { Tally } from "./tally.ts";

export class Database {
  readonly #system: System;
  readonly #requests: Requests;
  readonly #tally: Tally;
  readonly #pools: Stations;
  readonly #poolers: Stations;
  readonly #cores: Stations;
  readonly #choices: Random;
  readonly #times: Random;
  /** Connections a worker has opened; it keeps them until it ends. */
  readonly #open: Int32Array;
  /** Server connections that an instance of PgBouncer has opened. */
  readonly #serverOpen: Int32Array;
  #openCount = 0;
  #serverOpenCount = 0;

  constructor(system: System, requests: Requests, tally: Tally, workers: number, random: Random) {
    const { pool, pooler, databaseServers } = system.model;
    this.#system = system;
    this.#requests = requests;
    this.#tally = tally;
    this.#pools = new Stations(requests.links, workers, pool);
    this.#poolers = new Stations(requests.links, pooler?.instances ?? 0, pooler?.size ?? 0);
    this.#cores = new Stations(requests.links, 1, databaseServers);
    this.#choices = random.split();
    this.#times = random.split();
    this.#open = new Int32Array(workers);
    this.#serverOpen = new Int32Array(pooler?.instances ?? 0).fill(pooler?.minSize ?? 0);
    this.#serverOpenCount = (pooler?.instances ?? 0) * (pooler?.minSize ?? 0);
  }

  coreBusySeconds(now: number): number {
    return this.#cores.busySeconds(now);
  }

  begin(request: number): void {
    const { model, now } = this.#system;
    const worker = this.#requests.worker[request] ?? 0;
    this.#requests.txS[request] = model.txS * drawTime(this.#times, model.spread);
    this.#tally.poolAsked += 1;
    if (this.#pools.enter(worker, request, now)) this.#usePool(request, worker);
    else {
      this.#tally.poolWaited += 1;
      this.#requests.lineSince[request] = now;
      const stamp = this.#requests.moveTo(request, STAGE.poolLine);
      this.#system.plan(EVENT.poolTimeout, request, stamp, model.acquireS);
    }
  }

  #usePool(request: number, worker: number): void {
    const busy = this.#pools.busyAt(worker);
    if (busy > (this.#open[worker] ?? 0)) {
      this.#open[worker] = busy;
      this.#openCount += 1;
      const { peaks } = this.#system;
      peaks.connections = Math.max(peaks.connections, this.#openCount);
      if (this.#system.model.pooler === null) peaks.serverConnections = peaks.connections;
    }
    this.#askPooler(request);
  }

  /** A worker's connections are spread over the instances by chance. */
  #askPooler(request: number): void {
    const { pooler } = this.#system.model;
    if (pooler === null) {
      this.#askCore(request);
      return;
    }
    const instance = this.#choices.below(pooler.instances);
    this.#requests.pooler[request] = instance;
    this.#tally.poolerAsked += 1;
    if (this.#poolers.enter(instance, request, this.#system.now)) {
      this.#useServer(request, instance);
      return;
    }
    this.#tally.poolerWaited += 1;
    this.#requests.lineSince[request] = this.#system.now;
    const stamp = this.#requests.moveTo(request, STAGE.poolerLine);
    this.#system.plan(EVENT.poolerTimeout, request, stamp, pooler.queryWaitS);
    if (this.#poolers.serversAt(instance) < pooler.sizeWithReserve)
      this.#system.plan(EVENT.reserve, request, stamp, pooler.reserveS);
  }

  /** The request has waited reserve_pool_timeout: its pool may open a connection of the reserve. */
  useReserve(request: number): void {
    const instance = this.#requests.pooler[request] ?? 0;
    if (this.#poolers.serversAt(instance) >= (this.#system.model.pooler?.sizeWithReserve ?? 0)) return;
    const first = this.#poolers.addServer(instance, this.#system.now);
    if (first !== NOBODY) this.#serveWaiting(first, instance);
  }

  #serveWaiting(request: number, instance: number): void {
    this.#tally.poolerWaitSeconds += this.#system.now - (this.#requests.lineSince[request] ?? 0);
    this.#useServer(request, instance);
  }

  #useServer(request: number, instance: number): void {
    if (this.#poolers.busyAt(instance) > (this.#serverOpen[instance] ?? 0)) {
      this.#serverOpen[instance] = this.#poolers.busyAt(instance);
      this.#serverOpenCount += 1;
    }
    const { peaks } = this.#system;
    peaks.serverConnections = Math.max(peaks.serverConnections, this.#serverOpenCount);
    this.#askCore(request);
  }

  #askCore(request: number): void {
    if (this.#cores.enter(0, request, this.#system.now)) this.#startCore(request);
    else this.#requests.moveTo(request, STAGE.coreLine);
  }

  #startCore(request: number): void {
    const { txCpuShare, databaseSpeed } = this.#system.model;
    const seconds = ((this.#requests.txS[request] ?? 0) * txCpuShare) / databaseSpeed;
    this.#system.plan(EVENT.coreEnd, request, this.#requests.moveTo(request, STAGE.core), seconds);
  }

  /** The processor is done; what the transaction takes besides (round trips, disk) needs none. */
  endCore(request: number): void {
    this.#leaveCore();
    const { txCpuShare } = this.#system.model;
    const rest = Math.max(0, (this.#requests.txS[request] ?? 0) * (1 - txCpuShare));
    this.#system.plan(EVENT.transactionEnd, request, this.#requests.moveTo(request, STAGE.transaction), rest);
  }

  #leaveCore(): void {
    const next = this.#cores.leave(0, this.#system.now);
    if (next !== NOBODY) this.#startCore(next);
  }

  endTransaction(request: number): void {
    this.#leavePooler(request);
    this.#leavePool(request);
  }

  #leavePooler(request: number): void {
    if (this.#system.model.pooler === null) return;
    const instance = this.#requests.pooler[request] ?? 0;
    const next = this.#poolers.leave(instance, this.#system.now);
    if (next !== NOBODY) this.#serveWaiting(next, instance);
  }

  #leavePool(request: number): void {
    const worker = this.#requests.worker[request] ?? 0;
    const next = this.#pools.leave(worker, this.#system.now);
    if (next === NOBODY) return;
    this.#tally.poolWaitSeconds += this.#system.now - (this.#requests.lineSince[next] ?? 0);
    this.#usePool(next, worker);
  }

  /** Lets go of everything that a request which fails here holds or waits for. */
  release(request: number): void {
    const stage = this.#requests.stage[request];
    const { worker, pooler } = this.#requests;
    if (stage === STAGE.poolLine) {
      this.#pools.abandon(worker[request] ?? 0, request);
      return;
    }
    if (stage === STAGE.poolerLine) this.#poolers.abandon(pooler[request] ?? 0, request);
    else {
      if (stage === STAGE.coreLine) this.#cores.abandon(0, request);
      if (stage === STAGE.core) this.#leaveCore();
      this.#leavePooler(request);
    }
    this.#leavePool(request);
  }

  /** Of a worker that ended. */
  closeConnections(worker: number): void {
    this.#openCount -= this.#open[worker] ?? 0;
    this.#open[worker] = 0;
  }
}

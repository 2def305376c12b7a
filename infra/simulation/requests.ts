/** The requests inside the gateway, as columns of numbers; a place is used again when its request is answered. */
import { Links } from "./links.ts";

/** Where a request is. Numbers, since they live in a typed array. */
export const STAGE = {
  nowhere: 0,
  cpuLine: 1,
  cpu: 2,
  poolLine: 3,
  poolerLine: 4,
  coreLine: 5,
  core: 6,
  transaction: 7,
  upstream: 8,
} as const;

export class Requests {
  readonly links = new Links();
  #capacity = 1024;
  #used = 0;
  #free = new Int32Array(1024);
  #freeCount = 0;
  arrivedAt = new Float64Array(1024);
  cpuS = new Float64Array(1024);
  upstreamS = new Float64Array(1024);
  /** Length of the transaction that runs or waits. */
  txS = new Float64Array(1024);
  lineSince = new Float64Array(1024);
  transactions = new Int32Array(1024);
  worker = new Int32Array(1024);
  nginx = new Int32Array(1024);
  pooler = new Int32Array(1024);
  stage = new Uint8Array(1024);
  /** Moves on with every change of stage: what was planned for the earlier one is void. */
  stamp = new Int32Array(1024);

  /** Places ever used: 0 … count − 1. */
  get count(): number {
    return this.#used;
  }

  take(): number {
    if (this.#freeCount > 0) {
      this.#freeCount -= 1;
      return this.#free[this.#freeCount] ?? 0;
    }
    if (this.#used === this.#capacity) this.#grow();
    this.#used += 1;
    return this.#used - 1;
  }

  giveBack(request: number): void {
    this.moveTo(request, STAGE.nowhere);
    this.#free[this.#freeCount] = request;
    this.#freeCount += 1;
  }

  /** Answers the stamp for what is planned in the new stage. */
  moveTo(request: number, stage: number): number {
    const stamp = ((this.stamp[request] ?? 0) + 1) | 0;
    this.stage[request] = stage;
    this.stamp[request] = stamp;
    return stamp;
  }

  #grow(): void {
    this.#capacity *= 2;
    const to = this.#capacity;
    this.#free = widen(this.#free, new Int32Array(to));
    this.arrivedAt = widen(this.arrivedAt, new Float64Array(to));
    this.cpuS = widen(this.cpuS, new Float64Array(to));
    this.upstreamS = widen(this.upstreamS, new Float64Array(to));
    this.txS = widen(this.txS, new Float64Array(to));
    this.lineSince = widen(this.lineSince, new Float64Array(to));
    this.transactions = widen(this.transactions, new Int32Array(to));
    this.worker = widen(this.worker, new Int32Array(to));
    this.nginx = widen(this.nginx, new Int32Array(to));
    this.pooler = widen(this.pooler, new Int32Array(to));
    this.stage = widen(this.stage, new Uint8Array(to));
    this.stamp = widen(this.stamp, new Int32Array(to));
    this.links.grow(to);
  }
}

function widen<Column extends Float64Array | Int32Array | Uint8Array>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}

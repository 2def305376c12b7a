/** A tier of like stations, each with some servers and one line in order of arrival. Knows nothing of time but what it is told. */
import { type Links, NOBODY } from "./links.ts";

export class Stations {
  readonly #links: Links;
  readonly #servers: Int32Array;
  readonly #busy: Int32Array;
  readonly #heads: Int32Array;
  readonly #tails: Int32Array;
  /** Over all stations. */
  busy = 0;
  waiting = 0;
  #busySeconds = 0;
  #since = 0;

  constructor(links: Links, count: number, servers: number) {
    this.#links = links;
    this.#servers = new Int32Array(count).fill(servers);
    this.#busy = new Int32Array(count);
    this.#heads = new Int32Array(count).fill(NOBODY);
    this.#tails = new Int32Array(count).fill(NOBODY);
  }

  busyAt(station: number): number {
    return this.#busy[station] ?? 0;
  }

  serversAt(station: number): number {
    return this.#servers[station] ?? 0;
  }

  /** First in the line, or NOBODY. */
  firstAt(station: number): number {
    return this.#heads[station] ?? NOBODY;
  }

  /** Sum over the servers of the time each was busy, seconds, up to `now`. */
  busySeconds(now: number): number {
    this.#busySeconds += this.busy * (now - this.#since);
    this.#since = now;
    return this.#busySeconds;
  }

  /** True when a server takes the request at once; otherwise it joins the line. */
  enter(station: number, request: number, now: number): boolean {
    const busy = this.busyAt(station);
    if (busy < this.serversAt(station)) {
      this.#setBusy(station, busy + 1, now);
      return true;
    }
    const tail = this.#tails[station] ?? NOBODY;
    this.#links.setNext(request, NOBODY);
    this.#links.setPrevious(request, tail);
    if (tail === NOBODY) this.#heads[station] = request;
    else this.#links.setNext(tail, request);
    this.#tails[station] = request;
    this.waiting += 1;
    return false;
  }

  /** A server is free again: it takes the first in line, which is answered, or nobody. */
  leave(station: number, now: number): number {
    const first = this.firstAt(station);
    if (first === NOBODY) this.#setBusy(station, this.busyAt(station) - 1, now);
    else this.abandon(station, first);
    return first;
  }

  /** Takes a request out of the line. */
  abandon(station: number, request: number): void {
    const next = this.#links.next(request);
    const previous = this.#links.previous(request);
    if (previous === NOBODY) this.#heads[station] = next;
    else this.#links.setNext(previous, next);
    if (next === NOBODY) this.#tails[station] = previous;
    else this.#links.setPrevious(next, previous);
    this.waiting -= 1;
  }

  /** One server more, which takes the first in line: it is answered, or nobody. */
  addServer(station: number, now: number): number {
    this.#servers[station] = this.serversAt(station) + 1;
    const first = this.firstAt(station);
    if (first === NOBODY) return first;
    this.abandon(station, first);
    this.#setBusy(station, this.busyAt(station) + 1, now);
    return first;
  }

  #setBusy(station: number, busy: number, now: number): void {
    this.busySeconds(now);
    this.busy += busy - this.busyAt(station);
    this.#busy[station] = busy;
  }
}

/** What happens next: a binary heap of numbers in typed arrays, because a million requests are five million entries. */

export class Agenda {
  #times: Float64Array;
  /** Kind and subject in one number, as the owner packs them. */
  #events: Int32Array;
  /** What the subject's stamp was when this was planned; when it moved on, the entry means nothing any more. */
  #stamps: Int32Array;
  #size = 0;
  /** Of the entry that `next` took. */
  time = 0;
  event = 0;
  stamp = 0;

  constructor(capacity = 1024) {
    this.#times = new Float64Array(capacity);
    this.#events = new Int32Array(capacity);
    this.#stamps = new Int32Array(capacity);
  }

  /** Time of the earliest entry; Infinity when there is none. */
  get earliest(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] ?? 0);
  }

  add(time: number, event: number, stamp: number): void {
    if (this.#size === this.#times.length) this.#grow();
    const times = this.#times;
    let hole = this.#size;
    this.#size += 1;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if ((times[parent] ?? 0) <= time) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, time, event, stamp);
  }

  /** Takes the earliest entry into `time`, `event` and `stamp`; false when there is none. */
  next(): boolean {
    if (this.#size === 0) return false;
    const times = this.#times;
    this.time = times[0] ?? 0;
    this.event = this.#events[0] ?? 0;
    this.stamp = this.#stamps[0] ?? 0;
    this.#size -= 1;
    const last = this.#size;
    const time = times[last] ?? 0;
    let hole = 0;
    for (let child = 1; child < last; child = 2 * hole + 1) {
      if (child + 1 < last && (times[child + 1] ?? 0) < (times[child] ?? 0)) child += 1;
      if (time <= (times[child] ?? 0)) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#put(hole, time, this.#events[last] ?? 0, this.#stamps[last] ?? 0);
    return true;
  }

  #put(at: number, time: number, event: number, stamp: number): void {
    this.#times[at] = time;
    this.#events[at] = event;
    this.#stamps[at] = stamp;
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from] ?? 0, this.#events[from] ?? 0, this.#stamps[from] ?? 0);
  }

  #grow(): void {
    const capacity = this.#times.length * 2;
    const [times, events, stamps] = [this.#times, this.#events, this.#stamps];
    this.#times = new Float64Array(capacity);
    this.#events = new Int32Array(capacity);
    this.#stamps = new Int32Array(capacity);
    this.#times.set(times);
    this.#events.set(events);
    this.#stamps.set(stamps);
  }
}

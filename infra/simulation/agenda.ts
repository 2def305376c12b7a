/** What happens next: a heap of numbers in typed arrays, because a million requests are five million entries. */

/** Children of an entry: four stand in one line of the processor's cache, and the heap is half as deep as with two. */
const CHILDREN = 4;

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
    const [times, events, stamps] = [this.#times, this.#events, this.#stamps];
    let hole = this.#size;
    this.#size += 1;
    while (hole > 0) {
      const parent = Math.floor((hole - 1) / CHILDREN);
      const parentTime = times[parent] ?? 0;
      if (parentTime <= time) break;
      times[hole] = parentTime;
      events[hole] = events[parent] ?? 0;
      stamps[hole] = stamps[parent] ?? 0;
      hole = parent;
    }
    times[hole] = time;
    events[hole] = event;
    stamps[hole] = stamp;
  }

  /** Takes the earliest entry into `time`, `event` and `stamp`; false when there is none. */
  next(): boolean {
    if (this.#size === 0) return false;
    const [times, events, stamps] = [this.#times, this.#events, this.#stamps];
    this.time = times[0] ?? 0;
    this.event = events[0] ?? 0;
    this.stamp = stamps[0] ?? 0;
    this.#size -= 1;
    const last = this.#size;
    const time = times[last] ?? 0;
    let hole = 0;
    for (let child = 1; child < last; child = CHILDREN * hole + 1) {
      let earliest = child;
      let earliestTime = times[child] ?? 0;
      const end = Math.min(child + CHILDREN, last);
      for (let other = child + 1; other < end; other += 1) {
        const otherTime = times[other] ?? 0;
        if (otherTime < earliestTime) {
          earliest = other;
          earliestTime = otherTime;
        }
      }
      if (time <= earliestTime) break;
      times[hole] = earliestTime;
      events[hole] = events[earliest] ?? 0;
      stamps[hole] = stamps[earliest] ?? 0;
      hole = earliest;
    }
    times[hole] = time;
    events[hole] = events[last] ?? 0;
    stamps[hole] = stamps[last] ?? 0;
    return true;
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

/**
 * A list whose members know their neighbours: in and out cost a few stores and build nothing. Sets that thousands of short-lived objects go
 * through each second grow new tables all the time, and their old ones keep garbage alive.
 */

/** A member of at most one ring at a time. */
export type Ringed<Item> = { before: Item | undefined; after: Item | undefined };

export class Ring<Item extends Ringed<Item>> {
  #first: Item | undefined;
  #last: Item | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): Item | undefined {
    return this.#first;
  }

  /** At the end. One that is in a ring already stays where it is. */
  add(item: Item): void {
    if (this.has(item)) return;
    item.before = this.#last;
    if (this.#last === undefined) this.#first = item;
    else this.#last.after = item;
    this.#last = item;
    this.#size++;
  }

  has(item: Item): boolean {
    return item.before !== undefined || this.#first === item;
  }

  /** False when it is not in. What has left points at nothing, so that it keeps nothing alive. */
  delete(item: Item): boolean {
    if (!this.has(item)) return false;
    const { before, after } = item;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    item.before = undefined;
    item.after = undefined;
    this.#size--;
    return true;
  }

  clear(): void {
    for (let item = this.#first; item !== undefined; item = this.#first) this.delete(item);
  }

  /** In the order of their coming, those that are in at this moment: what a visit adds or takes out changes nothing of it. */
  all(): Item[] {
    const items: Item[] = [];
    for (let item = this.#first; item !== undefined; item = item.after) items.push(item);
    return items;
  }
}

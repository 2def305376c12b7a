/**
 * What leaves a process at the end of a turn of the event loop, together. A peer that sleeps is woken by the first write and finds the others
 * when it comes; written one by one, each as it is ready, every one of them would wake it.
 */

export type Held = {
  /** Lets go what was held back since. */
  release(): void;
};

/** So many do not wait for the end of a long turn. */
const MAX_HELD = 64;

let held: Held[] = [];
let isAwaited = false;

/** Each once, until it has been released. */
export function releaseLater(item: Held): void {
  held.push(item);
  if (held.length >= MAX_HELD) releaseAll();
  else if (!isAwaited) {
    isAwaited = true;
    setImmediate(turned);
  }
}

function turned(): void {
  isAwaited = false;
  releaseAll();
}

function releaseAll(): void {
  const items = held;
  held = [];
  for (const item of items) item.release();
}

/** Which operations of a store a suite has used, so that it can say which it leaves out. */
import type { Store } from "../../../gateway/store/index.ts";

/** Housekeeping of the pool: no database could understand one of them in another way. */
const OWN: readonly string[] = ["gauges", "figures", "releaseIdle", "close"];

export class Asked {
  readonly #known = new Set<string>();
  readonly #used = new Set<string>();

  /** The store, each of whose operations is noted when it is used; the shared state has a suite of its own. */
  watch(store: Store): Store {
    return this.#watch("", store, this.#watch("records.", store.records, undefined));
  }

  /** Sorted names. */
  leftOut(): string[] {
    return [...this.#known].filter((name) => !this.#used.has(name)).sort();
  }

  #watch<Room extends object>(prefix: string, room: Room, records: Store["records"] | undefined): Room {
    for (const [name, operation] of Object.entries(room))
      if (typeof operation === "function" && !OWN.includes(name)) this.#known.add(prefix + name);
    return new Proxy(room, {
      get: (target, name, receiver) => {
        if (typeof name === "string" && this.#known.has(prefix + name)) this.#used.add(prefix + name);
        return name === "records" && records !== undefined ? records : Reflect.get(target, name, receiver);
      },
    });
  }
}

/**
 * One slow upstream may not take every slot: while calls go to more than one, each gets a share of the slots of calls at most. And merged
 * lists, which only a body tells from calls, have a number of their own.
 */
import { type Fault, fault } from "../../contract/errors.ts";

/** Seconds for which an upstream counts as in use after its last call. */
const IN_USE_BEATS = 60;
/** Told to whoever is refused: the upstream decides how soon it has time, and nobody here knows. */
const RETRY_AFTER = { "retry-after": "1" };

export type BulkheadOptions = {
  /** Slots of calls now; Infinity without a cap, and then upstreams have none either. */
  readonly slots: () => number;
  /** Of the slots, for one upstream; 1 = all of them. */
  readonly share: number;
  /** Merged lists at once; 0 = no cap. */
  readonly maxLists: number;
  readonly refused: (upstream: string) => void;
};

/** What one call holds of its upstream's share. */
export interface Place {
  leave(): void;
}

/** Calls to one upstream. One of them leaves once: the call that entered. */
class Compartment implements Place {
  busy = 0;
  usedAt = 0;

  leave(): void {
    this.busy--;
  }
}

export class Bulkheads {
  readonly #options: BulkheadOptions;
  readonly #byUpstream = new Map<string, Compartment>();
  readonly #lists = new Compartment();
  readonly #listsFull: Fault;
  #beat = 0;

  constructor(options: BulkheadOptions) {
    this.#options = options;
    const limit = { what: "merged lists", limit: options.maxLists };
    this.#listsFull = fault("MCPS_OVERLOADED", limit, undefined, RETRY_AFTER);
  }

  /** `slug`: what the upstream is called. Throws MCPS_UPSTREAM_BUSY. */
  ofUpstream(id: string, slug: string): Place {
    let compartment = this.#byUpstream.get(id);
    if (compartment === undefined) {
      compartment = new Compartment();
      this.#byUpstream.set(id, compartment);
    }
    compartment.usedAt = this.#beat;
    const { share, slots } = this.#options;
    if (compartment.busy > 0 && share < 1 && this.#byUpstream.size > 1) {
      const limit = share * slots();
      // Whole slots, so that a share of one and a half is one.
      if (compartment.busy + 1 > limit) this.#refuse(slug, Math.max(1, Math.floor(limit)));
    }
    compartment.busy++;
    return compartment;
  }

  /** Throws MCPS_OVERLOADED. */
  ofList(): Place {
    const { maxLists } = this.#options;
    if (maxLists > 0 && this.#lists.busy >= maxLists) throw this.#listsFull;
    this.#lists.busy++;
    return this.#lists;
  }

  /** Once a second: upstreams that nobody calls any longer leave their share to the others. */
  beat(): void {
    this.#beat++;
    for (const [id, { busy, usedAt }] of this.#byUpstream)
      if (busy === 0 && this.#beat - usedAt > IN_USE_BEATS) this.#byUpstream.delete(id);
  }

  #refuse(slug: string, limit: number): never {
    this.#options.refused(slug);
    const reason = `it has ${limit} call${limit === 1 ? "" : "s"} running, its share of this gateway`;
    throw fault("MCPS_UPSTREAM_BUSY", { upstream: slug, reason }, { retryAfterSeconds: 1 }, RETRY_AFTER);
  }
}

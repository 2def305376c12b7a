/**
 * May it be served now? Decided on the request head, synchronously, by counters alone: request N+1 costs a comparison and
 * a constant answer, and takes nothing that a served request needs.
 *
 * Calls and lists share one cap; long streams have their own, so that idle listeners take no slot of a call; control messages
 * (initialize, ping, notifications, answers to elicitation, cancellations, DELETE) have their own as well, because they end waiting calls: refused
 * behind full slots they would keep those slots full. Probes always pass.
 */
import { type Fault, fault } from "../../contract/errors.ts";

export type AdmissionClass = "probe" | "control" | "call" | "list" | "stream";

/** A limit that is not enforced: `exceeded` is called each time the number rises above it. */
export type Watched = { readonly limit: number; readonly exceeded: () => void };
export type PlannedLoad = { readonly inFlight: Watched; readonly streams: Watched };

export type AdmissionOptions = {
  /** Calls and lists at once; 0 = no cap. */
  readonly maxInFlight: number;
  /** Streams at once; 0 = no cap. */
  readonly maxStreams: number;
  /** Control messages at once; default maxInFlight. */
  readonly maxControl?: number;
  /** Value of Retry-After in whole seconds, at least 1; default 1. */
  readonly retryAfterSeconds?: number;
  /** Calls and lists, and streams, that the deployment is planned for. */
  readonly planned?: PlannedLoad | undefined;
};

export interface Ticket {
  readonly refused: undefined;
  /** Gives the slot back. Idempotent. */
  leave(): void;
}

/** The same object for every refusal of a class: it carries nothing of the request. */
export type Refusal = { readonly refused: Fault };

export type AdmissionGauges = {
  readonly draining: boolean;
  readonly inFlight: Readonly<Record<AdmissionClass, number>>;
  readonly admitted: Readonly<Record<AdmissionClass, number>>;
  readonly refused: Readonly<Record<AdmissionClass, number>>;
};

export interface Admission {
  /** A slot, or MCPS_OVERLOADED or MCPS_DRAINING (both 503) with Retry-After. */
  enter(kind: AdmissionClass): Ticket | Refusal;
  /** From now on new calls, lists and streams are refused; control messages still pass, so that waiting calls can end. */
  drain(): void;
  readonly isDraining: boolean;
  gauges(): AdmissionGauges;
}

/** One counter with its cap; classes may share one. */
class Lane {
  readonly what: string;
  readonly cap: number;
  /** One more than is planned. */
  readonly beyond: number;
  readonly exceeded: () => void;
  busy = 0;

  constructor(what: string, cap: number, watched: Watched = { limit: Infinity, exceeded: () => undefined }) {
    this.what = what;
    this.cap = cap;
    this.beyond = watched.limit + 1;
    this.exceeded = watched.exceeded;
  }
}

class ClassState {
  readonly lane: Lane;
  readonly overloaded: Refusal;
  readonly passesDrain: boolean;
  inFlight = 0;
  admitted = 0;
  refused = 0;

  constructor(lane: Lane, passesDrain: boolean, headers: Readonly<Record<string, string>>) {
    this.lane = lane;
    this.passesDrain = passesDrain;
    const limit = { what: lane.what, limit: lane.cap };
    this.overloaded = { refused: fault("MCPS_OVERLOADED", limit, undefined, headers) };
  }
}

class Slot implements Ticket {
  readonly refused = undefined;
  #state: ClassState | undefined;

  constructor(state: ClassState) {
    this.#state = state;
  }

  leave(): void {
    if (this.#state === undefined) return;
    this.#state.inFlight--;
    this.#state.lane.busy--;
    this.#state = undefined;
  }
}

/** Throws RangeError naming the option for a cap that is no whole number of at least 0. */
export function createAdmission(options: AdmissionOptions): Admission {
  const { maxInFlight, maxStreams } = options;
  const maxControl = options.maxControl ?? maxInFlight;
  const retryAfterSeconds = options.retryAfterSeconds ?? 1;
  for (const [name, value] of Object.entries({ maxInFlight, maxStreams, maxControl, retryAfterSeconds })) {
    const least = name === "retryAfterSeconds" ? 1 : 0;
    if (!Number.isSafeInteger(value) || value < least)
      throw new RangeError(`${name} is ${value}, it has to be a whole number of at least ${least}`);
  }
  const headers = { "retry-after": String(retryAfterSeconds) };
  // A drained process will not take this connection's next request either.
  const draining: Refusal = {
    refused: fault("MCPS_DRAINING", {}, undefined, { ...headers, connection: "close" }),
  };
  const calls = new Lane("calls", maxInFlight, options.planned?.inFlight);
  const classes: Readonly<Record<AdmissionClass, ClassState>> = {
    probe: new ClassState(new Lane("probes", 0), true, headers),
    control: new ClassState(new Lane("control messages", maxControl), true, headers),
    call: new ClassState(calls, false, headers),
    list: new ClassState(calls, false, headers),
    stream: new ClassState(new Lane("streams", maxStreams, options.planned?.streams), false, headers),
  };
  let isDraining = false;

  return {
    enter(kind) {
      const state = classes[kind];
      const { lane } = state;
      if (isDraining && !state.passesDrain) {
        state.refused++;
        return draining;
      }
      if (lane.cap > 0 && lane.busy >= lane.cap) {
        state.refused++;
        return state.overloaded;
      }
      lane.busy++;
      if (lane.busy === lane.beyond) lane.exceeded();
      state.inFlight++;
      state.admitted++;
      return new Slot(state);
    },
    drain() {
      isDraining = true;
    },
    get isDraining() {
      return isDraining;
    },
    gauges() {
      return {
        draining: isDraining,
        inFlight: count(classes, "inFlight"),
        admitted: count(classes, "admitted"),
        refused: count(classes, "refused"),
      };
    },
  };
}

function count(
  classes: Readonly<Record<AdmissionClass, ClassState>>,
  field: "inFlight" | "admitted" | "refused",
): Record<AdmissionClass, number> {
  return {
    probe: classes.probe[field],
    control: classes.control[field],
    call: classes.call[field],
    list: classes.list[field],
    stream: classes.stream[field],
  };
}

/**
 * May it be served now? Decided on the request head, synchronously, by counters alone: request N+1 costs a comparison and
 * a constant answer, and takes nothing that a served request needs.
 *
 * Calls and lists have a cap each, so that slow lists leave the calls their slots; long streams have their own, so that idle listeners take
 * no slot of a call; control messages (initialize, ping, notifications, DELETE) have their own as well. Probes always pass.
 */
import type { RequestHead } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import { Pressure, type Signal } from "./governor.ts";
import { Lane, partyOf, Watch } from "./lane.ts";
import { Queue, type QueuedTicket } from "./queue.ts";
import { type Party, Shares } from "./shares.ts";
import { Ticket } from "./ticket.ts";
import {
  ADMISSION_CLASSES,
  type AdmissionClass,
  type AdmissionGauges,
  type PlannedLoad,
  type Refusal,
  type RefusalReason,
} from "./types.ts";

/** How often `beat` is to be called. */
export const BEAT_MS = 100;
const BEATS_PER_SECOND = 1000 / BEAT_MS;

export type AdmissionOptions = {
  /** Calls at once; 0 = no cap. */
  readonly maxInFlight: number;
  /** Lists at once; 0 = no cap. Default: a quarter of maxInFlight, rounded up. */
  readonly maxLists?: number | undefined;
  /** Streams at once; 0 = no cap. */
  readonly maxStreams: number;
  /** Control messages at once; default maxInFlight. */
  readonly maxControl?: number;
  /** Share of the slots, 0…1, from which a caller gets no more than its share of them; 1, the default, = never. */
  readonly fairFrom?: number;
  /** Weight of a principal's share by its id, more than 0; default 1 for everybody. */
  readonly weightOf?: (principalId: string) => number;
  /**
   * Set where callers have to say who they are. Those of whom nobody has checked it yet hold half of the slots of a lane at most, so that
   * connections without a token refuse nobody who has one, and the body of their calls and lists has to come within this time, ms.
   */
  readonly strangersBodyMs?: number | undefined;
  /** How long a call or list may wait for a slot; 0, the default, = not at all. */
  readonly queueTimeoutMs?: number;
  /** What takes slots away while it is beyond its bound. */
  readonly signals?: readonly Signal[];
  /** Monotonic ms. */
  readonly now?: () => number;
  /** Calls and lists, and streams, that the deployment is planned for. */
  readonly planned?: PlannedLoad | undefined;
};

export interface Admission {
  /**
   * A slot, a place in the queue for one, or a refusal with 503 and Retry-After. `head`: whose share it is counted to; nobody's without.
   * `mayEndCalls`: it may carry an answer or a cancellation that a waiting call needs to end. Where there is no slot of its class, such a
   * request may still come in: to be refused (`controlOnly`) once its body shows that it is something else. So it may while draining.
   */
  enter(kind: AdmissionClass, head?: RequestHead, mayEndCalls?: boolean): Ticket | QueuedTicket | Refusal;
  /** A slot or a refusal: for what has come in already and waits for nothing. `principal`: whose it is. */
  enterNow(kind: AdmissionClass, head?: RequestHead, principal?: Principal): Ticket | Refusal;
  /** From now on new calls, lists and streams are refused; control messages still pass, so that waiting calls can end. */
  drain(): void;
  readonly isDraining: boolean;
  /** Slots of calls at this moment; Infinity without a cap. */
  readonly callSlots: number;
  /** Calls and lists being served. */
  readonly running: number;
  /** Every BEAT_MS: signals are read, deadlines kept, and once a second rates and shares renewed. */
  beat(): void;
  gauges(): AdmissionGauges;
}

/** Throws RangeError naming the option for a cap that is no whole number of at least 0. */
export function createAdmission(options: AdmissionOptions): Admission {
  const { maxInFlight, maxStreams, planned } = options;
  const maxLists = options.maxLists ?? Math.ceil(maxInFlight / 4);
  const maxControl = options.maxControl ?? maxInFlight;
  const { fairFrom = 1, strangersBodyMs, queueTimeoutMs = 0, signals = [], now = () => performance.now() } = options;
  checkCaps({ maxInFlight, maxLists, maxStreams, maxControl });
  if (!(fairFrom >= 0 && fairFrom <= 1)) throw new RangeError(`fairFrom is ${fairFrom}, it has to be 0…1`);

  const weightOf = options.weightOf ?? (() => 1);
  const tellsApart = strangersBodyMs !== undefined;
  const fairness = () =>
    fairFrom < 1 || tellsApart ? { shares: new Shares(weightOf, tellsApart), from: fairFrom } : undefined;
  const inFlight = planned === undefined ? undefined : new Watch(planned.inFlight);
  const open = planned === undefined ? undefined : new Watch(planned.streams);
  const checked = () => ({ passesDrain: false, fairness: fairness(), strangersBodyMs });
  const lanes: Readonly<Record<AdmissionClass, Lane>> = {
    probe: new Lane({ what: "probes", cap: 0, passesDrain: true }),
    control: new Lane({ what: "control messages", cap: maxControl, passesDrain: true }),
    call: new Lane({ what: "calls", cap: maxInFlight, ...checked(), watch: inFlight }),
    list: new Lane({ what: "lists", cap: maxLists, ...checked(), watch: inFlight }),
    stream: new Lane({ what: "streams", cap: maxStreams, passesDrain: false, watch: open }),
  };
  // What ends a waiting call comes where calls come. Without slots of its own it would be refused behind the calls it ends.
  const replies = new Lane({ what: "answers", cap: Math.ceil(maxInFlight / 8), passesDrain: true });
  const limited = [lanes.call, lanes.list];
  const queues = new Map(queueTimeoutMs > 0 ? limited.map((lane) => [lane, new Queue(lane, queueTimeoutMs, now)]) : []);
  const pressure = new Pressure(signals);
  const shrinks: Record<string, number> = Object.fromEntries(signals.map(({ name }) => [name, 0]));
  let isDraining = false;
  let beats = 0;

  function slotOf(lane: Lane, party: Party | undefined, isStranger: boolean): Ticket | RefusalReason {
    if (isDraining && !lane.passesDrain) return "draining";
    if (lane.isFull) return lane.fullness;
    if (isStranger && lane.isFullOfStrangers) return "share";
    const { shares } = lane;
    if (shares !== undefined && party !== undefined && lane.isBeyondShare(shares, party)) return "share";
    lane.occupy();
    if (isStranger) lane.strangers++;
    if (party !== undefined) shares?.take(party);
    return new Ticket(lane, party, undefined, isStranger);
  }

  function refuse(lane: Lane, party: Party | undefined, reason: RefusalReason): Refusal {
    if (party !== undefined) lane.shares?.missed(party);
    return lane.refuse(reason);
  }

  function govern(): void {
    const verdict = pressure.beat();
    if (verdict === undefined) return;
    const { beyond, isCalm } = verdict;
    if (beyond !== undefined) shrinks[beyond] = (shrinks[beyond] ?? 0) + 1;
    for (const lane of limited) {
      if (beyond === undefined) lane.settle(isCalm);
      else lane.shrink();
    }
  }

  return {
    enter(kind, head, mayEndCalls = false) {
      const lane = lanes[kind];
      const party = partyOf(lane, head);
      const slot = slotOf(lane, party, party?.isStranger ?? false);
      if (typeof slot !== "string") return slot;
      const queue = slot === "full" || slot === "pressure" ? queues.get(lane) : undefined;
      if (queue?.mayAdd(party)) return queue.add(party);
      const refusal = refuse(lane, party, slot);
      if (!mayEndCalls || replies.isFull) return refusal;
      replies.occupy();
      return new Ticket(replies, undefined, refusal);
    },
    enterNow(kind, head, principal) {
      const lane = lanes[kind];
      const party = partyOf(lane, head, principal);
      const slot = slotOf(lane, party, principal === undefined && (party?.isStranger ?? false));
      return typeof slot === "string" ? refuse(lane, party, slot) : slot;
    },
    drain() {
      isDraining = true;
      for (const queue of queues.values()) queue.drain();
    },
    get isDraining() {
      return isDraining;
    },
    get callSlots() {
      return lanes.call.limit;
    },
    get running() {
      return lanes.call.busy + lanes.list.busy;
    },
    beat() {
      govern();
      for (const queue of queues.values()) queue.beat();
      if (++beats % BEATS_PER_SECOND !== 0) return;
      for (const kind of ADMISSION_CLASSES) lanes[kind].beat();
    },
    gauges() {
      const each = <Value>(read: (lane: Lane) => Value): Record<AdmissionClass, Value> => ({
        probe: read(lanes.probe),
        control: read(lanes.control),
        call: read(lanes.call),
        list: read(lanes.list),
        stream: read(lanes.stream),
      });
      return {
        draining: isDraining,
        inFlight: { ...each(({ busy }) => busy), control: lanes.control.busy + replies.busy },
        admitted: { ...each(({ admitted }) => admitted), control: lanes.control.admitted + replies.admitted },
        refused: each(({ refused }) => ({ ...refused })),
        limit: each(({ limit }) => (limit === Infinity ? 0 : limit)),
        shrunk: { ...shrinks },
        waiting: [...queues.values()].reduce((sum, { size }) => sum + size, 0),
      };
    },
  };
}

function checkCaps(caps: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(caps))
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`${name} is ${value}, it has to be a whole number of at least 0`);
}

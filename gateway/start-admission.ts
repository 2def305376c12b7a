/** Admission with its signals and bulkheads, from the settings, and the clock that drives them. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import {
  type Admission,
  BEAT_MS,
  Bulkheads,
  createAdmission,
  heapUse,
  type Limits,
  loopDelay,
  type PlannedLoad,
  type Signal,
  upstreamWait,
} from "./admission/index.ts";
import type { measures } from "./measures.ts";
import { fairShareWeights, inFlightLimit, listLimit } from "./settings/index.ts";
import type { Teardown } from "./teardown.ts";
import type { TransportParts } from "./transports/index.ts";

/** Most of the requests being served only wait for a connection to an upstream: more of them would wait longer. */
const MOST = 0.5;
/**
 * Time for the body of a call from somebody who has not proven yet who he is. What is lost on the way is sent again after one second and
 * after two more (RFC 6298 §2.1, §5.5), and a large body over a slow line takes a while.
 */
const STRANGERS_BODY_MS = 5000;
const BEATS_PER_SECOND = 1000 / BEAT_MS;

type AdmissionInput = {
  readonly settings: Settings;
  readonly planned: PlannedLoad | undefined;
  readonly observe: ReturnType<typeof measures>;
  readonly teardown: Teardown;
  /** Calls that wait for a connection to their upstream. */
  readonly upstreamsWaiting: () => number;
};

export function startAdmission(input: AdmissionInput): { admission: Admission; places: Bulkheads } {
  const { settings, planned, observe, teardown, upstreamsWaiting } = input;
  const maxInFlight = inFlightLimit(settings.MAX_IN_FLIGHT, settings.HTTP_SERVER);
  const maxLists = listLimit(settings.MAX_LISTS_IN_FLIGHT, maxInFlight);
  const weights = fairShareWeights(settings.FAIR_SHARE_WEIGHTS);
  const signals: Signal[] = [upstreamWait(MOST, upstreamsWaiting, () => admission.running)];
  const now = () => performance.now();
  if (settings.MAX_LOOP_DELAY > 0) signals.push(loopDelay(settings.MAX_LOOP_DELAY, BEAT_MS, now));
  if (settings.MAX_HEAP_USE > 0) signals.push(heapUse(settings.MAX_HEAP_USE));
  const admission: Admission = createAdmission({
    maxInFlight,
    maxLists,
    maxStreams: settings.MAX_STREAMS,
    fairFrom: settings.FAIR_SHARE_FROM,
    weightOf: (principalId) => weights.get(principalId) ?? 1,
    strangersBodyMs: settings.AUTH_REQUIRED ? Math.min(STRANGERS_BODY_MS, settings.BODY_TIMEOUT * 1000) : undefined,
    queueTimeoutMs: settings.QUEUE_TIMEOUT,
    signals,
    now,
    planned,
  });
  const places = new Bulkheads({
    slots: () => admission.callSlots,
    share: settings.MAX_UPSTREAM_SHARE,
    maxLists,
    refused: observe.upstreamRefused,
  });
  observe.admission(() => admission.gauges());
  let beats = 0;
  const clock = setInterval(() => {
    admission.beat();
    if (++beats % BEATS_PER_SECOND === 0) places.beat();
  }, BEAT_MS);
  clock.unref();
  teardown.add("admission", () => clearInterval(clock));
  return { admission, places };
}

/** How transports take places that no request of their own stands for. */
export function placesOf(
  admission: Admission,
  limits?: Pick<Limits, "message">,
): Pick<TransportParts, "enterStream" | "enterCall"> {
  return {
    enterStream() {
      const entered = admission.enterNow("stream");
      return entered.ok ? entered : entered.fault;
    },
    enterCall(head, principal) {
      const limited = limits?.message(principal);
      if (limited !== undefined) return limited;
      const entered = admission.enterNow("call", head, principal);
      return entered.ok ? entered : entered.fault;
    },
  };
}

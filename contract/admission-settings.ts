/** Settings of admission: how many requests are served at once, whose, and what makes them fewer. MAX_IN_FLIGHT stands with the engines' knobs. */
import { count, milliseconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

export const admissionSettings = {
  MAX_LISTS_IN_FLIGHT: {
    ...count("requests", 0, 1000000),
    default: null,
    computed: "a quarter of MAX_IN_FLIGHT, or up to 32 of it where that is more",
    room: "admission",
    description:
      "Lists that one worker serves at once, besides the calls of MAX_IN_FLIGHT, so that neither takes the slots of the other; 0 sets no limit.",
  },
  MAX_STREAMS: {
    ...count("streams", 0, 1000000),
    default: 10000,
    room: "admission",
    description: "Long-lived client streams of one worker at once; 0 sets no limit.",
  },
  FAIR_SHARE_FROM: {
    type: "number",
    default: 0.75,
    min: 0,
    max: 1,
    room: "admission",
    description:
      "Share of the slots in use from which a caller who holds its share of them gets no more while others want some; 1 = never. Needs MAX_IN_FLIGHT.",
  },
  FAIR_SHARE_WEIGHTS: {
    type: "list",
    default: [],
    room: "admission",
    description:
      "`principal=weight`: principals (email or subject of the token) whose share is so many times that of another one, 1…1000.",
  },
  MAX_UPSTREAM_SHARE: {
    type: "number",
    default: 0.5,
    min: 0.01,
    max: 1,
    room: "admission",
    description:
      "Share of the slots of calls that one upstream may take while others are in use too, so that a slow one leaves them room; 1 = all. Needs MAX_IN_FLIGHT.",
  },
  QUEUE_TIMEOUT: {
    ...milliseconds(0, 60000),
    default: 0,
    room: "admission",
    description:
      "How long a call or list may wait for a slot; what cannot start in time is refused. 0 refuses at once, before the body is read.",
  },
  MAX_LOOP_DELAY: {
    ...milliseconds(0, 60000),
    default: 200,
    room: "admission",
    description:
      "Delay of the event loop which, when it stays, takes slots away until it is gone; 0 = never. Needs MAX_IN_FLIGHT.",
  },
  MAX_HEAP_USE: {
    type: "number",
    default: 0.9,
    min: 0,
    max: 1,
    room: "admission",
    description:
      "Share of the JavaScript heap which, when it stays in use, takes slots away until it is free; 0 = never. Needs MAX_IN_FLIGHT.",
  },
} as const satisfies Record<string, SettingDeclaration>;

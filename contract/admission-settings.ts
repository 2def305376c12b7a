/** Settings of admission: how many requests are served at once, whose, and what makes them fewer. MAX_IN_FLIGHT stands with the engines' knobs. */
import type { SettingDeclaration } from "./setting-declaration.ts";

export const admissionSettings = {
  MAX_LISTS_IN_FLIGHT: {
    type: "integer",
    default: null,
    computed: "a quarter of MAX_IN_FLIGHT, or up to 32 of it where that is more",
    unit: "requests",
    min: 0,
    max: 1000000,
    room: "admission",
    description:
      "Lists that one worker serves at once, besides the calls of MAX_IN_FLIGHT, so that neither takes the slots of the other; 0 sets no limit.",
  },
  MAX_STREAMS: {
    type: "integer",
    default: 10000,
    unit: "streams",
    min: 0,
    max: 1000000,
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
    type: "duration",
    default: 0,
    unit: "ms",
    min: 0,
    max: 60000,
    room: "admission",
    description:
      "How long a call or list may wait for a slot; what cannot start in time is refused. 0 refuses at once, before the body is read.",
  },
  MAX_LOOP_DELAY: {
    type: "duration",
    default: 200,
    unit: "ms",
    min: 0,
    max: 60000,
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

/** Settings of requests that are sent to an upstream again. */
import { count, seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

export const retrySettings = {
  RETRY_MAX_ATTEMPTS: {
    ...count("attempts", 1, 20),
    default: 3,
    room: "upstreams",
    description:
      "How often a request is sent to an upstream that cannot be reached or says that it is busy: only while none of it has left, or where it may be carried out twice (reads, and tools with readOnlyHint or idempotentHint). 1 = once.",
  },
  RETRY_BASE_DELAY: {
    ...seconds(0, 60),
    default: 1,
    room: "upstreams",
    description:
      "Pause before the second attempt; it doubles with each. Retry-After of the upstream counts where it is longer.",
  },
  RETRY_MAX_DELAY: {
    ...seconds(0, 600),
    default: 60,
    room: "upstreams",
    description: "Longest pause before an attempt; an upstream that asks for a longer one is not asked again.",
  },
  RETRY_JITTER_MAX: {
    type: "number",
    default: 0.5,
    min: 0,
    max: 10,
    room: "upstreams",
    description: "Of each pause, how much is added by chance at most, so that attempts do not come together.",
  },
  RETRY_BUDGET: {
    type: "number",
    default: 0.2,
    min: 0,
    max: 1,
    room: "upstreams",
    description:
      "Of the requests of one worker to one upstream, how many may be repeated, ten at rest not counted: 0.2 = one in five. 0 = none.",
  },
} as const satisfies Record<string, SettingDeclaration>;

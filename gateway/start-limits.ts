/** Limits of callers with what they count in, and the watch that counts calls of upstreams. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import { type CallTarget, createLimits, type Limits } from "./admission/index.ts";
import type { SharedState } from "./coordination/index.ts";
import type { Route } from "./federation/index.ts";
import type { measures } from "./measures.ts";
import type { CallWatch } from "./sessions/index.ts";
import type { Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";
import { workerOptions } from "./worker-options.ts";

type LimitsInput = {
  readonly settings: Settings;
  readonly state: SharedState;
  readonly store: Pick<Store, "takeQuota">;
  readonly observe: ReturnType<typeof measures>;
  readonly teardown: Teardown;
  readonly log: Log;
  /** No other event loop and no other replica serves the same clients. */
  readonly isAlone: boolean;
  /** As far as a plan says. */
  readonly replicas: number;
};

export function startLimits(input: LimitsInput): Limits {
  const { settings, state, store, observe, teardown, log } = input;
  const { workers, threads } = workerOptions(settings);
  const limits = createLimits({
    state,
    quotas: store,
    rules: settings.RATE_LIMITS,
    quotaRules: settings.QUOTAS,
    tiers: settings.RATE_LIMITING_ENABLED ? tiersOf(settings) : undefined,
    perTool: settings.TOOL_RATE_LIMIT,
    perToolAtOnce: settings.TOOL_CONCURRENT_LIMIT,
    shared: settings.RATE_LIMITING_REDIS_ENABLED,
    // What one has of a limit while nobody answers.
    sharers: input.isAlone ? 1 : workers * threads * Math.max(1, input.replicas),
    log,
    now: () => performance.now(),
    wallClock: Date.now,
    refused: observe.limitRefused,
  });
  teardown.add("limits", () => limits.close());
  return limits;
}

function tiersOf(settings: Settings) {
  return {
    critical: { perMinute: settings.RATE_LIMIT_CRITICAL_RPM, burst: settings.RATE_LIMIT_CRITICAL_BURST },
    high: { perMinute: settings.RATE_LIMIT_HIGH_RPM, burst: settings.RATE_LIMIT_HIGH_BURST },
    medium: { perMinute: settings.RATE_LIMIT_MEDIUM_RPM, burst: settings.RATE_LIMIT_MEDIUM_BURST },
    low: { perMinute: settings.RATE_LIMIT_LOW_RPM, burst: settings.RATE_LIMIT_LOW_BURST },
  };
}

/** Counts calls by upstream and tool. */
export function limitWatch(limits: Pick<Limits, "call" | "ended">): CallWatch {
  // Views remember their routes, so that what a route leads to is put together once.
  const targets = new WeakMap<Route, CallTarget>();
  return {
    mayBegin(call) {
      const { route, caller, envelope } = call;
      let target = targets.get(route);
      if (target === undefined) {
        const tool = envelope.method === "tools/call" ? route.target?.value : undefined;
        target = { upstream: route.upstream.record.slug, tool };
        targets.set(route, target);
      }
      return limits.call(call, target, caller.principal);
    },
    ended: (call) => limits.ended(call),
  };
}

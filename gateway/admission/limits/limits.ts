/** Limits of callers: who is asked when, and what is known on the head already. */
import type { Fault } from "../../../contract/errors.ts";
import type { RequestHead } from "../../../contract/http.ts";
import { type LimitRule, limitRule, type QuotaRule, quotaRule } from "../../../contract/limit-rules.ts";
import type { Principal } from "../../../contract/principal.ts";
import type { Route } from "../../../contract/routes.ts";
import type { SharedState } from "../../coordination/index.ts";
import type { Log } from "../../telemetry/index.ts";
import { customerOf } from "./address.ts";
import { ToolConcurrency } from "./concurrency.ts";
import { Limiter, type LimitFigures } from "./limiter.ts";
import { type CallTarget, isOfCalls } from "./subjects.ts";
import { bucketSupply, ownSupply, type QuotaStore, quotaSupply, Reach } from "./supplies.ts";
import { TIERS, type Tier, type TierRate, tierOf, tierRules } from "./tiers.ts";

export type LimitsOptions = {
  readonly state: SharedState;
  readonly quotas: QuotaStore;
  /** RATE_LIMITS and QUOTAS; entries that are no rules have been refused before. */
  readonly rules: readonly string[];
  readonly quotaRules: readonly string[];
  /** Undefined: no tiers. A rate of 0 leaves its tier without a limit. */
  readonly tiers: Readonly<Record<Tier, TierRate>> | undefined;
  /** Calls of each tool a minute; 0 sets no limit. */
  readonly perTool: number;
  /** Calls of one tool at once in this process; 0 sets no limit. */
  readonly perToolAtOnce: number;
  /** False: every process has the whole limit to itself. */
  readonly shared: boolean;
  readonly sharers: number;
  readonly log: Log;
  /** Monotonic milliseconds, and epoch milliseconds. */
  readonly now: () => number;
  readonly wallClock: () => number;
  readonly refused: (rule: string) => void;
};

type Answer = Fault | undefined | Promise<Fault | undefined>;

export interface Limits {
  /** Before the body is read: refused by what this process remembers of the address and the token. Takes nothing. */
  peek(head: RequestHead): Fault | undefined;
  /** Takes by the address, before anybody has looked at the token: who guesses tokens is counted too. Never rejects. */
  arrive(route: Route, head: RequestHead): Answer;
  /** Takes by the address for a token that was refused where `arrive` takes nothing: what tiers ask of each other is free as long as it is right. */
  guessed(route: Route, head: RequestHead): void;
  /** Takes by the caller, once he is known. Never rejects. */
  request(route: Route, head: RequestHead, principal: Principal): Answer;
  /** As `request`, for a message of a connection that is open already. What has to be waited for is let in. */
  message(principal: Principal): Fault | undefined;
  /** Takes for a call of an upstream. `call` is handed back to `ended`, once. Never rejects. */
  call(call: object, target: CallTarget, principal: Principal): Answer;
  ended(call: object): void;
  figures(): readonly LimitFigures[];
  sweep(): void;
  close(): void;
}

const SWEEP_MS = 1000;
/** Tokens remembered as refused; beyond, all are forgotten, which costs a look at the body. */
const MAX_REFUSED_TOKENS = 10_000;

export function createLimits(options: LimitsOptions): Limits {
  const { state, log, now } = options;
  const reach = reachOf("limits", log);
  const quotaReach = reachOf("quotas", log);
  const limited = (rule: LimitRule) => ({
    rule,
    supply: options.shared ? bucketSupply(rule, state, { reach, sharers: options.sharers }) : ownSupply(rule),
  });
  const quota = (rule: QuotaRule) => ({
    rule,
    supply: quotaSupply(rule, options.quotas, options.wallClock, { reach: quotaReach, sharers: options.sharers }),
  });
  const limiter = (rules: readonly LimitRule[], quotas: readonly QuotaRule[] = []) =>
    new Limiter([...rules.map(limited), ...quotas.map(quota)], now, options.refused);

  const rules = [...options.rules.map(limitRule), toolRule(options.perTool)].filter((rule) => rule !== undefined);
  const quotas = options.quotaRules.map(quotaRule).filter((rule) => rule !== undefined);
  const ofAddresses = limiter(rules.filter(isOfAddresses), quotas.filter(isOfAddresses));
  const ofCallers = limiter(rules.filter(isOfCallers), quotas.filter(isOfCallers));
  const ofCalls = limiter(rules.filter(isOfCalls), quotas.filter(isOfCalls));
  const tiers = tierLimiters(options.tiers, (rule) => limiter([rule]));
  const concurrency = options.perToolAtOnce > 0 ? new ToolConcurrency(options.perToolAtOnce) : undefined;
  const all = [ofAddresses, ofCallers, ofCalls, ...tiers.values()].filter((one) => !one.isEmpty);
  const refusedTokens = new Map<string, { readonly until: number; readonly failure: Fault }>();

  function remember(head: RequestHead, failure: Fault | undefined): Fault | undefined {
    const token = head.headers.authorization;
    const seconds = Number(failure?.headers?.["retry-after"]);
    if (failure === undefined || token === undefined || !(seconds > 0)) return failure;
    if (refusedTokens.size >= MAX_REFUSED_TOKENS) refusedTokens.clear();
    // A little less than was said: who comes back in time is let in.
    refusedTokens.set(token, { until: now() + Math.min(seconds - 1, 10) * 1000, failure });
    return failure;
  }

  const timer = setInterval(() => limits.sweep(), SWEEP_MS);
  timer.unref();

  const limits: Limits = {
    peek(head) {
      if (refusedTokens.size > 0 && head.headers.authorization !== undefined) {
        const known = refusedTokens.get(head.headers.authorization);
        if (known !== undefined && now() < known.until) return known.failure;
        if (known !== undefined) refusedTokens.delete(head.headers.authorization);
      }
      return ofAddresses.isEmpty ? undefined : ofAddresses.peek(byAddress(head));
    },
    arrive(route, head) {
      // Probes are never refused, and what tiers ask of each other comes before the request itself.
      if (all.length === 0 || route.internal === true || (route.class === "probe" && route.auth === "public"))
        return undefined;
      const tier = route.auth === "public" && tiers.size > 0 ? tiers.get(`${tierOf(route)} open`) : undefined;
      const first = ofAddresses.isEmpty ? undefined : ofAddresses.spend(byAddress(head));
      if (tier === undefined || (first !== undefined && !(first instanceof Promise))) return first;
      if (first === undefined) return tier.spend(byAddress(head));
      return first.then(async (failure) => failure ?? (await tier.spend(byAddress(head))));
    },
    guessed(route, head) {
      // It is refused already; who has nothing left is told so the next time.
      if (route.internal === true && !ofAddresses.isEmpty) void ofAddresses.spend(byAddress(head));
    },
    request(route, head, principal) {
      if ((ofCallers.isEmpty && tiers.size === 0) || route.internal === true) return undefined;
      const counted = { principal, address: undefined, target: undefined };
      const tier = tiers.size === 0 ? undefined : tiers.get(tierOf(route) ?? "");
      const first = ofCallers.spend(counted);
      if (first === undefined) return seen(tier?.spend(counted), head);
      if (!(first instanceof Promise)) return remember(head, first);
      return first.then(async (failure) => remember(head, failure ?? (await tier?.spend(counted))));
    },
    message(principal) {
      if (ofCallers.isEmpty) return undefined;
      const answer = ofCallers.spend({ principal, address: undefined, target: undefined });
      return answer instanceof Promise ? undefined : answer;
    },
    call(call, target, principal) {
      if (concurrency !== undefined && target.tool !== undefined) {
        const busy = concurrency.begin(call, `${target.upstream}/${target.tool}`);
        if (busy !== undefined) return busy;
      }
      return ofCalls.isEmpty ? undefined : ofCalls.spend({ principal, address: undefined, target });
    },
    ended: (call) => concurrency?.end(call),
    figures: () => all.flatMap((one) => one.figures()),
    sweep() {
      for (const one of all) one.sweep();
      const at = now();
      for (const [token, { until }] of refusedTokens) if (until <= at) refusedTokens.delete(token);
    },
    close() {
      clearInterval(timer);
      for (const one of all) one.sweep(true);
    },
  };

  function byAddress(head: RequestHead) {
    return { principal: undefined, address: customerOf(head.remoteAddress), target: undefined };
  }

  function seen(answer: Answer, head: RequestHead): Answer {
    return answer instanceof Promise ? answer.then((failure) => remember(head, failure)) : remember(head, answer);
  }
  return limits;
}

type Named = Pick<LimitRule, "subjects" | "only">;

function isOfAddresses({ subjects }: Named): boolean {
  return subjects.includes("address");
}

function isOfCallers(rule: Named): boolean {
  return !isOfAddresses(rule) && !isOfCalls(rule);
}

function toolRule(perMinute: number): LimitRule | undefined {
  return perMinute > 0 ? { ...(limitRule(`tool=${perMinute}/min`) ?? never()), name: "tool-rate" } : undefined;
}

function never(): never {
  throw new RangeError("a limit of whole calls a minute is a rule");
}

/** By tier, and by tier with ` open` for callers without identity. */
function tierLimiters(rates: LimitsOptions["tiers"], make: (rule: LimitRule) => Limiter): ReadonlyMap<string, Limiter> {
  const made = new Map<string, Limiter>();
  if (rates === undefined) return made;
  for (const tier of TIERS) {
    if (rates[tier].perMinute === 0) continue;
    const { known, unknown } = tierRules(tier, rates[tier]);
    made.set(tier, make(known)).set(`${tier} open`, make(unknown));
  }
  return made;
}

function reachOf(what: string, log: Log): Reach {
  return new Reach((isAway) => {
    if (isAway) log.warn("limits are counted by each process alone: what they are shared in does not answer", { what });
    else log.info("limits are shared again", { what });
  });
}

/** Sessions, streams and sockets towards the upstream MCP servers; what is believed and repeated for how long. */
import type { Plan } from "../../../contract/plan.ts";
import { byDefault, type Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { down, up } from "../rounding.ts";

export function planMcp(
  input: SizingInput,
  replicas: Plan["gateway"]["replicas"],
  workers: number,
  derive: Derivation,
): Plan["mcp"] {
  const { mcp } = input;
  return {
    sessionsPerWorker: derive.number(
      "mcp.sessionsPerWorker",
      down(mcp.maxTotalSessions / (replicas.peak * workers)),
      "⌊maxTotalSessions ÷ (peak · workers)⌋",
      ["input.mcp.maxTotalSessions", "gateway.replicas.peak", "gateway.workers"],
    ),
    maxPerKey: derive.number("mcp.maxPerKey", mcp.maxPerKey, "maxPerKey", ["input.mcp.maxPerKey"]),
    keys: derive.number(
      "mcp.keys",
      mcp.servers * mcp.identities * mcp.transports,
      "servers · identities · transports",
      ["input.mcp.servers", "input.mcp.identities", "input.mcp.transports"],
    ),
    socketsPerOrigin: derive.number("mcp.socketsPerOrigin", mcp.socketsPerOrigin, "socketsPerOrigin", [
      "input.mcp.socketsPerOrigin",
    ]),
    streamsPerWorker: derive.number(
      "mcp.streamsPerWorker",
      up(input.load.sseStreams / (replicas.min * workers)),
      "⌈sseStreams ÷ (min · workers)⌉",
      ["input.load.sseStreams", "gateway.replicas.min", "gateway.workers"],
    ),
  };
}

export function planCaches({ security }: SizingInput, derive: Derivation): Plan["caches"] {
  return {
    jwtTtlS: derive.number(
      "caches.jwtTtlS",
      Math.min(30, security.revocationBudgetS),
      "30 s, at most revocationBudgetS",
      ["input.security.revocationBudgetS"],
    ),
    revocationBudgetS: derive.number("caches.revocationBudgetS", security.revocationBudgetS, "revocationBudgetS", [
      "input.security.revocationBudgetS",
    ]),
  };
}

/** Tries and pauses (the documents' RETRY_*, DB_MAX_RETRIES, REDIS_MAX_RETRIES). */
export function planRetries(derive: Derivation): Plan["retries"] {
  const retry = (name: keyof Plan["retries"], attempts: number, baseMs: number, maxMs: number) => {
    const at = (part: string, value: number) =>
      derive.constant(`retries.${name}.${part}`, value, byDefault("the documents"));
    return { attempts: at("attempts", attempts), baseMs: at("baseMs", baseMs), maxMs: at("maxMs", maxMs) };
  };
  return {
    tool: retry("tool", 3, 1000, 60_000),
    database: retry("database", 5, 2000, 2000),
    redis: retry("redis", 3, 2000, 2000),
  };
}

/** Sessions, streams and sockets towards the upstream MCP servers; what is believed and repeated for how long. */
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { DOCUMENTS } from "../inputs/sources.ts";
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
    keys: derive.demand(
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
  return {
    tool: {
      attempts: derive.standard("retries.tool.attempts", 3, DOCUMENTS),
      baseMs: derive.standard("retries.tool.baseMs", 1000, DOCUMENTS),
      maxMs: derive.standard("retries.tool.maxMs", 60_000, DOCUMENTS),
    },
    database: {
      attempts: derive.standard("retries.database.attempts", 5, DOCUMENTS),
      baseMs: derive.standard("retries.database.baseMs", 2000, DOCUMENTS),
      maxMs: derive.standard("retries.database.maxMs", 2000, DOCUMENTS),
    },
    redis: {
      attempts: derive.standard("retries.redis.attempts", 3, DOCUMENTS),
      baseMs: derive.standard("retries.redis.baseMs", 2000, DOCUMENTS),
      maxMs: derive.standard("retries.redis.maxMs", 2000, DOCUMENTS),
    },
  };
}

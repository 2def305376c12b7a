/** Lists of a modern upstream through a whole gateway: kept as the upstream allows it, or not at all, and counted. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { callModern, type Gateway, register, send, startGateway } from "../harness/index.ts";

/** Longer than the busiest machine takes for a few lists. */
const TTL_MS = 120_000;

let upstream: Everything;
beforeAll(async () => {
  upstream = await startEverything({ mode: "modern", listTtlMs: TTL_MS });
});
afterAll(() => upstream?.close());

const listed = () => upstream.observed.requests.filter(({ method }) => method === "tools/list").length;

/** How often the upstream is asked for `times` lists one after the other, and what the gateway counted. */
async function asked(gateway: Gateway, times: number) {
  const before = listed();
  const ttls: number[] = [];
  for (let id = 1; id <= times; id++) {
    const answer = (await callModern(gateway, gateway.mcpUrl, id, "tools/list")).json() as {
      result: { ttlMs: number; tools: unknown[] };
    };
    expect(answer.result.tools.length).toBeGreaterThan(3);
    ttls.push(answer.result.ttlMs);
  }
  const { text } = await send("GET", `${gateway.url}/metrics`, gateway.headers);
  const count = (result: string) =>
    Number(new RegExp(`mcp_cache_lookups_total\\{cache="lists",result="${result}"\\} (\\d+)`).exec(text)?.[1]);
  return { requests: listed() - before, hits: count("hit"), misses: count("miss"), ttls };
}

describe("lists through a gateway", () => {
  it("are asked for once for him who asks and once for all, and go out with what is left of their time", async () => {
    const gateway = await startGateway({ env: { REGISTRY_CACHE_TOOLS_TTL: "120" } });
    try {
      await register(gateway, { name: "up", url: upstream.url });
      const { requests, hits, misses, ttls } = await asked(gateway, 6);
      expect({ requests, hits, misses }).toEqual({ requests: 2, hits: 4, misses: 2 });
      expect(ttls.every((ttl) => ttl > 0 && ttl <= TTL_MS)).toBe(true);
    } finally {
      await gateway.stop();
    }
  });

  it("are asked for each time with CACHE_TYPE=none", async () => {
    const gateway = await startGateway({ env: { CACHE_TYPE: "none" } });
    try {
      await register(gateway, { name: "up", url: upstream.url });
      expect(await asked(gateway, 3)).toMatchObject({ requests: 3, hits: 0, misses: 3 });
    } finally {
      await gateway.stop();
    }
  });
});

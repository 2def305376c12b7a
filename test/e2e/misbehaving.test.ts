/** Upstreams that break the protocol: their own calls get a precise error, nobody else notices. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ErrorCode, errors } from "../../contract/errors.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { type BROKEN, type Misbehaving, startMisbehaving } from "../fixtures/misbehaving.ts";
import { type Gateway, type LegacySession, openLegacySession, register, rest, startGateway } from "../harness/index.ts";

/** What the caller of each broken tool is told. */
const EXPECTED: Readonly<Record<keyof typeof BROKEN, ErrorCode>> = {
  garbage: "MCPS_UPSTREAM_PROTOCOL",
  html: "MCPS_UPSTREAM_PROTOCOL",
  status: "MCPS_UPSTREAM_STATUS",
  half: "MCPS_UPSTREAM_PROTOCOL",
  wrong_id: "MCPS_UPSTREAM_PROTOCOL",
  no_answer: "MCPS_UPSTREAM_PROTOCOL",
  endless: "MCPS_UPSTREAM_TIMEOUT",
  hang: "MCPS_UPSTREAM_TIMEOUT",
  not_rpc: "MCPS_UPSTREAM_PROTOCOL",
};

describe("misbehaving upstreams", () => {
  let gateway: Gateway;
  let broken: Misbehaving;
  let healthy: Everything;
  let session: LegacySession;
  beforeAll(async () => {
    [gateway, broken, healthy] = await Promise.all([startGateway(), startMisbehaving(), startEverything()]);
    await rest(gateway, "POST", "/gateways", {
      name: "broken",
      url: broken.url,
      transport: "STREAMABLEHTTP",
      request_timeout_ms: 1500,
    });
    await register(gateway, { name: "healthy", url: healthy.url });
    session = await openLegacySession(gateway.mcpUrl, gateway.headers);
  }, 90_000);
  afterAll(async () => {
    await gateway?.stop();
    await broken?.close();
    await healthy?.close();
  });

  it.for(Object.entries(EXPECTED))("%s: %s", async ([tool, code]) => {
    const [answer, other] = await Promise.all([
      session.call(1, "tools/call", { name: `broken__${tool}`, arguments: {} }),
      session.call(1, "tools/call", { name: "healthy__echo", arguments: { text: "still here" } }),
    ]);
    expect(answer.json()).toMatchObject({ id: 1, error: { code: errors[code].rpc } });
    expect(other.json()).toMatchObject({ id: 1, result: { content: [{ text: "still here" }] } });
  });

  it("a result of 5 MB arrives whole", async () => {
    const bytes = 5 * 1024 * 1024;
    const answer = await session.call(1, "tools/call", { name: "healthy__large", arguments: { bytes } });
    expect(answer.json()).toMatchObject({ id: 1, result: { content: [{ text: "x".repeat(bytes) }] } });
  });

  it("1000 tools over 20 pages are listed whole, in order, each once", async () => {
    const bulk = await startEverything({ bulkTools: 1000, pageSize: 50 });
    try {
      await register(gateway, { name: "bulk", url: bulk.url });
      const names: string[] = [];
      let cursor: string | undefined;
      do {
        const answer = await session.call(1, "tools/list", cursor === undefined ? {} : { cursor });
        const result = JSON.parse(JSON.stringify(answer.json().result));
        for (const { name } of result.tools) if (name.startsWith("bulk__")) names.push(name);
        cursor = result.nextCursor;
      } while (cursor !== undefined);
      expect(names).toEqual(Array.from({ length: 1000 }, (_, index) => `bulk__bulk_${String(index).padStart(4, "0")}`));
    } finally {
      await bulk.close();
    }
  });

  it("an upstream whose list never ends is cut, and says so", async () => {
    const endless = await startMisbehaving({ pages: Number.POSITIVE_INFINITY });
    try {
      const upstream = await register(gateway, { name: "endless", url: endless.url });
      const read = await rest(gateway, "GET", `/gateways/${upstream.id}`);
      expect(JSON.stringify(read.body)).toContain("1000 pages");
    } finally {
      await endless.close();
    }
  });
});

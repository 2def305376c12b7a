/** The official suite through the gateway, authentication on, at both endpoints that leave names as they are. */
import { afterAll, beforeAll, describe, it } from "vitest";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { createServer, type Gateway, register, startGateway } from "../harness/index.ts";
import { runConformance } from "./runner.ts";
import { rows, summary } from "./scores.ts";

describe.concurrent("the official suite through the gateway", () => {
  let gateway: Gateway;
  let fixture: Everything;
  const urls = new Map<string, string>();

  beforeAll(async () => {
    [gateway, fixture] = await Promise.all([startGateway(), startEverything()]);
    const upstream = await register(gateway, { name: "everything", url: fixture.url });
    urls.set("/gateways/{id}/mcp", upstream.mcpUrl);
    urls.set("/servers/{id}/mcp", (await createServer(gateway, "everything", [upstream])).mcpUrl);
  }, 90_000);
  afterAll(async () => {
    await gateway?.stop();
    await fixture?.close();
  });

  const cases = ["/gateways/{id}/mcp", "/servers/{id}/mcp"].flatMap((endpoint) =>
    rows.map((row) => ({ endpoint, ...row })),
  );
  it.for(cases)("$endpoint, $title", { timeout: 120_000 }, async ({ endpoint, ...row }, { expect }) => {
    const score = await runConformance({ url: urls.get(endpoint) ?? "", token: gateway.token }, row.selection);
    const expected = row.expected;
    expect(summary(score, expected.failing)).toEqual({ ...expected, problems: {} });
  });
});

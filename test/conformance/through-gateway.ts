/**
 * The official suite through a gateway of one engine, authentication on, at an endpoint that leaves names as they are. What an engine
 * frames and what an endpoint shows have nothing to do with each other, so that `npm test` runs every row on each engine at one
 * endpoint, as many runs as one engine at both would be; `npm run test:stack` runs the rest.
 */
import { afterAll, beforeAll, describe, it } from "vitest";
import type { EngineName } from "../../gateway/engine/index.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { createServer, type Gateway, register, startGateway } from "../harness/index.ts";
import { runConformance } from "./runner.ts";
import { rows, summary } from "./scores.ts";

export type Pair = { readonly engine: EngineName; readonly endpoint: "/gateways/{id}/mcp" | "/servers/{id}/mcp" };

export function conformanceThroughGateway({ engine, endpoint }: Pair): void {
  describe.concurrent(`the official suite through the ${engine} engine, ${endpoint}`, () => {
    let gateway: Gateway;
    let fixture: Everything;
    let url: string;

    beforeAll(async () => {
      [gateway, fixture] = await Promise.all([startGateway({ env: { HTTP_SERVER: engine } }), startEverything()]);
      const upstream = await register(gateway, { name: "everything", url: fixture.url });
      const { mcpUrl } =
        endpoint === "/gateways/{id}/mcp" ? upstream : await createServer(gateway, "everything", [upstream]);
      url = mcpUrl;
    }, 90_000);
    afterAll(async () => {
      await gateway?.stop();
      await fixture?.close();
    });

    it.for(rows)("$title", { timeout: 120_000 }, async ({ selection, expected }, { expect }) => {
      const score = await runConformance({ url, token: gateway.token }, selection);
      expect(summary(score, expected.failing)).toEqual({ ...expected, problems: {} });
    });
  });
}

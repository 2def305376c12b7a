/** The suite of one era in front of an upstream that speaks only the other one; eras are translated behind the engines, which take turns. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineName } from "../../gateway/engine/index.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { type Gateway, register, startGateway } from "../harness/index.ts";
import { legacyOverModern, modernOverLegacy } from "./cross-era.ts";
import { runConformance, type Selection } from "./runner.ts";
import { rows } from "./scores.ts";

const unscored = new Set(rows.flatMap(({ expected }) => expected.failing));

describe("the official suite across eras", () => {
  const gateways: Partial<Record<EngineName, Gateway>> = {};
  const fixtures: Everything[] = [];
  const urls: Record<string, string> = {};

  const cases: {
    title: string;
    over: "modern" | "legacy";
    engine: EngineName;
    selection: Selection;
    table: Readonly<Record<string, string>>;
  }[] = [
    {
      title: "legacy suite over a modern-only upstream",
      over: "modern",
      engine: "bounded",
      selection: { requirements: "2025-11-25" },
      table: legacyOverModern,
    },
    {
      title: "modern suite over a legacy-only upstream",
      over: "legacy",
      engine: "fastify",
      selection: { requirements: "2026-07-28" },
      table: modernOverLegacy,
    },
  ];
  beforeAll(async () => {
    for (const { over: mode, engine } of cases) {
      const fixture = await startEverything({ mode });
      fixtures.push(fixture);
      const gateway = await startGateway({ env: { HTTP_SERVER: engine } });
      gateways[engine] = gateway;
      urls[mode] = (await register(gateway, { name: mode, url: fixture.url })).mcpUrl;
    }
  }, 90_000);
  afterAll(async () => {
    await Promise.all(Object.values(gateways).map((gateway) => gateway.stop()));
    await Promise.all(fixtures.map((fixture) => fixture.close()));
  });

  it.for(cases)(
    "$title fails exactly where the table says",
    { timeout: 120_000 },
    async ({ over, engine, selection, table }) => {
      const score = await runConformance({ url: urls[over] ?? "", token: gateways[engine]?.token ?? "" }, selection);
      const failing = score.failing.filter((name) => !unscored.has(name));
      const unlisted = failing.filter((name) => table[name] === undefined);
      const problems = Object.fromEntries(unlisted.map((name) => [name, score.scenarios[name]?.problems]));
      const stale = Object.keys(table).filter((name) => !failing.includes(name));
      expect({ problems, stale, ran: Object.keys(score.scenarios).length > 25 }).toEqual({
        problems: {},
        stale: [],
        ran: true,
      });
    },
  );
});

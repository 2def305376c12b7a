/** The everything fixture alone reaches the full scores: what fails through the gateway is then the gateway's. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { runConformance } from "./runner.ts";
import { rows, summary } from "./scores.ts";

describe.concurrent("the official suite against the fixture itself", () => {
  let fixture: Everything;
  beforeAll(async () => {
    fixture = await startEverything();
  });
  afterAll(() => fixture.close());

  it.for(rows)("$title", async ({ selection, expected }, context) => {
    const score = await runConformance({ url: fixture.url }, selection);
    context.expect(summary(score, expected.failing)).toEqual({ ...expected, problems: {} });
  });
});

describe("one era alone", () => {
  it("a modern-only server answers initialize with -32022 and the versions it speaks", async () => {
    const fixture = await startEverything({ mode: "modern" });
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };
    const answer = await fetch(fixture.url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params }),
    });
    const body: unknown = await answer.json();
    await fixture.close();
    expect(answer.status).toBe(400);
    expect(body).toMatchObject({ id: 1, error: { code: -32022, data: { supported: ["2026-07-28"] } } });
  });
});

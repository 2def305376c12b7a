/** One gateway on somebody's machine: proved, and its settings are the plan's. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadSettings } from "../../gateway/settings/index.ts";
import { planForMachine } from "../../infra/this-machine.ts";

describe("the plan for a machine", () => {
  it("of two cores and much memory", () => {
    const planned = planForMachine({ cores: 2, memoryMiB: 24_000, nofile: 20_000 });
    expect(planned?.text).toBe(
      [
        "Plan for this machine (2 cores, 23.4 GiB): all 72 budgets hold.",
        "  One gateway for 72 requests/s, 1000 at once and 1000 streams, within 2048 MiB.",
        "  Its speed is assumed until you measure it: mcp-stack load --serve. Your own stack: mcp-stack plan -s dev.",
        "",
      ].join("\n"),
    );
    expect(planned?.settings).toEqual({
      HTTP_SERVER: "fastify",
      WORKERS: "1",
      BLOCKING_THREADS: "4",
      KEEP_ALIVE_TIMEOUT: "72",
      BACKLOG: "2048",
      SSE_KEEPALIVE_INTERVAL: "30",
      WEBSOCKET_PING_INTERVAL: "30",
      TOOL_TIMEOUT: "60",
      UPSTREAM_CONNECTIONS: "128",
      UPSTREAM_KEEP_ALIVE_TIMEOUT: "4",
      AUTH_CACHE_TTL: "30",
      READY_CHECK_TIMEOUT: "2",
      HEALTH_CHECK_INTERVAL: "60",
      MAX_IN_FLIGHT: "1000",
      MAX_STREAMS: "1000",
      SHUTDOWN_GRACE: "70",
    });
  });

  it("of a small one takes fewer callers, and of a tiny one there is none", () => {
    const most = (memoryMiB: number, nofile: number) =>
      planForMachine({ cores: 1, memoryMiB, nofile })?.settings.MAX_IN_FLIGHT;
    expect([
      most(24_000, 20_000),
      most(1100, 20_000),
      most(24_000, 9216),
      most(128, 20_000),
      most(24_000, 1024),
    ]).toEqual(["1000", "1000", "300", undefined, undefined]);
  });

  it("holds wherever there is one, with one replica, and the gateway reads it", () => {
    const machine = fc.record({
      cores: fc.integer({ min: 1, max: 256 }),
      memoryMiB: fc.integer({ min: 64, max: 1_000_000 }),
      nofile: fc.integer({ min: 64, max: 1_048_576 }),
    });
    fc.assert(
      fc.property(machine, (given) => {
        const planned = planForMachine(given);
        if (planned === undefined) return;
        expect([planned.document.accepted, planned.document.plan.gateway.replicas.max]).toEqual([true, 1]);
        expect(planned.document.plan.gateway.nofile).toBeLessThanOrEqual(given.nofile);
        const { warnings, provenance } = loadSettings({ env: {}, envFile: false, planned: planned.settings });
        expect([warnings, provenance.MAX_IN_FLIGHT]).toEqual([[], "plan of this machine"]);
      }),
      { numRuns: 200 },
    );
  });

  it("is weaker than what somebody has configured", () => {
    const { settings } = loadSettings({ env: { MAX_STREAMS: "7" }, envFile: false, planned: { MAX_STREAMS: "1000" } });
    expect(settings.MAX_STREAMS).toBe(7);
  });
});

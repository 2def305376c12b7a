/** Before and after, and the derivation of one number. */
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { compareMarkdown, compareText, explain, sideOf } from "../../../../infra/sizing/report/index.ts";
import { isWrittenPlan, readWrittenPlan, writePlan } from "../../../../infra/sizing/written.ts";
import { dev, prod, subjectOf } from "./stacks.ts";

function side(title: string, raw: Parameters<typeof subjectOf>[1]) {
  const { document, input } = subjectOf(title, raw);
  return sideOf(title, document, input);
}

describe("comparison", () => {
  const before = side("dev", dev);

  it("says so where nothing changes", () => {
    expect(compareText(before, side("again", dev))).toBe("No number changes from dev to again.\n");
    expect(compareMarkdown(before, side("a|b", dev))).toBe("No number changes from dev to a\\|b.\n");
  });

  it("shows the headline, what breaks and every number", () => {
    const after = side("smaller pooler", { ...dev, given: { "pgbouncer.maxClientConn": 5 } });
    expect(compareText(before, after)).toBe(`\
From dev to smaller pooler
  verdict                                   accepted  →  refused
  users                                           20
  requests at the peak                 72 requests/s
  replicas (fewest, most, rollout)           1, 2, 3
  engine                                     fastify
  database connections of the gateway              6
  PgBouncer clients                            1 × 8  →    1 × 5
  max_connections                                 25
  Redis connections                               16
  descriptors of a gateway worker              1,921
  memory of all tiers at the most            2.5 GiB
  headroom with the most replicas               76 %

Budgets that break
  I6 does not hold: Σ worker pools at the worst instant ≤ PgBouncer clients, one instance of several lost: 6 of 5 connections

Every number that changes
  pgbouncer.maxClientConn (connections)   8  →   5
  pgbouncer.nofile (descriptors)         64  →  61
`);
    expect(compareText(after, before)).toContain(`
Budgets that hold again
  I6 holds: Σ worker pools at the worst instant ≤ PgBouncer clients, one instance of several lost: 6 of 8 connections
`);
  });

  it("follows a change of the variant", () => {
    const after = side("direct", { ...dev, database: { mode: "direct", postgres: { cpu: 1, memory: "1Gi" } } });
    const text = compareText(before, after);
    expect(text).toMatch(/^ {2}PgBouncer clients +1 × 8 +→ +no PgBouncer$/m);
    expect(text).toMatch(/^ {2}pgbouncer\.defaultPoolSize \(connections\) +3 +→ +none$/m);
  });

  it("has money where both or one are priced", () => {
    const text = compareText(side("a", { ...dev, prices: prod.prices }), before);
    expect(text).toMatch(/^ {2}cost of a month \(fewest, most\) +113\.16 EUR, 134\.66 EUR +→ +not known$/m);
  });
});

describe("explain", () => {
  const subject = subjectOf("stack prod", prod);
  const textOf = (path: string) => {
    const explanation = explain(subject, path);
    return explanation.ok ? explanation.text : explanation.nearest;
  };

  it("goes down to inputs, defaults and guesses, each number explained once", async () => {
    const golden = resolve(import.meta.dirname, "../../../golden/plan/explain-database.appConnections.txt");
    await expect(textOf("database.appConnections")).toMatchFileSnapshot(golden);
  });

  it("puts units in that are not those of the result", () => {
    expect(textOf("load.inFlight")).toContain("│    = 4320 · 250 ms (Little)\n");
    expect(textOf("gateway.maxOldSpaceMiB")).toContain("= ⌊(0.9 · 4096 − 60) ÷ 4 − 148 − 37 · 65536 bytes⌋\n");
  });

  it("tells what only repeats an input, what was measured and what was not given", () => {
    expect(textOf("gateway.memoryMiB")).toBe("gateway.memoryMiB = 4,096 MiB  is input gateway.memory = 4Gi  given\n");
    expect(textOf("gateway.rpsPerWorker")).toBe(
      "gateway.rpsPerWorker = 150 requests/s  measured: load test step of version 0.1.0 on EPYC 9354, 4 cores, Node v26.9.0, 2026-11-20T09:30:00Z\n",
    );
    expect(textOf("load.burst")).toBe(
      "input load.burst = 1.5 times  default: this project (how far short bursts exceed the busiest hour's average)\n",
    );
    expect(textOf("input.gateway.coldStartS")).toBe(
      "input gateway.coldStartS = none  not given (start of a replica until it is ready; the calibration's, else 5 s, when left out)\n",
    );
    const pinned = explain(subjectOf("x", { ...dev, given: { "redis.maxclients": 50 } }), "given.redis.maxclients");
    expect(pinned).toEqual({
      ok: true,
      text: "redis.maxclients = 50 connections  pinned under given; derived it would be 1,000\n",
    });
  });

  it("explains every number of the plan, and knows the nearest of others", () => {
    for (const path of Object.keys(subject.document.provenance)) expect(explain(subject, path).ok).toBe(true);
    expect(explain(subject, "pgbouncer.maxClientCon")).toEqual({ ok: false, nearest: "pgbouncer.maxClientConn" });
    expect(explain(subject, "input.load.peakRp")).toEqual({ ok: false, nearest: "load.peakRps" });
    expect(explain(subject, "__proto__").ok).toBe(false);
  });
});

describe("written plan", () => {
  it("is the same text for the same inputs in any order, and is read back", () => {
    const { document } = subjectOf("stack dev", dev);
    const text = writePlan(dev, document);
    expect(writePlan(Object.fromEntries(Object.entries(dev).toReversed()), document)).toBe(text);
    const content: unknown = JSON.parse(text);
    expect(isWrittenPlan(content)).toBe(true);
    expect(readWrittenPlan(content, "plans/dev.json")).toEqual({
      input: dev,
      plan: document.plan,
      budgets: document.budgets,
    });
  });

  it("of another version is refused with the place", () => {
    const { document } = subjectOf("stack dev", dev);
    const { redis: _, ...plan } = document.plan;
    expect(() => readWrittenPlan({ input: dev, plan, budgets: [] }, "plans/dev.json")).toThrow(
      /^plans\/dev\.json is no plan of this version: plan\.redis: .*; move it away and write it again with --write$/,
    );
  });
});

/** Published configurations and our own: the plan and the independent judge have to say exactly what stands beside each. */
import { describe, expect, it } from "vitest";
import { planDocumentSchema } from "../../../contract/plan.ts";
import { plan } from "../../../infra/sizing/index.ts";
import type { Fixture } from "./fixtures.ts";
import { changed, large, published } from "./fixtures.ts";
import { ownAccepted, ownRefused } from "./fixtures-own.ts";
import { violations } from "./naive.ts";
import { inputOf } from "./reading.ts";

function idsOf(list: readonly { readonly id: string }[]): readonly string[] {
  return [...new Set(list.map(({ id }) => id))].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
}

function judge({ raw, refused, warned, holding = [] }: Fixture): void {
  const input = inputOf(raw);
  const document = plan(input);
  planDocumentSchema.parse(document);
  expect({
    accepted: document.accepted,
    refused: idsOf(document.refusals),
    warned: idsOf(document.warnings),
  }).toEqual({ accepted: refused.length === 0, refused, warned });
  expect({
    refused: idsOf(violations(input, document.plan, "refuse")),
    warned: idsOf(violations(input, document.plan, "warn")),
  }).toEqual({ refused, warned });
  expect(document.budgets.filter(({ id, holds }) => holding.includes(id) && !holds)).toEqual([]);
  expect(holding.filter((id) => !document.budgets.some((budget) => budget.id === id))).toEqual([]);
}

describe("published configurations", () => {
  it.each(published.map((fixture) => [fixture.name, fixture] as const))("%s", (_name, fixture) => {
    judge(fixture);
  });
});

describe("one thing is wrong", () => {
  it.each(ownRefused.map((fixture) => [fixture.name, fixture] as const))("%s", (_name, fixture) => {
    judge(fixture);
  });
});

describe("what may stay", () => {
  it.each(ownAccepted.map((fixture) => [fixture.name, fixture] as const))("%s", (_name, fixture) => {
    judge(fixture);
  });
});

describe("equal is not less", () => {
  it.each([
    ["I15", "redisCommandS", "dbAcquireS"],
    ["I17", "dbStatementS", "dbQueryS"],
    ["I21", "sessionTransportS", "upstreamBodyS"],
    ["I21", "upstreamBodyS", "handlerS"],
    ["I21", "handlerS", "proxyReadS"],
    ["I21", "proxyReadS", "lbIdleS"],
    ["I22", "healthIntervalS", "sessionTtlS"],
    ["I23", "lbIdleS", "nginxKeepaliveS"],
    ["I23", "nginxUpstreamKeepaliveS", "gatewayKeepaliveS"],
    ["I23", "upstreamKeepaliveS", "upstreamServerKeepaliveS"],
    ["I27", "probeCheckS", "readinessS"],
  ] as const)("%s: %s as long as %s", (id, inner, outer) => {
    const { timeouts } = plan(inputOf(large)).plan;
    judge({
      name: `${inner} = ${outer}`,
      source: "own",
      // The outer one comes down, so that nothing outside of it is touched.
      raw: changed(large, {
        [`given.timeouts.${outer}`]: timeouts[inner],
        [`given.timeouts.${inner}`]: timeouts[inner],
      }),
      refused: [id],
      warned: [],
    });
  });

  it("I20, I22, I34, I43: the same is enough where it may be the same", () => {
    const { pgbouncer } = plan(inputOf(large)).plan;
    for (const pins of [
      { "given.pgbouncer.serverIdleTimeoutS": pgbouncer?.serverLifetimeS },
      { "given.timeouts.sessionCreateS": 30 },
      { "given.timeouts.sessionTtlS": 600 },
      { "given.gateway.replicas.max": 11, "given.gateway.replicas.min": 11, "load.burst": 1 },
    ])
      judge({ name: "equal", source: "own", raw: changed(large, pins), refused: [], warned: [] });
  });
});

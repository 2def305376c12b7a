/** Published configurations and our own: the plan and the independent judge have to say exactly what stands beside each. */
import { describe, expect, it } from "vitest";
import { planDocumentSchema } from "../../../contract/plan.ts";
import { plan } from "../../../infra/sizing/index.ts";
import type { Fixture } from "./fixtures.ts";
import { published } from "./fixtures.ts";
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

/** Rules of limits and quotas among the settings: what is no rule, and two that would share a counter. */
import { expect, it } from "vitest";
import { Fault } from "../../../contract/errors.ts";
import { loadSettings } from "../../../gateway/settings/index.ts";

function problemsOf(env: Readonly<Record<string, string>>): unknown {
  try {
    loadSettings({ env, envFile: false });
    return [];
  } catch (error) {
    return error instanceof Fault ? error.data : error;
  }
}

it.each([
  { RATE_LIMITS: "principal=10/s,principal=600/min,tool=10/s,tool:pay__send=10/s" },
  { QUOTAS: "principal=1000/day,principal=20000/month" },
])("takes %o", (env: Readonly<Record<string, string>>) => {
  expect(problemsOf(env)).toEqual([]);
});

it.each([
  ["RATE_LIMITS", ["address=5/s"], "principal=10/s", "principal=20/s+40"],
  ["QUOTAS", [], "tool=10/day", "tool=20/day"],
] as const)("refuses two numbers for one counter in %s", (name, others, first, second) => {
  expect(problemsOf({ [name]: [...others, first, second].join() })).toEqual([
    `${name} has "${first}" and "${second}", allowed is one number for a subject and a period: they would share one counter (environment)`,
  ]);
});

it("refuses what is no rule", () => {
  expect(problemsOf({ RATE_LIMITS: "principal=10" })).toEqual([
    expect.stringMatching(/^RATE_LIMITS has "principal=10", allowed is /),
  ]);
});

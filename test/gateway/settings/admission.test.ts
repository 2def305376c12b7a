/** What the settings of admission mean together. */
import { describe, expect, it } from "vitest";
import { Fault } from "../../../contract/errors.ts";
import { fairShareWeights, inFlightLimit, listLimit, loadSettings } from "../../../gateway/settings/index.ts";

const load = (env: Readonly<Record<string, string>>) => loadSettings({ env, envFile: false });

function problemsOf(env: Readonly<Record<string, string>>): unknown {
  try {
    load(env);
    return [];
  } catch (error) {
    return error instanceof Fault ? error.data : error;
  }
}

describe("the limits of a worker", () => {
  it.each([
    [{}, 0, 0],
    [{ HTTP_SERVER: "bounded" }, 512, 128],
    [{ BACKPRESSURE: "64" }, 64, 32],
    [{ MAX_IN_FLIGHT: "1" }, 1, 1],
    [{ MAX_IN_FLIGHT: "10", MAX_LISTS_IN_FLIGHT: "0" }, 10, 0],
    [{ MAX_LISTS_IN_FLIGHT: "7" }, 0, 7],
  ])("%o", (env: Readonly<Record<string, string>>, calls, lists) => {
    const { settings } = load(env);
    const limit = inFlightLimit(settings.MAX_IN_FLIGHT, settings.HTTP_SERVER);
    expect([limit, listLimit(settings.MAX_LISTS_IN_FLIGHT, limit)]).toEqual([calls, lists]);
  });
});

describe("weights of shares", () => {
  it("are read by principal", () => {
    const { settings } = load({ FAIR_SHARE_WEIGHTS: "ada@example.com=3,cn=robot=1000", MAX_IN_FLIGHT: "1" });
    expect([...fairShareWeights(settings.FAIR_SHARE_WEIGHTS)]).toEqual([
      ["ada@example.com", 3],
      ["cn=robot", 1000],
    ]);
  });

  it.each(["ada", "=3", "ada=0", "ada=1.5", "ada=1001", "ada=much"])("refuses %s", (entry) => {
    expect(problemsOf({ FAIR_SHARE_WEIGHTS: `bob=2,${entry}` })).toEqual([
      `FAIR_SHARE_WEIGHTS has "${entry}", allowed is principal=weight with a weight of 1…1000 (environment)`,
    ]);
  });
});

describe("settings that need a limit", () => {
  const all = {
    FAIR_SHARE_FROM: "0.5",
    FAIR_SHARE_WEIGHTS: "ada=2",
    MAX_UPSTREAM_SHARE: "0.3",
    QUEUE_TIMEOUT: "1s",
    MAX_LOOP_DELAY: "1s",
    MAX_HEAP_USE: "0.5",
  };
  const named = (warnings: readonly string[]) =>
    warnings.map((warning) => /^(\w+) \(environment\) has no effect: nothing limits/.exec(warning)?.[1]);

  it.each([
    [{}, Object.keys(all)],
    [{ MAX_LISTS_IN_FLIGHT: "7" }, ["MAX_UPSTREAM_SHARE"]],
    [{ MAX_IN_FLIGHT: "64" }, []],
    [{ HTTP_SERVER: "bounded" }, []],
  ])("are told where there is none: %o", (env: Readonly<Record<string, string>>, idle) => {
    expect(named(load({ ...all, ...env }).warnings).sort()).toEqual([...idle].sort());
  });
});

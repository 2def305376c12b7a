import { describe, expect, it } from "vitest";
import { findingsText, isAsPlanned, judge, type Observation, type Rule } from "../../../infra/verify/index.ts";
import { bytesOf } from "../../../infra/verify/size.ts";

const asked = (rule: Rule) => ({ workload: "one", what: "it", question: { kind: "memory" }, rule }) as const;
const saw = (value: string, somaxconn?: number): Observation => ({
  instance: "one-1",
  answer: { value },
  ...(somaxconn === undefined ? {} : { somaxconn }),
});

describe("a verdict", () => {
  it.for([
    [{ kind: "equal", to: "25" }, saw("25"), "OK", "25"],
    [{ kind: "equal", to: "25" }, saw("100"), "WRONG", "25"],
    [{ kind: "at least", least: 1064 }, saw("1064"), "OK", "at least 1064"],
    [{ kind: "at least", least: 1064 }, saw("1063"), "WRONG", "at least 1064"],
    [{ kind: "at least", least: 1064 }, saw("unlimited"), "OK", "at least 1064"],
    [{ kind: "at least", least: 1064 }, saw("many"), "WRONG", "at least 1064"],
    [{ kind: "bytes", bytes: 268_435_456 }, saw("256MB"), "OK", "256 MiB"],
    [{ kind: "bytes", bytes: 268_435_456 }, saw("262144kB"), "OK", "256 MiB"],
    [{ kind: "bytes", bytes: 268_435_456 }, saw("max"), "WRONG", "256 MiB"],
    [{ kind: "backlog", planned: 512 }, saw("512", 4096), "OK", "512"],
    [{ kind: "backlog", planned: 8192 }, saw("4096", 4096), "OK", "8192, cut to somaxconn 4096"],
    [{ kind: "backlog", planned: 512 }, saw("128", 4096), "WRONG", "512"],
    [{ kind: "backlog", planned: 512 }, saw("512"), "OK", "512"],
  ] as const)("%j, found %j: %s", ([rule, observation, verdict, planned]) => {
    const found = "value" in observation.answer ? observation.answer.value : "";
    expect(judge(asked(rule), [observation])).toEqual([{ verdict, instance: "one-1", what: "it", planned, found }]);
  });

  it("what could not be asked is no fault, and is not left out", () => {
    const findings = judge(asked({ kind: "equal", to: "1" }), [{ instance: "one-1", answer: { unknown: "no psql" } }]);
    expect(findings).toEqual([
      { verdict: "NOT CHECKED", instance: "one-1", what: "it", planned: "1", found: "no psql" },
    ]);
    expect(isAsPlanned(findings)).toBe(true);
  });

  it("a workload of which nothing runs is wrong", () => {
    const findings = judge(asked({ kind: "equal", to: "1" }), []);
    expect(findings).toEqual([
      { verdict: "WRONG", instance: "one", what: "it", planned: "1", found: "no instance of it runs" },
    ]);
    expect(isAsPlanned(findings)).toBe(false);
  });
});

it.for([
  ["8kB", 8192],
  ["102760448", 102_760_448],
  ["1GB", 1024 ** 3],
  ["1.5MB", 1_572_864],
  ["-1", Number.NaN],
  ["", Number.NaN],
  ["7m", Number.NaN],
] as const)("%s is %d bytes", ([text, bytes]) => {
  expect(bytesOf(text)).toBe(bytes);
});

it("is a table with a sum below it", () => {
  const findings = [
    { verdict: "OK", instance: "redis", what: "maxclients", planned: "1000", found: "1000" },
    { verdict: "WRONG", instance: "nginx", what: "worker processes", planned: "2", found: "1" },
  ] as const;
  expect(findingsText(findings)).toBe(
    [
      "verdict  where  what              planned  found",
      "OK       redis  maxclients        1000     1000",
      "WRONG    nginx  worker processes  2        1",
      "",
      "NOT as planned: 1 as planned, 1 wrong, 0 not checked",
      "",
    ].join("\n"),
  );
});

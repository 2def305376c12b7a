/** A running deployment against its topology. */
import type { Topology } from "../topology/index.ts";
import { observe } from "./answers.ts";
import type { Expectation, Finding } from "./expectation.ts";
import { expectationsOf, type Platform } from "./expectations.ts";
import { judge } from "./judge.ts";
import type { Observer, Ran } from "./observer.ts";

/** Every expectation asked of every instance; in the order of the topology. Never rejects for an instance that does not answer. */
export async function verify(topology: Topology, platform: Platform, observer: Observer): Promise<readonly Finding[]> {
  const cache = new Map<string, Promise<Ran>>();
  const expectations = expectationsOf(topology, platform);
  const judged = new Map<Expectation, readonly Finding[]>();
  // Workloads at the same time, questions to one of them in turn: a small machine shall not be busy with the questions.
  await Promise.all(
    topology.workloads.map(async (workload) => {
      for (const expectation of expectations.filter((one) => one.workload === workload.name))
        judged.set(expectation, judge(expectation, await observe(expectation, workload, observer, cache)));
    }),
  );
  const findings = expectations.flatMap((expectation) => judged.get(expectation) ?? []);
  return [...findings, ...notEnforced(topology, platform)];
}

/** What the platform cannot hold anybody to is said, not left out. */
function notEnforced({ workloads }: Topology, { memoryMiB, openness }: Platform): readonly Finding[] {
  const unchecked = (what: string, found: string): Finding => ({
    verdict: "NOT CHECKED",
    instance: "all",
    what,
    planned: "as in the topology",
    found,
  });
  return [
    ...(workloads.some((one) => memoryMiB(one) !== null)
      ? []
      : [unchecked("memory limits", "processes of this machine have no limit of their own")]),
    ...(openness === null ? [] : [unchecked("closed edges", openness)]),
  ];
}

export type { Expectation, Finding };

/** tools/call side by side: alternating rounds in one run, so that what else the machine does falls on all alike. */
import { join } from "node:path";
import { treeCpuSeconds } from "../cli/load/processes.ts";
import type { LoadOrder, LoadReport } from "./generator.ts";
import { firstJson, start } from "./machine.ts";
import { EXPECTED, setStage, type Target } from "./targets.ts";

export type Round = LoadReport & { readonly perSecond: number; readonly cpuMsPerCall: number | undefined };
export type Comparison = {
  readonly rounds: ReadonlyMap<string, readonly Round[]>;
  readonly missing: readonly string[];
  /** Events of one call, by target. */
  readonly events: ReadonlyMap<string, number>;
};

export type Plan = {
  readonly rounds: number;
  readonly secondsPerRound: number;
  readonly connections: number;
  readonly withGateway: boolean;
};

export async function compare(plan: Plan, say: (line: string) => void): Promise<Comparison> {
  const stage = await setStage(plan.withGateway);
  try {
    const rounds = new Map<string, Round[]>(stage.targets.map(({ name }) => [name, []]));
    for (const target of stage.targets) await oneRound(target, { ...plan, secondsPerRound: 1.5 });
    for (let index = 0; index < plan.rounds; index += 1) {
      for (const target of stage.targets) {
        const round = await oneRound(target, plan);
        rounds.get(target.name)?.push(round);
        say(`round ${index + 1}, ${target.name}: ${Math.round(round.perSecond)} calls/s`);
      }
    }
    const events = new Map(stage.targets.map(({ name, events }) => [name, events]));
    return { rounds, missing: stage.missing, events };
  } finally {
    await stage.close();
  }
}

async function oneRound(target: Target, plan: Plan): Promise<Round> {
  const order: LoadOrder = {
    url: target.url,
    headers: target.headers,
    body: target.body,
    connections: target.events > 0 ? Math.min(8, plan.connections) : plan.connections,
    seconds: plan.secondsPerRound,
    expect: EXPECTED,
  };
  const before = target.pid === undefined ? undefined : treeCpuSeconds(target.pid);
  const generator = start(1, process.execPath, [join(import.meta.dirname, "generator.ts")]);
  generator.child.stdin?.end(JSON.stringify(order));
  const report: LoadReport = JSON.parse(JSON.stringify(await firstJson(generator)));
  const after = target.pid === undefined ? undefined : treeCpuSeconds(target.pid);
  await generator.stop();
  if (report.failures > 0)
    throw new Error(
      `${target.name}: ${report.failures} of ${report.calls} answers were wrong, the first:\n${report.firstFailure}`,
    );
  return {
    ...report,
    perSecond: report.calls / report.seconds,
    cpuMsPerCall: before === undefined || after === undefined ? undefined : ((after - before) * 1000) / report.calls,
  };
}

/** Processes whose supervisor was killed: found by number and start, ended from the outside in as it would have done. */
import { allStats, belongings } from "./proc.ts";
import { signalTo, stopProcess } from "./process.ts";
import { leftovers, type Record, readState } from "./state.ts";

/** Names of those that were ended. Resolves when none of them runs any more. */
export async function endOrphans(data: string): Promise<readonly string[]> {
  const state = readState(data);
  const left = leftovers(state);
  for (const record of left.toReversed()) {
    if (record.identity !== null) await stopProcess(record.identity, record.signal, record.graceS * 1000);
  }
  sweepHeadless(state?.workloads ?? []);
  return left.map(({ name }) => name);
}

/** A master that was killed with its supervisor has left workers in its session. */
function sweepHeadless(records: readonly Record[]): void {
  const all = allStats();
  for (const { identity } of records) {
    if (identity !== null) for (const one of belongings(identity, all)) signalTo(one, "SIGKILL");
  }
}

/** What has to happen so that a running stack becomes another topology, and nothing beyond it. */
import type { Topology, Workload } from "../../topology/index.ts";

export type Change = {
  readonly workload: Workload;
  /** `reload`: other files under the process that runs; `keep`: it runs on as it is. */
  readonly kind: "start" | "restart" | "reload" | "keep";
};

export type Difference = {
  /** In the order of their start. */
  readonly changes: readonly Change[];
  /** Not in the new topology; in the order in which they end. */
  readonly gone: readonly Workload[];
};

/** `running`: workloads as they were started last. A job that is done is done again only when it has changed. */
export function differenceOf(running: readonly Workload[], wanted: Topology["workloads"]): Difference {
  const before = new Map(running.map((workload) => [workload.name, workload]));
  const names = new Set(wanted.map(({ name }) => name));
  return {
    changes: wanted.map((workload) => ({ workload, kind: kindOf(before.get(workload.name), workload) })),
    gone: running.filter(({ name }) => !names.has(name)).toReversed(),
  };
}

function kindOf(before: Workload | undefined, after: Workload): Change["kind"] {
  if (before === undefined) return "start";
  const hasOtherText = JSON.stringify(before.files) !== JSON.stringify(after.files);
  if (before.checksum === after.checksum) return hasOtherText ? "reload" : "keep";
  // A daemon reads its files again, but few of them move to another port for that.
  const isSameProcess = JSON.stringify(started(before)) === JSON.stringify(started(after));
  return after.reload !== null && isSameProcess ? "reload" : "restart";
}

function started({ command, environment, ports }: Workload) {
  return [command, environment, ports];
}

/** Workloads that are sent requests by `workload`'s tier of the deployment: who has to stop before what they ask. */
export function dependantsOf(name: string, among: readonly Workload[]): readonly string[] {
  return among.filter(({ after }) => after.includes(name)).map((workload) => workload.name);
}

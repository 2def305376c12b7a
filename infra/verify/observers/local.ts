/** Looks at processes of this machine: their programs are run beside them, and /proc is everybody's. */
import type { Workload } from "../../topology/index.ts";
import type { Instance, Observer } from "../observer.ts";
import { type Run, runProgram } from "./run.ts";

/** `pids`: the first process of each workload that runs, by its name. */
export function localObserver(pids: ReadonlyMap<string, number>, run: Run = runProgram): Observer {
  return {
    instances: async (workload: Workload): Promise<readonly Instance[]> => {
      const pid = pids.get(workload.name);
      return pid === undefined ? [] : [{ name: workload.name, workload, pid }];
    },
    run: ({ workload }, command) => run(command, { environment: workload.environment }),
  };
}

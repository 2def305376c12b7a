/** Looks into containers with Docker's own command line. */
import { DOCKER_LABELS, type Workload } from "../../topology/index.ts";
import type { Instance, Observer } from "../observer.ts";
import { type Run, runProgram } from "./run.ts";

/** `host`: Docker's endpoint; undefined for the one of its own configuration. */
export function dockerObserver(stack: string, host: string | undefined, run: Run = runProgram): Observer {
  const docker = (args: readonly string[]) => run(["docker", ...(host === undefined ? [] : ["-H", host]), ...args]);
  return {
    async instances(workload: Workload): Promise<readonly Instance[]> {
      const filters = [`label=${DOCKER_LABELS.stack}=${stack}`, `label=${DOCKER_LABELS.workload}=${workload.name}`];
      const { code, stdout, stderr } = await docker([
        "ps",
        "--no-trunc",
        "--format={{.Names}}",
        ...filters.map((filter) => `--filter=${filter}`),
      ]);
      if (code !== 0) throw new RangeError(`docker ps: ${stderr.trim()}`);
      const names = stdout.split("\n").filter((name) => name !== "");
      return names.map((name) => ({ name, workload, pid: 1 }));
    },
    run: ({ name }, command) => docker(["exec", name, ...command]),
  };
}

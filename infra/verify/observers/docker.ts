/** Looks into containers with Docker's own command line. */
import { DOCKER_LABELS, type Workload } from "../../topology/index.ts";
import type { Instance, Observer } from "../observer.ts";
import { type Run, runProgram } from "./run.ts";

/** `host`: Docker's endpoint; undefined for the one of its own configuration. */
export function dockerObserver(stack: string, host: string | undefined, run: Run = runProgram): Observer {
  const docker = (args: readonly string[]) => run(commandOf(host, args));
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

/**
 * Addresses (CIDR, several with commas) that the engine chose for networks. `names`: what the engine calls them, by the name within the
 * stack. Rejects with RangeError where it does not know one.
 */
export async function dockerSubnets(
  names: Readonly<Record<string, string>>,
  host: string | undefined,
  run: Run = runProgram,
): Promise<Readonly<Record<string, string>>> {
  const found = Object.entries(names).map(async ([name, called]) => {
    const format = "--format={{range .IPAM.Config}}{{println .Subnet}}{{end}}";
    const { code, stdout, stderr } = await run(commandOf(host, ["network", "inspect", format, called]));
    if (code !== 0) throw new RangeError(`docker network inspect ${called}: ${stderr.trim()}`);
    const subnets = stdout.split("\n").map((line) => line.trim());
    return [name, subnets.filter((subnet) => subnet !== "").join(",")] as const;
  });
  return Object.fromEntries(await Promise.all(found));
}

function commandOf(host: string | undefined, args: readonly string[]): readonly string[] {
  return ["docker", ...(host === undefined ? [] : ["-H", host]), ...args];
}

/** Ports that somebody else holds are found before anything starts, and named by the key that moves ours. */
import { createServer } from "node:net";
import type { Tier, Workload } from "../../topology/index.ts";

/** Where a workload's port comes from, as a path into the stack's configuration. */
export function keyOfPort(tier: Tier, portName: string): string {
  if (tier === "nginx") return `deployment.local.ports.${/status/i.test(portName) ? "nginxStatus" : "nginx"}`;
  if (tier === "exporter") return "deployment.exporters";
  return `deployment.local.ports.${tier}`;
}

/** Throws RangeError with every port of `workloads` that is in use on `addresses`, or that two of them want. */
export async function requireFreePorts(workloads: readonly Workload[], addresses: readonly string[]): Promise<void> {
  const wanted = workloads.flatMap((workload) =>
    workload.ports.map(({ name, port }) => ({ workload: workload.name, key: keyOfPort(workload.tier, name), port })),
  );
  const problems: string[] = [];
  for (const [at, { workload, key, port }] of wanted.entries()) {
    const other = wanted.slice(0, at).find((one) => one.port === port);
    if (other !== undefined)
      problems.push(`port ${port} is wanted by ${other.workload} (${other.key}) and by ${workload} (${key})`);
    else if (!(await isFree(port, addresses)))
      problems.push(`port ${port} of ${workload} is in use by another program: change ${key}`);
  }
  if (problems.length > 0) throw new RangeError(problems.join("\n"));
}

async function isFree(port: number, addresses: readonly string[]): Promise<boolean> {
  const outcomes = await Promise.all(addresses.map((address) => canListen(port, address)));
  return outcomes.every((free) => free);
}

/** An address that the machine does not have holds nothing back. */
function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve("code" in error && error.code === "EADDRNOTAVAIL"));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

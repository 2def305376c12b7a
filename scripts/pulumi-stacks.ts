/** Prints the stacks of the working directory that Pulumi deploys, as one JSON array: what a job per stack is made from. */
import { globSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { deploymentOf } from "../infra/config.ts";

/** Processes of one machine are started by `mcp-stack up`; whatever else a file says is the program's to judge. */
function isPulumis(file: string): boolean {
  const deployment = deploymentOf(parse(readFileSync(file, "utf8")));
  return typeof deployment === "object" && deployment !== null && Reflect.get(deployment, "target") !== "local";
}

const stacks = globSync("Pulumi.*.yaml")
  .filter(isPulumis)
  .map((file) => file.slice("Pulumi.".length, -".yaml".length))
  .filter((name) => /^\w[\w.-]*$/.test(name))
  .toSorted();
process.stdout.write(`${JSON.stringify(stacks)}\n`);

/** A program that refuses what it was given. */
import * as pulumi from "@pulumi/pulumi";

export default async function program() {
  throw new pulumi.RunError("mcp-stack:sizing: load.peakRps must be positive, it is -1");
}

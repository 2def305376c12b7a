/** A stack for this machine: its file, with what is installed here in place of what it says about versions, as a plan and a topology. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type BuiltStack, buildStack, type GroundOf, ownGround, type StackResult } from "../infra/stack.ts";
import {
  findPrograms,
  type Launch,
  openSecrets,
  type Programs,
  requirePrograms,
  usersFor,
} from "../infra/targets/local/index.ts";
import { type Deployment, localGround, type Topology } from "../infra/topology/index.ts";
import { UsageError } from "./command.ts";
import { type MachineFacts, machineFacts, withMachine } from "./machine.ts";
import { isRecord, readStack } from "./stack.ts";

/** Where processes listen and are asked. */
export const LOCAL_HOST = "127.0.0.1";
const APPLICATION = resolve(import.meta.dirname, "..");

export type LocalStack = BuiltStack & {
  /** Absolute. */
  readonly data: string;
  /** What differs from the stack's file because of this machine. */
  readonly notes: readonly string[];
};

export type StackFile = { readonly name: string; readonly sizing: unknown; readonly deployment: unknown };

/** Throws UsageError without a stack, RangeError where its file cannot be read. */
export async function readStackFile(stack: string | undefined): Promise<StackFile> {
  if (stack === undefined) throw new UsageError("--stack is needed: mcp-stack up -s local");
  const { raw, deployment } = await readStack({ stack });
  return { name: stack, sizing: raw, deployment };
}

/** What the stack's file names as its target, where `--target` does not. */
export function targetOf({ deployment }: StackFile, chosen: string | undefined): Deployment["target"] {
  const target = chosen ?? (isRecord(deployment) ? deployment.target : undefined) ?? "local";
  if (target === "local" || target === "docker" || target === "kubernetes") return target;
  throw new UsageError(`--target ${JSON.stringify(target)} is none of local, docker, kubernetes`);
}

/** The data directory of a stack: root's services keep theirs under /var/lib, a person's under the home directory. */
export function dataDirectoryOf(stack: string, given: string | undefined): string {
  if (given !== undefined) return resolve(given);
  if (process.getuid?.() === 0) return join("/var/lib/mcp-stack", stack);
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), ".local", "state"), "mcp-stack", stack);
}

/** Throws RangeError with every problem, refusal or missing program; nothing has been written or started then. */
export async function composeLocal(file: StackFile, dataDirectory: string | undefined): Promise<LocalStack> {
  const programs = await findPrograms(process.env.PATH ?? "");
  const facts = machineFacts(programs);
  const { sizing, deployment, notes } = withMachine(file, facts);
  const data = dataDirectoryOf(file.name, dataDirectory);
  const built = builtOrThrow(buildStack(file.name, sizing, deployment, onMachine(data, programs)));
  requirePrograms(programs, built.topology.workloads);
  requireDescriptors(built.topology, facts);
  return { ...built, data, notes };
}

/** A stack as its file says it, for the platform that Pulumi brings it up on. Throws RangeError. */
export function composePlatform(file: StackFile, target: "docker" | "kubernetes"): BuiltStack {
  const deployment = isRecord(file.deployment) ? { ...file.deployment, target } : { target };
  return builtOrThrow(buildStack(file.name, file.sizing, deployment, ownGround));
}

function builtOrThrow(result: StackResult): BuiltStack {
  if (result.ok) return result.built;
  throw new RangeError(result.text);
}

function onMachine(data: string, programs: Programs): GroundOf {
  return (deployment, { plan }) =>
    localGround(deployment, {
      dataDirectory: data,
      application: APPLICATION,
      node: process.execPath,
      programs: programs.directories,
      replicas: plan.gateway.replicas.min,
    });
}

/** Every process would end by itself with the same words; told before the first one starts. */
function requireDescriptors({ workloads }: Topology, { nofileHard }: MachineFacts): void {
  const short = workloads.filter(({ nofile }) => nofile !== null && nofile > nofileHard);
  if (short.length === 0) return;
  const needs = short.map(({ name, nofile }) => `${name} needs ${nofile}`).join(", ");
  throw new RangeError(
    `this machine grants a process ${nofileHard} descriptors, and ${needs}: raise the hard limit (ulimit -Hn, LimitNOFILE, limits.conf)`,
  );
}

/** What the target is given to start or change the stack; secrets are made here where they are missing. */
export async function launchOf(
  stack: LocalStack,
): Promise<{ readonly launch: Launch; readonly notes: readonly string[] }> {
  const { topology, data } = stack;
  const { users, notes } = usersFor(topology.workloads, process.getuid?.() ?? 0, [APPLICATION, process.execPath]);
  const secrets = await openSecrets(data, topology.secrets, process.env);
  return { launch: { data, host: LOCAL_HOST, topology, secrets, users }, notes };
}

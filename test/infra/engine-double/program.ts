/** Runs a Pulumi program as its language host would, with the double in place of the engine: no CLI, no plugins, no network. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import engineService from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import resourceService from "@pulumi/pulumi/proto/resource_grpc_pb.js";
import { serveEngine } from "./engine.ts";
import { type Recorded, serveMonitor } from "./monitor.ts";
import type { Logged, Run, Value } from "./run.ts";

export type Program = {
  /** Where the program stands: the directory of `main` in Pulumi.yaml. */
  readonly directory: string;
  /** Its file in that directory; `index.ts` unless given. */
  readonly entry?: string;
  readonly project?: string;
  readonly stack: string;
  /** Whole keys, `mcp-stack:sizing`; objects are written as JSON, as the CLI does. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Which of the keys are secret. */
  readonly secretKeys?: readonly string[];
  /** A preview leaves unknown what only an update knows. */
  readonly preview: boolean;
  /** Token → answer of a provider's function. */
  readonly invokes?: Readonly<Record<string, Readonly<Record<string, Value>>>>;
};

/** No program that is worth a test takes longer. */
const LIMIT_MS = 120_000;

const RUNNER = join(dirname(createRequire(import.meta.url).resolve("@pulumi/pulumi/package.json")), "cmd", "run");

/** A program that fails is no error here: `exitCode` and `logs` say how it ended. */
export async function runProgram(program: Program): Promise<Run> {
  const recorded: Recorded = { resources: [], reads: [], invokes: [], outputs: new Map() };
  const logs: Logged[] = [];
  const server = new Server({ "grpc.max_receive_message_length": 64 * 1024 * 1024 });
  const { project = "mcp-stack", stack, preview: isPreview, invokes = {} } = program;
  server.addService(
    resourceService.ResourceMonitorService,
    serveMonitor(recorded, { project, stack, isPreview, invokes }),
  );
  server.addService(engineService.EngineService, serveEngine(logs));
  try {
    const ended = await execute(program, project, `127.0.0.1:${await listen(server)}`);
    const { resources, reads, outputs } = recorded;
    const stackUrn = resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.urn ?? "";
    const { [stackUrn]: own = {}, ...componentOutputs } = Object.fromEntries(outputs);
    return { resources, reads, invokes: recorded.invokes, logs, outputs: own, componentOutputs, ...ended };
  } finally {
    server.forceShutdown();
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}

/** The arguments of pulumi-language-nodejs; the environment is no more than what it needs. */
async function execute(program: Program, project: string, address: string) {
  const { directory, entry = "index.ts", stack, config, secretKeys = [], preview } = program;
  const flags = {
    monitor: address,
    engine: address,
    project,
    stack,
    pwd: directory,
    parallel: "16",
  };
  const given = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const written = Object.entries(config).map(([key, value]) => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  const child = spawn(process.execPath, [RUNNER, ...given, ...(preview ? ["--dry-run"] : []), entry], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    signal: AbortSignal.timeout(LIMIT_MS),
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PULUMI_CONFIG: JSON.stringify(Object.fromEntries(written)),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(secretKeys),
    },
  });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { stdout, stderr, exitCode: Number(exitCode) };
}

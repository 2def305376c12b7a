/** A whole stack of this machine, brought up by the command line as its users do, on ports that were free, with times short enough to sit out. */
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { z } from "zod";
import type { Plan } from "../../../contract/plan.ts";
import { type State, stateSchema } from "../../../infra/targets/local/state.ts";
import { freeNeighbours, freePort, type Gateway, missing, run, temporaryDirectory } from "../../harness/index.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

/** Why tests with a whole stack are skipped. */
export const absent = missing("nginx", "pgbouncer", "postgres", "redis-server");

/** Every idle timeout of the chain pinned to seconds, in the order that the budgets want. */
const SHORT = {
  "timeouts.dbStatementS": 3,
  "timeouts.dbQueryS": 4,
  "pgbouncer.queryWaitTimeoutS": 2,
  "timeouts.toolS": 6,
  "timeouts.sessionHealthS": 4,
  "timeouts.sessionTransportS": 6,
  "timeouts.upstreamBodyS": 7,
  "timeouts.handlerS": 9,
  "timeouts.proxyReadS": 10,
  "timeouts.lbIdleS": 11,
  "timeouts.nginxKeepaliveS": 12,
  "timeouts.nginxUpstreamKeepaliveS": 8,
  "timeouts.gatewayKeepaliveS": 9,
  "timeouts.sseKeepaliveS": 3,
  "timeouts.streamReadS": 10,
  "timeouts.preStopS": 5,
} as const;

type Ports = Readonly<Record<"nginx" | "nginxStatus" | "gateway" | "pgbouncer" | "postgres" | "redis", number>>;
export type Finished = { readonly code: number | string; readonly stdout: string; readonly stderr: string };
export type Changes = {
  readonly logLevel?: string;
  readonly sizing?: object;
  readonly secrets?: object;
  /** `deployment.gateway`. */
  readonly gateway?: object;
  /** `deployment.access`, besides the limits of nginx. */
  readonly access?: object;
  /** Of the command: where given secrets stand. */
  readonly environment?: Readonly<Record<string, string>>;
};

export type LocalStack = {
  /** As clients see it: through nginx. */
  readonly gateway: Gateway;
  readonly ports: Ports;
  readonly data: string;
  plan(): Promise<Plan>;
  state(): Promise<State>;
  /** Writes the stack's file and runs `mcp-stack up` again. */
  up(changes?: Changes): Promise<Finished>;
  /** Runs a command of mcp-stack for this stack. */
  command(name: string, ...options: readonly string[]): Promise<Finished>;
  secret(name: string): Promise<string>;
};

/** Registers hooks: the stack is up in the tests of this block, and gone with its directory afterwards. */
export function useLocalStack(changes: Changes = {}): () => LocalStack {
  let stack: (LocalStack & { remove(): Promise<void> }) | undefined;
  beforeAll(async () => {
    stack = await makeStack();
    const { code, stderr } = await stack.up(changes);
    if (code !== 0) throw new Error(`up: ${code}\n${stderr}`);
    await signIn(stack);
  }, 180_000);
  afterAll(() => stack?.remove(), 120_000);
  return () => {
    if (stack === undefined) throw new Error("the stack is not up");
    return stack;
  };
}

async function makeStack(): Promise<LocalStack & { remove(): Promise<void> }> {
  const directory = await temporaryDirectory();
  // Processes run as users of their own, who have to get to their files.
  await chmod(directory.path, 0o711);
  const data = join(directory.path, "data");
  const ports = await choosePorts();
  const command = (name: string, ...options: readonly string[]) =>
    finish(directory.path, [name, "-s", "test", "--data-dir", data, ...options]);
  const url = `http://127.0.0.1:${ports.nginx}`;
  const gateway: Gateway = {
    url,
    mcpUrl: `${url}/mcp`,
    token: "",
    pid: 0,
    headers: {},
    stop: async () => {},
    kill: async () => {},
    exited: Promise.resolve(0),
    stderr: () => "",
  };
  return {
    gateway,
    ports,
    data,
    command,
    plan: async () => {
      const { stdout } = await finish(directory.path, ["plan", "-s", "test", "--json"]);
      const document: { readonly plan: Plan } = JSON.parse(stdout);
      return document.plan;
    },
    state: async () => stateSchema.parse(JSON.parse(await readFile(join(data, "state.json"), "utf8"))),
    async up(changes = {}) {
      await writeFile(join(directory.path, "Pulumi.test.yaml"), stackText(ports, changes));
      const args = ["up", "-s", "test", "--data-dir", data, "--detach"];
      return await finish(directory.path, args, changes.environment);
    },
    secret: async (name) => {
      const kept = z.record(z.string(), z.object({ value: z.string() }));
      return kept.parse(JSON.parse(await readFile(join(data, "secrets.json"), "utf8")))[name]?.value ?? "";
    },
    async remove() {
      await command("down");
      await directory.remove();
    },
  };
}

/** A token that the stack's own key signs, put into the headers of its gateway. */
async function signIn(stack: LocalStack): Promise<void> {
  const key = await stack.secret("token-signing");
  const token = await tokenOf(key, "admin@example.com", true);
  Object.assign(stack.gateway, { token, headers: { authorization: `Bearer ${token}` } });
}

export async function tokenOf(key: string, username: string, isAdmin: boolean): Promise<string> {
  const more = ["--username", username, ...(isAdmin ? ["--admin"] : [])];
  const { code, stdout, stderr } = await finish(ROOT, ["token", ...more], { JWT_SECRET_KEY: key });
  if (code !== 0) throw new Error(`token: ${stderr}`);
  return stdout.trim();
}

async function finish(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const running = run(process.execPath, [join(ROOT, "cli/mcp-stack.js"), ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
  const code = await running.exited;
  return { code, stdout: running.stdout(), stderr: running.stderr() };
}

/** JSON, which is YAML. */
function stackText(
  ports: Ports,
  { logLevel = "info", sizing = {}, secrets = {}, gateway = {}, access = {} }: Changes,
): string {
  return JSON.stringify({
    config: {
      "mcp-stack:sizing": {
        environment: "dev",
        load: {
          peakRps: 50,
          meanLatencyMs: 150,
          concurrentUsers: 20,
          sseStreams: 10,
          statefulSessions: 10,
        },
        gateway: { engine: "fastify", cpu: 1, memory: "512Mi", haFloor: 2, hpa: false },
        database: { pgbouncer: { version: "1.18" }, postgres: { version: 15, cpu: 1, memory: "1Gi" } },
        cluster: { nofileHard: 4096 },
        given: SHORT,
        ...sizing,
      },
      "mcp-stack:deployment": {
        target: "local",
        logLevel,
        secrets,
        gateway,
        access: { limits: { requestsPerSecond: 100_000, burst: 100_000, connections: 10_000 }, ...access },
        local: { ports },
      },
    },
  });
}

async function choosePorts(): Promise<Ports> {
  const [nginx, nginxStatus, pgbouncer, postgres, redis] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  // The second replica's gateway has the port after the first one's.
  const gateway = await freeNeighbours(2);
  return { nginx, nginxStatus, gateway, pgbouncer, postgres, redis };
}

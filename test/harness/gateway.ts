/** Starts the gateway as its users do, as a process of its own, and speaks to its REST API. */
import { resolve } from "node:path";
import { dataDirectory } from "./data-directories.ts";
import { run } from "./process.ts";

const ROOT = resolve(import.meta.dirname, "../..");

export type Gateway = {
  /** Without trailing slash. */
  readonly url: string;
  readonly mcpUrl: string;
  readonly token: string;
  readonly pid: number;
  readonly headers: Readonly<Record<string, string>>;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  stderr(): string;
};

export type GatewayOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** A named process, which says the port itself. */
  readonly process?: string;
  /** Kept by the caller; without it one that has a database (data-directories.ts) is made and removed. */
  readonly dataDir?: string;
  readonly deadlineMs?: number;
  /** A process group of its own: `process.kill(-pid, …)` is what a terminal does. */
  readonly ownGroup?: boolean;
};

export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const temporary = options.dataDir === undefined ? await dataDirectory() : undefined;
  const running = run(
    process.execPath,
    [
      "cli/mcp-stack.js",
      "serve",
      ...(options.process === undefined ? ["--port", "0"] : [options.process]),
      "--json",
      "--first-run",
      ...(options.args ?? []),
    ],
    {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH,
        HOME: temporary?.path ?? options.dataDir,
        MCP_EXAMPLE_SERVER: "false",
        DATA_DIR: temporary?.path ?? options.dataDir,
        ...options.env,
      },
      ...(options.ownGroup === true ? { detached: true } : {}),
    },
  );
  try {
    const ready = parseReady(await running.firstLine(options.deadlineMs ?? 120_000));
    return {
      ...ready,
      url: ready.url.replace(/\/$/, ""),
      headers: { authorization: `Bearer ${ready.token}` },
      stderr: running.stderr,
      exited: running.exited,
      async stop() {
        await running.stop(15_000);
        await temporary?.remove();
      },
      async kill(signal) {
        // The supervisor and whatever it started must end together; `pid` is the one to signal.
        process.kill(ready.pid, signal);
        await running.exited;
        await temporary?.remove();
      },
    };
  } catch (error) {
    await running.stop(1000);
    await temporary?.remove();
    throw error;
  }
}

/** Runs a gateway that is expected to end by itself: how it ended and what it said. */
export async function endedStart(
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<{ readonly code: number | NodeJS.Signals; readonly stdout: string; readonly stderr: string }> {
  const command = ["cli/mcp-stack.js", "serve", "--json", ...args];
  const running = run(process.execPath, command, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, MCP_EXAMPLE_SERVER: "false", ...env },
  });
  const timer = setTimeout(() => running.kill("SIGKILL"), 120_000);
  const code = await running.exited;
  clearTimeout(timer);
  return { code, stdout: running.stdout(), stderr: running.stderr() };
}

function parseReady(line: string): { url: string; mcpUrl: string; token: string; pid: number } {
  const value: unknown = JSON.parse(line);
  if (typeof value !== "object" || value === null) throw new Error(`not the ready line: ${line}`);
  const { url, mcpUrl, token, pid } = value as Record<string, unknown>;
  if (typeof url !== "string" || typeof mcpUrl !== "string" || typeof token !== "string" || typeof pid !== "number")
    throw new Error(`not the ready line: ${line}`);
  return { url, mcpUrl, token, pid };
}

export type RestAnswer = { readonly status: number; readonly body: Record<string, unknown> };

/** One REST call with the gateway's token; a body that is not a JSON object comes back as `{value}`. */
export async function rest(gateway: Gateway, method: string, path: string, body?: unknown): Promise<RestAnswer> {
  const response = await fetch(gateway.url + path, {
    method,
    headers: { ...gateway.headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const value: unknown = text === "" ? {} : JSON.parse(text);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return { status: response.status, body: isObject ? { ...value } : { value } };
}

export type Registered = {
  readonly id: string;
  readonly slug: string;
  /** Its own endpoint, names unprefixed. */
  readonly mcpUrl: string;
  readonly body: Readonly<Record<string, unknown>>;
};

export type Registration =
  | { readonly name: string; readonly url: string; readonly transport?: "STREAMABLEHTTP" | "SSE" }
  | {
      readonly name: string;
      readonly transport: "STDIO";
      readonly command: string;
      readonly args: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
    };

/** POST /gateways; throws with the gateway's own words when it is refused. */
export async function register(gateway: Gateway, registration: Registration): Promise<Registered> {
  const answer = await rest(gateway, "POST", "/gateways", { transport: "STREAMABLEHTTP", ...registration });
  if (answer.status !== 201) throw new Error(`POST /gateways: ${answer.status} ${JSON.stringify(answer.body)}`);
  const id = String(answer.body.id);
  return { id, slug: String(answer.body.slug), mcpUrl: `${gateway.url}/gateways/${id}/mcp`, body: answer.body };
}

/** DELETE /gateways/{id}; nothing when it was never registered. */
export async function unregister(gateway: Gateway, upstream: Registered | undefined): Promise<void> {
  if (upstream !== undefined) await rest(gateway, "DELETE", `/gateways/${upstream.id}`);
}

export type VirtualServer = { readonly id: string; readonly mcpUrl: string };

/** POST /servers with whole upstreams as its content. */
export async function createServer(
  gateway: Gateway,
  name: string,
  upstreams: readonly Registered[],
  more: Readonly<Record<string, unknown>> = {},
): Promise<VirtualServer> {
  const answer = await rest(gateway, "POST", "/servers", {
    name,
    associated_gateways: upstreams.map(({ id }) => id),
    ...more,
  });
  if (answer.status !== 201) throw new Error(`POST /servers: ${answer.status} ${JSON.stringify(answer.body)}`);
  const id = String(answer.body.id);
  return { id, mcpUrl: `${gateway.url}/servers/${id}/mcp` };
}

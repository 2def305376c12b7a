/** A gateway under test, by the name of its engine, with everything on that a user has on, and what the bench does with its API. */
import { spawnSync } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { join, resolve } from "node:path";
import { engines } from "../gateway/engine/index.ts";
import { firstJson, type Part, start, UNDER_TEST } from "./machine.ts";
import { CLIENT, JSON_HEADERS, LEGACY } from "./requests.ts";

export type Engine = "fastify" | "bounded";
export const ENGINES: readonly Engine[] = ["fastify", "bounded"];

export type Gateway = {
  readonly engine: Engine;
  readonly part: Part;
  readonly pid: number;
  /** Without a slash at its end. */
  readonly origin: string;
  /** Of an administrator. */
  readonly adminToken: string;
  /** Of a caller who may use what is public and change nothing: with it every call passes the checks of roles. */
  readonly userToken: string;
};

const ROOT = resolve(import.meta.dirname, "..");
export const CLI = join(ROOT, "cli/mcp-stack.js");

/** Admission counts every call, and refuses none of those that the bench asks at once. */
const SETTINGS = {
  WORKERS: "1",
  MAX_IN_FLIGHT: "4096",
  MAX_STREAMS: "20000",
  // A thousand calls at once on one core delay the loop by themselves.
  MAX_LOOP_DELAY: "0",
  HEALTH_CHECK_INTERVAL: "0",
  MCP_EXAMPLE_SERVER: "false",
  LOG_LEVEL: "error",
};

/** Whether this version has the engine. */
export function knowsEngine(engine: Engine): boolean {
  return Object.hasOwn(engines, engine);
}

/** `ready` is called as soon as it says that it is. */
export async function startGateway(
  parent: string,
  engine: Engine,
  env: NodeJS.ProcessEnv = {},
  ready: (pid: number) => void = () => undefined,
): Promise<Gateway> {
  const data = env.DATA_DIR ?? (await mkdtemp(join(parent, `${engine}-`)));
  const settings = { ...SETTINGS, HTTP_SERVER: engine, DATA_DIR: data, ...env };
  const part = start(UNDER_TEST, process.execPath, [CLI, "serve", "--port", "0", "--json"], {
    env: settings,
  });
  try {
    const { url = "", token = "" } = await firstJson(part);
    ready(part.pid);
    const user = spawnSync(process.execPath, [CLI, "token", "--username", "bench@example.com", "--data-dir", data]);
    return {
      engine,
      part,
      pid: part.pid,
      origin: url.replace(/\/$/, ""),
      adminToken: token,
      userToken: user.stdout.toString().trim(),
    };
  } catch (error) {
    await part.stop();
    throw error;
  }
}

export type Registered =
  | { readonly name: string; readonly url: string }
  | { readonly name: string; readonly command: readonly string[] };

/** Registers an upstream that everybody may use; its id. */
export async function register(
  { origin, adminToken }: Pick<Gateway, "origin" | "adminToken">,
  upstream: Registered,
): Promise<string> {
  const [command, ...args] = "command" in upstream ? upstream.command : [];
  const how =
    "url" in upstream ? { url: upstream.url, transport: "STREAMABLEHTTP" } : { command, args, transport: "STDIO" };
  const answer = await fetch(`${origin}/gateways`, {
    method: "POST",
    headers: { ...JSON_HEADERS, authorization: `Bearer ${adminToken}` },
    body: JSON.stringify({ name: upstream.name, visibility: "public", ...how }),
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`POST /gateways: ${answer.status} ${text.slice(0, 500)}`);
  return String(JSON.parse(text).id);
}

/** Opens legacy sessions and leaves them open. */
export async function openSessions(url: string, token: string | undefined, count: number): Promise<readonly string[]> {
  const sessions: string[] = [];
  const headers = { ...JSON_HEADERS, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  const post = (body: object, more: Readonly<Record<string, string>> = {}) =>
    fetch(url, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify({ jsonrpc: "2.0", ...body }) });
  const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT };
  for (let index = 0; index < count; index += 1) {
    const opened = await post({ id: 0, method: "initialize", params });
    const session = opened.headers.get("mcp-session-id");
    const text = await opened.text();
    if (session === null) throw new Error(`initialize at ${url}: ${opened.status} ${text.slice(0, 500)}`);
    const own = { "mcp-session-id": session, "mcp-protocol-version": LEGACY };
    await (await post({ method: "notifications/initialized" }, own)).text();
    sessions.push(session);
  }
  return sessions;
}

/** Pages of a list as a client walks through them: the cursors, the first of which is undefined, and how many items they have together. */
export async function walk(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly cursors: readonly (string | undefined)[]; readonly items: number }> {
  const cursors: (string | undefined)[] = [];
  let [cursor, items]: [string | undefined, number] = [undefined, 0];
  do {
    cursors.push(cursor);
    const params = cursor === undefined ? {} : { cursor };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params });
    const answer = await fetch(url, { method: "POST", headers, body });
    const text = await answer.text();
    const { result } = JSON.parse(text.replace(/^[^{]*/, ""));
    if (result === undefined) throw new Error(`tools/list at ${url}: ${answer.status} ${text.slice(0, 500)}`);
    items += result.tools.length;
    cursor = result.nextCursor;
  } while (cursor !== undefined && cursors.length < 1000);
  return { cursors, items };
}

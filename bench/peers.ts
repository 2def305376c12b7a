/** Other gateways from npm, where a person installed them into a directory of their own: `npm install --prefix DIR mcp-proxy supergateway`. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openSessions } from "./gateway.ts";
import { answersAt, freePort, type Part, start, UNDER_TEST } from "./machine.ts";

export type Peer = {
  /** With its version. */
  readonly name: string;
  readonly url: string;
  readonly part: Part;
  readonly sessions: readonly string[];
};

type Recipe = {
  readonly name: string;
  readonly program: string;
  /** Serves the stdio server behind `command` at /mcp of this port, with sessions. */
  args(port: number, command: readonly string[]): readonly string[];
};

/** Neither speaks HTTP to its upstream and HTTP to its clients at once: they are given the upstream as a stdio server. */
const RECIPES: readonly Recipe[] = [
  {
    name: "mcp-proxy",
    program: "mcp-proxy",
    args: (port, command) => ["--host", "127.0.0.1", "--port", String(port), "--server", "stream", "--", ...command],
  },
  {
    name: "supergateway",
    program: "supergateway",
    args: (port, command) => [
      ...["--stdio", command.join(" "), "--outputTransport", "streamableHttp", "--stateful"],
      ...["--port", String(port), "--logLevel", "none"],
    ],
  },
];

/** Those that are installed there; the names of the others. */
export async function startPeers(
  directory: string | undefined,
  command: readonly string[],
  sessions: number,
): Promise<{ readonly peers: readonly Peer[]; readonly missing: readonly string[] }> {
  const peers: Peer[] = [];
  const missing: string[] = [];
  try {
    for (const recipe of RECIPES) {
      const modules = join(directory ?? "", "node_modules");
      const program = join(modules, ".bin", recipe.program);
      if (directory === undefined || !existsSync(program)) missing.push(recipe.name);
      else peers.push(await startPeer(recipe, program, versionIn(join(modules, recipe.name)), command, sessions));
    }
  } catch (error) {
    for (const { part } of peers) await part.stop();
    throw error;
  }
  return { peers, missing };
}

function versionIn(folder: string): string {
  return String(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version);
}

async function startPeer(
  recipe: Recipe,
  program: string,
  version: string,
  command: readonly string[],
  count: number,
): Promise<Peer> {
  const port = await freePort();
  const part = start(UNDER_TEST, process.execPath, [program, ...recipe.args(port, command)], { stderr: "ignore" });
  part.child.stdout?.resume();
  const url = `http://127.0.0.1:${port}/mcp`;
  try {
    await answersAt(recipe.name, async () => (await fetch(url)).status > 0);
    return { name: `${recipe.name} ${version}`, url, part, sessions: await openSessions(url, undefined, count) };
  } catch (error) {
    await part.stop();
    throw error;
  }
}

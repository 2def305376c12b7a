/** What a person sees when the gateway is up: where it is, how to get in, what to paste, what is connected. */
import { homedir } from "node:os";
import type { Federation } from "./federation/index.ts";
import type { Secrets } from "./settings/index.ts";

/** `token` is empty where this gateway makes none. */
export type Ready = { readonly url: string; readonly mcpUrl: string; readonly token: string; readonly pid: number };

function upstreamLines(federation: Federation): string[] {
  const { items } = federation.snapshot;
  const gateways = federation.snapshot.gateways.filter((record) => record.source !== "builtin");
  if (gateways.length === 0) return ["  none yet: POST one to /gateways, or name an mcp.json with --config"];
  return gateways.map((record) => {
    const tools = items.filter((item) => item.gatewayId === record.id && item.kind === "tool").length;
    const state = record.reachable
      ? `${tools} tool${tools === 1 ? "" : "s"}`
      : `not reachable (${record.lastError ?? "no answer"})`;
    return `  ${record.slug.padEnd(24)} ${state}`;
  });
}

function shortPath(path: string): string {
  const home = homedir();
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** The whole text; without `firstRun` only the address, because a service's log is no place for a token. */
export function firstRunText(
  ready: Omit<Ready, "pid">,
  federation: Federation,
  secrets: Secrets,
  firstRun: boolean,
): string {
  if (!firstRun) return `mcp-stack is ready at ${ready.mcpUrl}\n`;
  const client = {
    mcpServers: {
      "mcp-stack": { type: "http", url: ready.mcpUrl, headers: { Authorization: `Bearer ${ready.token}` } },
    },
  };
  const kept =
    secrets.path === undefined ? [] : [`Secrets are kept in ${shortPath(secrets.path)} (readable by you only).`];
  return [
    "",
    `mcp-stack is ready: ${ready.mcpUrl}`,
    "",
    "Upstreams",
    ...upstreamLines(federation),
    "",
    "Token (for platform administration; keep it to yourself)",
    `  ${ready.token === "" ? "made by whoever holds the private key of JWT_PUBLIC_KEY_PATH" : ready.token}`,
    "",
    "Paste this into your MCP client's configuration",
    JSON.stringify(client, null, 2)
      .split("\n")
      .map((line) => `  ${line}`)
      .join("\n"),
    "",
    "Try it",
    `  curl -s ${ready.url}/rpc -H 'content-type: application/json' -H 'authorization: Bearer '"$TOKEN" \\`,
    `    -d '{"jsonrpc":"2.0","id":1,"method":"convert_time","params":{"source_timezone":"Europe/Berlin","target_timezone":"Europe/Dublin","time":"09:00"}}'`,
    "",
    ...kept,
    "Ctrl-C drains and stops.",
    "",
  ].join("\n");
}

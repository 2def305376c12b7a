/** Where the gateway is, as those who start it want to know. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import { firstRunText, type Ready } from "./first-run.ts";
import type { Rooms } from "./rooms.ts";
import type { Secrets } from "./settings/index.ts";

/** `text`: for people; the ready line is for programs. */
export type Announcement = { readonly ready: Omit<Ready, "pid">; readonly text: string };

export async function announce(
  rooms: Rooms,
  settings: Settings,
  secrets: Secrets,
  firstRun: boolean,
): Promise<Announcement> {
  const scheme = settings.TLS_CERT_FILE === undefined ? "http" : "https";
  const url = `${scheme}://${urlHost(settings.HOST)}:${rooms.port}${settings.URL_PATH_PREFIX}`;
  const ready = { url, mcpUrl: `${url}/mcp`, token: await rooms.mint() };
  return { ready, text: firstRunText(ready, rooms.federation, secrets, firstRun) };
}

/** To stdout: one line for programs, or the text. */
export function printReady({ ready, text }: Announcement, json: boolean): void {
  process.stdout.write(json ? `${JSON.stringify({ ...ready, pid: process.pid })}\n` : text);
}

function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

/** The official clients of both SDK lines, connected with the gateway's token. */
import {
  type ClientCapabilities as ModernCapabilities,
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { ClientCapabilities } from "@modelcontextprotocol/sdk/types.js";

type Auth = { readonly headers: Readonly<Record<string, string>> };
const INFO = { name: "test", version: "1.0.0" };

/** The client of the SDK's first line: legacy only. Close it with `client.close()`. */
export async function connectV1(url: string, auth: Auth, capabilities: ClientCapabilities = {}): Promise<Client> {
  const client = new Client(INFO, { capabilities });
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { ...auth.headers } } });
  // The SDK's Transport type leaves out `undefined` for its optional members.
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  return client;
}

/** The same over HTTP+SSE (MCP 2024-11-05). */
export async function connectSse(url: string, auth: Auth): Promise<Client> {
  const client = new Client(INFO);
  const headers = { ...auth.headers };
  await client.connect(new SSEClientTransport(new URL(url), { requestInit: { headers } }));
  return client;
}

/** The client of the SDK's second line. */
export async function connectV2(
  url: string,
  auth: Auth,
  era: "legacy" | "modern",
  capabilities: ModernCapabilities = {},
): Promise<ModernClient> {
  const client = new ModernClient(INFO, {
    capabilities,
    versionNegotiation: { mode: era === "legacy" ? "legacy" : { pin: "2026-07-28" } },
  });
  await client.connect(new ModernTransport(new URL(url), { requestInit: { headers: { ...auth.headers } } }));
  return client;
}

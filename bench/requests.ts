/** What clients send, as HTTP text: the same again and again, or as different as clients are. */
import { httpRequest } from "../cli/load/messages.ts";

/** One request of a kind. */
export type Shot = { readonly headers: Readonly<Record<string, string>>; readonly body: string };

export const LEGACY = "2025-11-25";
export const MODERN = "2026-07-28";
export const CLIENT = { name: "bench", version: "1" };
export const JSON_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };

const MODERN_META = {
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": CLIENT,
};

type Message = { readonly method: string; readonly params: Readonly<Record<string, unknown>> };

export function call(name: string, text: string): Message {
  return { method: "tools/call", params: { name, arguments: { text } } };
}

export function list(cursor: string | undefined): Message {
  return { method: "tools/list", params: cursor === undefined ? {} : { cursor } };
}

export function legacyShot(message: Message, token?: string, session?: string): Shot {
  return {
    headers: {
      ...JSON_HEADERS,
      ...authorization(token),
      ...(session === undefined ? {} : { "mcp-session-id": session }),
      "mcp-protocol-version": LEGACY,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...message }),
  };
}

/** MCP 2026-07-28: what is asked stands in headers too, and in each request who asks. */
export function modernShot({ method, params }: Message, token?: string): Shot {
  return {
    headers: {
      ...JSON_HEADERS,
      ...authorization(token),
      "mcp-protocol-version": MODERN,
      "mcp-method": method,
      ...(typeof params.name === "string" ? { "mcp-name": params.name } : {}),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: MODERN_META } }),
  };
}

function authorization(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

const AGENTS = [
  "node",
  "python-httpx/0.28.1",
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
];

/**
 * `count` requests, up to 1000, of which no two are alike: ids are numbers and strings of several lengths, the argument differs in length, headers come
 * in other orders and cases and with some that mean nothing here. Each is right where the shot is that it was made of.
 */
export function varied(shots: readonly Shot[], count: number): readonly Shot[] {
  return Array.from({ length: count }, (_, index) => {
    const { headers, body } = shots[index % shots.length] ?? { headers: {}, body: "{}" };
    const message = JSON.parse(body);
    message.id = index % 3 === 0 ? index : index % 3 === 1 ? `request-${index}` : 10 ** (3 + (index % 12)) + index;
    const text: unknown = message.params?.arguments?.text;
    if (typeof text === "string")
      message.params.arguments.text = `${index} ${text.slice(0, (index * 7) % text.length)}`;
    const own = [
      ...Object.entries(headers),
      ["user-agent", AGENTS[index % AGENTS.length] ?? ""],
      ["traceparent", `00-${String(index).padStart(32, "4")}-${String(index).padStart(16, "2")}-01`],
      ...(index % 2 === 0 ? [["x-request-id", `bench-${index}`]] : []),
    ].map(([name = "", value = ""]): [string, string] => [index % 5 === 0 ? capitalised(name) : name, value]);
    const turn = index % own.length;
    return {
      headers: Object.fromEntries([...own.slice(turn), ...own.slice(0, turn)]),
      body: JSON.stringify(message, null, index % 7 === 0 ? 1 : 0),
    };
  });
}

function capitalised(name: string): string {
  return name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
}

/** As the bytes of a POST. */
export function posted(url: string, shots: readonly Shot[]): readonly string[] {
  const endpoint = { url: new URL(url), token: undefined };
  return shots.map(({ headers, body }) => httpRequest(endpoint, "POST", headers, body));
}

/** An upstream that keeps a value in each session, and can forget one, or all of them. For tests of who sees what. */
import { json, legacyLife, rpc, type Seen, serve, type TestServer } from "./harness.ts";

export type StatefulServer = TestServer & {
  /** Session id → what was put into it. */
  readonly sessions: Map<string, string[]>;
  /** Sessions opened so far, and the most that were open at one time. */
  opened: number;
  peak: number;
  /** Levels and subscriptions as they came: session id, method, value. */
  readonly told: string[];
  restart(): void;
};

/** `put` adds to the session's values and answers all of them; `get` answers them. */
export async function statefulServer(): Promise<StatefulServer> {
  const sessions = new Map<string, string[]>();
  const told: string[] = [];
  const counts = { opened: 0, peak: 0 };
  const server = await serve((seen, response) => {
    const id = String(seen.headers["mcp-session-id"] ?? "");
    const method = seen.json?.method;
    if (method === "server/discover") {
      legacyLife(seen, response);
      return;
    }
    if (method === "initialize") {
      const fresh = `sid-${++counts.opened}`;
      sessions.set(fresh, []);
      counts.peak = Math.max(counts.peak, sessions.size);
      legacyLife(seen, response, fresh);
      return;
    }
    const kept = sessions.get(id);
    if (kept === undefined) {
      json(response, 404, { jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } });
      return;
    }
    if (seen.method === "DELETE") {
      sessions.delete(id);
      response.writeHead(200).end();
      return;
    }
    if (method === "notifications/initialized" || method === "notifications/cancelled") {
      response.writeHead(202).end();
      return;
    }
    if (method === "logging/setLevel" || method === "resources/subscribe") {
      told.push(`${id} ${method} ${String(seen.json?.params?.level ?? seen.json?.params?.uri)}`);
      rpc(response, seen, {});
      return;
    }
    answer(seen, kept, (result) => rpc(response, seen, result));
  });
  return {
    ...server,
    sessions,
    told,
    get opened() {
      return counts.opened;
    },
    get peak() {
      return counts.peak;
    },
    restart: () => sessions.clear(),
  };
}

function answer(seen: Seen, kept: string[], reply: (result: unknown) => void): void {
  const value = seen.json?.params?.arguments;
  if (typeof value === "object" && value !== null && "put" in value) kept.push(String(value.put));
  reply({ content: [], structuredContent: { kept: [...kept] } });
}

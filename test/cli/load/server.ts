/** A small MCP server on a real socket that counts what it is asked and answers a call as a test wants it. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TlsOptions } from "node:tls";

export type Call = {
  readonly index: number;
  readonly id: unknown;
  readonly headers: IncomingMessage["headers"];
  readonly body: Readonly<Record<string, unknown>>;
};
export type Behaviour = (call: Call, response: ServerResponse) => void;

export function answer(response: ServerResponse, id: unknown, result: object, status = 200): void {
  response
    .writeHead(status, { "content-type": "application/json" })
    .end(JSON.stringify({ jsonrpc: "2.0", id, ...result }));
}

const echo: Behaviour = ({ id }, response) => answer(response, id, { result: { content: [] } });

export async function startServer(behaviour: Behaviour = echo, tls?: TlsOptions) {
  const seen = { calls: 0, lists: 0, opened: 0, initialized: 0, ended: [] as unknown[] };
  const sessions = () => `session-${seen.opened}`;

  function serve(headers: IncomingMessage["headers"], body: Record<string, unknown>, response: ServerResponse): void {
    const { id, method } = body;
    switch (method) {
      case "initialize":
        seen.opened += 1;
        response.setHeader("mcp-session-id", sessions());
        answer(response, id, { result: { protocolVersion: "2025-11-25", capabilities: {} } });
        break;
      case "notifications/initialized":
        seen.initialized += 1;
        response.writeHead(202).end();
        break;
      case "tools/list":
        seen.lists += 1;
        answer(response, id, { result: { tools: [{ name: "echo", inputSchema: { type: "object" } }] } });
        break;
      default:
        seen.calls += 1;
        behaviour({ index: seen.calls - 1, id, headers, body }, response);
    }
  }

  function listener(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === "DELETE") {
      seen.ended.push(request.headers["mcp-session-id"]);
      response.writeHead(204).end();
      return;
    }
    if (request.method !== "POST") {
      response.writeHead(404).end();
      return;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.once("end", () => serve(request.headers, JSON.parse(Buffer.concat(chunks).toString()), response));
  }

  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    seen,
    url: new URL(`${tls === undefined ? "http" : "https"}://127.0.0.1:${port}/mcp`),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

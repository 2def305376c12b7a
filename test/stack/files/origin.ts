/** A gateway in miniature behind a real nginx: who is asking, answers with and without the marker, an event stream, an echo. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { WebSocketServer } from "ws";

export type Origin = {
  readonly port: number;
  /** `GET /tools` → how often it was asked. */
  readonly asked: ReadonlyMap<string, number>;
  /** What the last request said. */
  lastHeaders(): IncomingMessage["headers"];
  setVersion(version: number): void;
  /** Lets the open event streams send their second event and end. */
  release(): void;
  close(): Promise<void>;
};

/** What the gateway says about keeping each path; the rest says nothing. */
const MARKS: Readonly<Record<string, string>> = {
  "/tools": "zone",
  "/v1/tools": "zone",
  "/prompts": "1",
  "/servers": "0",
  "/admin/": "zone",
  "/static/a.css": "zone",
  "/openapi.json": "zone",
  "/mcp": "zone",
  "/rpc": "zone",
  "/health": "zone",
  "/": "zone",
};

export async function startOrigin(): Promise<Origin> {
  const asked = new Map<string, number>();
  let headers: IncomingMessage["headers"] = {};
  let version = 1;
  const held = new Set<ServerResponse>();

  const server = createServer((request, response) => {
    const path = request.url ?? "";
    const line = `${request.method} ${path}`;
    asked.set(line, (asked.get(line) ?? 0) + 1);
    if (path === "/_auth") return void identify(request, response);
    headers = request.headers;
    if (/\/sse\/?$/.test(path)) return void stream(response);
    if (path === "/tools" && principalOf(request) === undefined) {
      response.writeHead(401, { "content-type": "application/json" });
      return void response.end(JSON.stringify({ code: "from the gateway" }));
    }
    const mark = MARKS[path.replace(/\?.*/, "")];
    response.writeHead(200, {
      "content-type": "application/json",
      "cache-control": "private",
      ...(mark === undefined ? {} : { "x-accel-expires": mark }),
    });
    void text(request).then((body) => {
      const by = request.headers.authorization;
      response.end(JSON.stringify({ line, time: asked.get(line), by, body, fill: "x".repeat(1000) }));
    });
  });

  function identify(request: IncomingMessage, response: ServerResponse): void {
    const principal = principalOf(request);
    if (principal === "broken") response.writeHead(500);
    else if (principal === undefined) response.writeHead(401);
    else if (principal === "nameless") response.writeHead(204);
    else response.writeHead(204, { "x-cache-identity": `${principal}.read.${version}` });
    response.end();
  }

  /** Ended by the end of the connection: nginx passes on chunks as they come even where it should hold back. */
  function stream(response: ServerResponse): void {
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: first\n\n");
    held.add(response);
  }

  const echo = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    echo.handleUpgrade(request, socket, head, (client) => client.on("message", (data) => client.send(data)));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    lastHeaders: () => headers,
    setVersion: (next) => {
      version = next;
    },
    release() {
      for (const response of held) response.end("data: second\n\n");
      held.clear();
    },
    async close() {
      echo.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Of `Bearer <principal>.<token>`. */
function principalOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer (\w+)\./.exec(headers.authorization ?? "")?.[1];
}

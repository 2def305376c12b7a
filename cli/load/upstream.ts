/** The upstream behind a gateway under load: the least MCP server that is one (legacy, no sessions). Prints `{"url"}` when it listens. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const TEXT = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };
const TOOLS = [
  { name: "echo", description: "Says it again", inputSchema: TEXT },
  { name: "events", description: "Says it again after many log messages", inputSchema: TEXT },
];
const EVENTS = 200;
const LOG_EVENT = `data: ${JSON.stringify({
  jsonrpc: "2.0",
  method: "notifications/message",
  params: { level: "info", data: "a".repeat(64) },
})}\n\n`;

/** The events one by one, each a write of its own, then the answer. */
function stream(response: ServerResponse, answer: string): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  let sent = 0;
  const next = (): void => {
    sent += 1;
    if (sent > EVENTS) {
      response.end(`data: ${answer}\n\n`);
      return;
    }
    response.write(LOG_EVENT);
    setImmediate(next);
  };
  next();
}

function resultOf(method: string, params: { arguments?: { text?: unknown } } | undefined): object | undefined {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "bench", version: "1.0.0" },
      };
    case "tools/list":
      return { tools: TOOLS };
    case "tools/call":
      return { content: [{ type: "text", text: String(params?.arguments?.text) }], isError: false };
    case "ping":
      return {};
    default:
      return undefined;
  }
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  if (request.method !== "POST") {
    response.writeHead(405).end();
    return;
  }
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.once("end", () => {
    const message = JSON.parse(Buffer.concat(chunks).toString());
    if (message.id === undefined) {
      response.writeHead(202).end();
      return;
    }
    const result = resultOf(message.method, message.params);
    const answer = result ? { result } : { error: { code: -32601, message: "Method not found" } };
    const body = JSON.stringify({ jsonrpc: "2.0", id: message.id, ...answer });
    if (message.params?.name === "events") {
      stream(response, body);
      return;
    }
    response
      .writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
      .end(body);
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(
    `${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp` })}\n`,
  );
});

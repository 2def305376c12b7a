/** An MCP server of the legacy era whose tools a test changes while it runs. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export type Tool = Readonly<Record<string, unknown>> & { readonly name: string };

export async function startChangingUpstream(tools: readonly Tool[]) {
  const state = { tools, calls: [] as string[], result: { content: [{ type: "text", text: "done" }] } as unknown };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const message: { id?: unknown; method?: string; params?: { name?: string } } =
        request.method === "POST" ? JSON.parse(Buffer.concat(chunks).toString()) : {};
      const result = answerTo(message.method, message.params?.name);
      if (message.id === undefined || result === undefined) {
        response.writeHead(message.id === undefined ? (request.method === "POST" ? 202 : 405) : 400).end();
        return;
      }
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
    });
  });
  function answerTo(method: string | undefined, name = ""): unknown {
    if (method === "initialize")
      return {
        protocolVersion: "2025-06-18",
        capabilities: { tools: {} },
        serverInfo: { name: "changing", version: "1" },
      };
    if (method === "tools/list") return { tools: state.tools };
    if (method !== "tools/call") return undefined;
    state.calls.push(name);
    return state.result;
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    state,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

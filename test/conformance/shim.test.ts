/** The shim changes nothing but the Authorization header. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { openStream, send, waitFor } from "../harness/index.ts";
import { startShim } from "./shim.ts";

describe("the conformance shim", () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function behind(serve: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const server = createServer(serve);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(
      () => server.closeAllConnections(),
      () => server.close(),
    );
    const { port } = server.address() as AddressInfo;
    const shim = await startShim(`http://127.0.0.1:${port}/some/mcp`, "secret");
    closers.push(() => shim.close());
    return shim.url;
  }

  it("adds the token and passes Host, Origin, header case, path and bytes as they came", async () => {
    let seen: { url: string | undefined; headers: string[]; body: string } | undefined;
    const url = await behind((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.once("end", () => {
        seen = { url: request.url, headers: request.rawHeaders, body: Buffer.concat(chunks).toString("latin1") };
        response.writeHead(403, { "X-Odd-Case": "kept" }).end("\u00ff refused", "latin1");
      });
    });
    const headers = {
      Host: "evil.example.com",
      Origin: "http://evil.example.com",
      "Mcp-Name": "  spaced  ",
      "content-length": "3",
    };
    const answer = await send("POST", url, headers, Buffer.from([0, 255, 10]));
    expect(seen?.url).toBe("/some/mcp");
    expect(seen?.body).toBe("\u0000\u00ff\n");
    expect(Object.fromEntries(pairs(seen?.headers ?? []))).toMatchObject({
      Host: "evil.example.com",
      Origin: "http://evil.example.com",
      Authorization: "Bearer secret",
    });
    expect(answer.status).toBe(403);
    expect(answer.headers["x-odd-case"]).toBe("kept");
  });

  it("streams unbuffered, and the client's closing closes the upstream's side", async () => {
    let open: ServerResponse | undefined;
    let closed = false;
    const url = await behind((_, response) => {
      open = response;
      response.once("close", () => {
        closed = true;
      });
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    });
    const stream = await openStream("GET", url, {});
    expect([stream.status, stream.events]).toEqual([200, []]);
    open?.write("id: 1\ndata: first\n\n");
    await waitFor(() => stream.events.length === 1);
    expect(stream.events).toEqual([{ id: "1", data: "first" }]);
    stream.close();
    await waitFor(() => closed, 60_000, "the upstream's close");
  });

  it("an upstream that breaks off breaks off here too", async () => {
    const url = await behind((_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => response.destroy());
    });
    await expect(send("GET", url, {})).rejects.toThrow();
  });
});

function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, index) => [raw[2 * index] ?? "", raw[2 * index + 1] ?? ""]);
}

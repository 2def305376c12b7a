/** HTTP1_PIPELINE_FLUSH: whether answers to requests that came together leave together. */
import { once } from "node:events";
import { createServer } from "node:net";
import { expect, it } from "vitest";
import { createBoundedConnections } from "../../../../gateway/engine/bounded/connections.ts";
import { createFastifyConnections } from "../../../../gateway/engine/fastify/connections.ts";
import { closing } from "../../../harness/closing.ts";
import { Client, OPTIONS, Recorder } from "./wires.ts";

const REQUESTS = 5;
const closers = closing();

/** Writes of the server's socket for five requests in one piece. */
async function writesFor(pipelineFlush: boolean): Promise<readonly number[]> {
  const options = { ...OPTIONS, pipelineFlush };
  const application = new Recorder();
  const fastify = createFastifyConnections(options, application);
  const bounded = createBoundedConnections(options, application, fastify);
  const chunks: number[] = [];
  const server = createServer((socket) => {
    const one = socket._write.bind(socket);
    const several = socket._writev?.bind(socket);
    socket._write = (chunk, encoding, callback) => {
      chunks.push(1);
      one(chunk, encoding, callback);
    };
    socket._writev = (all, callback) => {
      chunks.push(all.length);
      several?.(all, callback);
    };
    bounded.accept(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(
    () => server.close(),
    () => bounded.close(),
    () => fastify.close(),
  );
  const address = server.address();
  const client = await Client.connect(typeof address === "object" && address !== null ? address.port : 0);
  closers.push(() => client.socket.destroy());
  await client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n".repeat(REQUESTS));
  for (let answer = 0; answer < REQUESTS; answer++) await client.until("x-path: /a\r\n");
  return chunks;
}

it("true: in one write", async () => {
  expect(await writesFor(true)).toEqual([REQUESTS]);
});

it("false: each by itself", async () => {
  expect(await writesFor(false)).toEqual(Array.from({ length: REQUESTS }, () => 1));
});

/** What the pool does with its connections, seen by a server that speaks just enough of PostgreSQL's protocol. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openPool } from "../../../gateway/store/pool.ts";
import type { PoolOptions } from "../../../gateway/store/pool-options.ts";
import { waitFor } from "../../harness/index.ts";
import { silentLog } from "../coordination/log.ts";

const HOUR = 3_600_000;
const message = (type: string, body: Buffer) => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
};
const READY = message("Z", Buffer.from("I"));
const AUTHENTICATED = message("R", Buffer.alloc(4));
const DONE = message("C", Buffer.from("SELECT 0\0"));

/** Answers every statement with no rows, but the one that asks for silence. */
function speak(socket: Socket): void {
  let isStarted = false;
  socket.on("error", () => undefined);
  socket.on("data", (data) => {
    if (!isStarted) socket.write(Buffer.concat([AUTHENTICATED, READY]));
    else if (data.toString("latin1").startsWith("Q") && !data.includes("silence"))
      socket.write(Buffer.concat([DONE, READY]));
    isStarted = true;
  });
}

describe("openPool", () => {
  let server: Server;
  let opened: Socket[];
  const pools: ReturnType<typeof openPool>[] = [];

  beforeEach(async () => {
    opened = [];
    server = createServer((socket) => {
      opened.push(socket);
      speak(socket);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(async () => {
    for (const socket of opened) socket.destroy();
    await Promise.all(pools.splice(0).map((pool) => pool.close()));
    server.close();
  });

  function pool(options: Partial<PoolOptions>) {
    const { port } = server.address() as AddressInfo;
    const url = `postgresql://user:password@127.0.0.1:${port}/db`;
    const made = openPool({ url, poolSize: 2, poolTimeoutMs: 10_000, idleTimeoutMs: HOUR, log: silentLog, ...options });
    pools.push(made);
    return made;
  }
  const isClosed = (index: number) => opened[index]?.readableEnded === true;

  it.each([
    ["idleTimeoutMs", { idleTimeoutMs: 10 }],
    ["recycleMs", { recycleMs: 10 }],
  ])("closes a connection after %s, and not without it", async (_, options) => {
    const [keeping, closing] = [pool({ recycleMs: 0 }), pool(options)];
    await keeping.query("select");
    await closing.query("select");
    await waitFor(async () => isClosed(1));
    expect([isClosed(0), keeping.gauges(), closing.gauges()]).toEqual([
      false,
      { total: 1, idle: 1, waiting: 0 },
      { total: 0, idle: 0, waiting: 0 },
    ]);
  });

  it("lets go of connections without work when it is told to, and still answers", async () => {
    const draining = pool({});
    await Promise.all([draining.query("select"), draining.query("select")]);
    expect(draining.gauges()).toEqual({ total: 2, idle: 2, waiting: 0 });
    draining.releaseIdle();
    await waitFor(() => isClosed(0) && isClosed(1));
    expect(draining.gauges().total).toBe(0);
    expect(await draining.query("select")).toEqual([]);
    await waitFor(() => isClosed(2));
    expect([opened.length, draining.gauges().total]).toEqual([3, 0]);
  });

  it("gives up a statement after queryTimeoutMs", async () => {
    const patient = pool({ queryTimeoutMs: HOUR }).query("silence");
    const hasty = pool({ queryTimeoutMs: 20 }).query("silence");
    await expect(Promise.race([patient, hasty])).rejects.toThrow("Query read timeout");
    await expect(hasty).rejects.toThrow("Query read timeout");
    for (const socket of opened) socket.destroy();
    await expect(patient).rejects.toThrow("Connection terminated");
  });
});

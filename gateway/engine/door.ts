/**
 * The listening socket of an engine. It accepts, and gives each connection to what speaks its protocol; it never reads a request.
 */
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { fault } from "../../contract/errors.ts";
import type { Address, ConnectionServer, EngineOptions, ServerEngine } from "./engine.ts";

const SOMAXCONN = "/proc/sys/net/core/somaxconn";
/** A connection that nothing comes on for so long is closed when its worker retires, ms: who means to use it would have. */
const RETIRED_IDLE_MS = 2_000;

export type Spoken = {
  readonly http1: ConnectionServer;
};

export function createDoor(options: EngineOptions, spoken: Spoken): ServerEngine {
  const servers: Server[] = [];
  /** All of them, those that no protocol has yet included. */
  const sockets = new Set<Socket>();
  /** Each time the last one closes; counts once nothing is accepted any more. */
  let emptied = Promise.withResolvers<void>();

  function accept(socket: Socket): void {
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0) emptied.resolve();
    });
    spoken.http1.accept(socket);
  }

  /** Half-open is for node:http: a client that has sent its request may close its side and still gets the answer. */
  async function bind(host: string, port: number): Promise<Address> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
    const { backlog, reusePort } = options;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, backlog, reusePort }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    servers.push(server);
    const bound = server.address();
    return bound === null || typeof bound === "string" ? { host, port } : { host: bound.address, port: bound.port };
  }

  function shut(): Promise<void>[] {
    return servers.splice(0).map((server) => new Promise((resolve) => server.close(() => resolve())));
  }

  return {
    async listen() {
      await warnOfBacklog(options);
      const [first, ...others] = await addressesOf(options.host);
      const address = await bind(first, options.port).catch((error: unknown) => {
        throw isTaken(error) ? fault("MCPS_PORT_TAKEN", { host: options.host, port: options.port }) : error;
      });
      // A machine may have a name for an address that it does not have (::1 where IPv6 is off).
      const more = await Promise.allSettled(others.map((host) => bind(host, address.port)));
      return [address, ...more.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))];
    },
    /**
     * It listens until the end: an answer that a waiting call needs may come on a new connection, and what the application refuses
     * while it drains is told so instead of being turned away without a word.
     */
    async drain(deadlineMs) {
      const report = await spoken.http1.drain(deadlineMs);
      void shut();
      return report;
    },
    async retire(deadlineMs) {
      void shut();
      emptied = Promise.withResolvers();
      if (sockets.size === 0) return { cut: 0 };
      const left = emptied.promise.then(() => ({ cut: 0 }));
      return await Promise.race([left, spoken.http1.drain(deadlineMs, RETIRED_IDLE_MS)]);
    },
    async close() {
      const closed = shut();
      for (const socket of sockets) socket.destroy();
      await spoken.http1.close();
      await Promise.all(closed);
    },
  };
}

/** Both loopback addresses for `localhost`: some clients try only the one that their resolver names first. */
async function addressesOf(host: string): Promise<[string, ...string[]]> {
  if (host !== "localhost") return [host];
  const found = await lookup(host, { all: true }).catch(() => []);
  const [first, ...others] = new Set(found.map(({ address }) => address));
  return first === undefined ? [host] : [first, ...others];
}

/** The kernel cuts a longer backlog down without a word (listen(2)). */
async function warnOfBacklog({ backlog, warn }: EngineOptions): Promise<void> {
  const limit = Number(await readFile(SOMAXCONN, "utf8").catch(() => Number.NaN));
  if (backlog > limit) {
    warn("the backlog is longer than the kernel allows, which cuts it down", {
      backlog,
      somaxconn: limit,
      setting: "BACKLOG",
    });
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

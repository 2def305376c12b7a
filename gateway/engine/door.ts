/**
 * The listening socket of an engine. It accepts, and gives each connection to what speaks its protocol; it never reads a request.
 */
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { fault } from "../../contract/errors.ts";
import type { Address, ConnectionServer, DrainReport, EngineOptions, ServerEngine } from "./engine.ts";
import { lookForPreface } from "./preface.ts";
import { refuseConnection } from "./refuse-connection.ts";
import { openSecureDoor, type SecureDoor } from "./tls.ts";

const SOMAXCONN = "/proc/sys/net/core/somaxconn";
/** A connection that nothing comes on for so long is closed when its worker retires, ms: who means to use it would have. */
const RETIRED_IDLE_MS = 2_000;

export type Spoken = {
  readonly http1: ConnectionServer;
  readonly http2: ConnectionServer;
  /** Who looks for the preface of HTTP/2 in the clear: the door, or a reader of HTTP/1.1 that sees the first bytes anyway. */
  readonly prefaceReader: "door" | "http1";
};

export function createDoor(options: EngineOptions, spoken: Spoken): ServerEngine {
  const { httpVersions, headTimeoutMs } = options;
  const servers: Server[] = [];
  /** All of them, those that no protocol has yet included. */
  const sockets = new Set<Socket>();
  let secure: SecureDoor | undefined;
  /** Resolved when the last connection closes; counts once nothing is accepted any more. */
  let emptied = Promise.withResolvers<void>();

  function keep(socket: Socket): void {
    sockets.add(socket);
    socket.on("error", ignore);
    socket.on("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0) emptied.resolve();
    });
  }

  function acceptPlain(socket: Socket): void {
    keep(socket);
    const isSeenByReader = spoken.prefaceReader === "http1" && httpVersions === "auto";
    if (httpVersions === "1" || isSeenByReader) {
      spoken.http1.accept(socket);
      return;
    }
    lookForPreface(socket, headTimeoutMs, (answer) => {
      if (answer === "yes") spoken.http2.accept(socket);
      else acceptHttp1(socket);
    });
  }

  function acceptSecure(socket: TLSSocket): void {
    keep(socket);
    if (socket.alpnProtocol === "h2") spoken.http2.accept(socket);
    else acceptHttp1(socket);
  }

  function acceptHttp1(socket: Socket): void {
    if (httpVersions === "2") {
      const text = "HTTP/2 alone is spoken here (HTTP_VERSIONS=2)";
      refuseConnection(socket, "505 HTTP Version Not Supported", text, headTimeoutMs);
      return;
    }
    spoken.http1.accept(socket);
  }

  function refuseSecure(socket: TLSSocket, reason: string): void {
    keep(socket);
    // The status that nginx gave this failure and others took over; to HTTP/2 clients the end of the connection has to be enough.
    if (socket.alpnProtocol === "h2") socket.destroySoon();
    else refuseConnection(socket, "400 Bad Request", `TLS: ${reason}`, headTimeoutMs);
  }

  /** Half-open is for node:http: a client that has sent its request may close its side and still gets the answer. */
  function newServer(): Server {
    if (secure === undefined) return createServer({ allowHalfOpen: true, noDelay: true }, acceptPlain);
    return secure.server().on("connection", keep);
  }

  async function bind(host: string, port: number): Promise<Address> {
    const server = newServer();
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
    secure?.close();
    return servers.splice(0).map((server) => new Promise((resolve) => server.close(() => resolve())));
  }

  async function drained(deadlineMs: number, idleMs: number): Promise<DrainReport> {
    const { http1, http2 } = spoken;
    const [one, two] = await Promise.all([http1.drain(deadlineMs, idleMs), http2.drain(deadlineMs, idleMs)]);
    return { cut: one.cut + two.cut };
  }

  return {
    async listen() {
      await warnOfBacklog(options);
      if (options.tls !== undefined) {
        secure = await openSecureDoor(options.tls, options, { connected: acceptSecure, refused: refuseSecure });
      }
      const [first, ...others] = await addressesOf(options.host);
      const address = await bind(first, options.port).catch((error: unknown) => {
        secure?.close();
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
      const report = await drained(deadlineMs, 0);
      void shut();
      return report;
    },
    async retire(deadlineMs) {
      void shut();
      emptied = Promise.withResolvers();
      if (sockets.size === 0) return { cut: 0 };
      const left = emptied.promise.then(() => ({ cut: 0 }));
      return await Promise.race([left, drained(deadlineMs, RETIRED_IDLE_MS)]);
    },
    async close() {
      const closed = shut();
      await Promise.all([spoken.http1.close(), spoken.http2.close()]);
      for (const socket of sockets) socket.destroy();
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
  const somaxconn = Number(await readFile(SOMAXCONN, "utf8").catch(() => Number.NaN));
  if (backlog > somaxconn) {
    warn("the backlog is longer than the kernel allows, which cuts it down", {
      setting: "BACKLOG",
      backlog,
      somaxconn,
    });
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

/** Whoever serves the connection sees its close. */
function ignore(): void {}

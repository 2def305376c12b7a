/** Shared by the tests of the lean client: servers that answer with bytes of the test's choice, and callers that tell what came of it. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Flight, type HttpReceiver, type HttpRequest } from "../../../gateway/upstreams/flight.ts";
import { addressAt, type OriginOptions, Origins, type PoolPair } from "../../../gateway/upstreams/origins.ts";
import { closing } from "../../harness/closing.ts";

/** Of the test file that uses this one. */
export const closers = closing();

export type Visit = {
  /** From 1, in the order in which connections came. */
  readonly connection: number;
  /** From 1, within the connection. */
  readonly turn: number;
  readonly head: string;
  readonly body: Buffer;
  readonly socket: Socket;
};

type Script = (visit: Visit) => void;

export type Upstream = {
  readonly origin: string;
  readonly sockets: Socket[];
  readonly visits: Visit[];
  readonly server: Server;
};

/** A server that reads requests to their end and leaves the answer's bytes to the script. */
export async function upstream(
  script: Script,
  where: { path?: string; host?: string; early?: boolean } = {},
): Promise<Upstream> {
  const sockets: Socket[] = [];
  const visits: Visit[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.push(socket);
    const connection = sockets.length;
    let turn = 0;
    let head = "";
    let missing = 0;
    let parts: Buffer[] = [];
    const visit = (): void => {
      turn++;
      const one = { connection, turn, head, body: Buffer.concat(parts), socket };
      head = "";
      visits.push(one);
      script(one);
    };
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    socket.on("data", (data: Buffer) => {
      let rest = data;
      if (head === "") {
        // A head comes in one piece, for it is written in one.
        const end = data.indexOf("\r\n\r\n") + 4;
        head = data.toString("latin1", 0, end);
        missing = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
        rest = data.subarray(end);
        parts = [];
        if (where.early === true) return visit();
      }
      parts.push(rest);
      missing -= rest.length;
      if (missing === 0) visit();
    });
  });
  if (where.path !== undefined) server.listen(where.path);
  else server.listen(0, where.host ?? "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const port = where.path === undefined ? (server.address() as AddressInfo).port : 0;
  return { origin: `http://127.0.0.1:${port}`, sockets, visits, server };
}

export const ok = (body: string, ...lines: string[]): string =>
  `${["HTTP/1.1 200 OK", `Content-Length: ${body.length}`, ...lines].join("\r\n")}\r\n\r\n${body}`;

export function pairOf(origin: string, options: Partial<OriginOptions> = {}, socketPath?: string): PoolPair {
  const origins = new Origins({ connectTimeoutMs: 2000, connectionsPerOrigin: 8, ...options });
  closers.push(() => origins.close());
  return origins.pair(addressAt({ origin, ...(socketPath === undefined ? {} : { socketPath }) }), "upstream");
}

export type Outcome = { status: number; body: string; error?: unknown; begun?: boolean; retries: number };

/** A call and what comes of it, told when it is over. */
export class Caller implements HttpReceiver {
  readonly outcome: Outcome = { status: 0, body: "", retries: 0 };
  readonly over = Promise.withResolvers<Outcome>();
  readonly flight: Flight;
  bytes = 0;
  onData: (() => void) | undefined;

  constructor(pair: PoolPair, changes: Partial<HttpRequest> = {}) {
    const request: HttpRequest = {
      pair,
      method: "POST",
      path: "/mcp",
      headers: [],
      body: Buffer.from("{}"),
      stream: false,
      repeatable: true,
    };
    this.flight = new Flight({ ...request, ...changes }, this).start();
  }

  head(status: number): void {
    this.outcome.status = status;
  }

  data(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes < 1000) this.outcome.body += chunk.toString();
    this.onData?.();
  }

  retried(): void {
    this.outcome.retries++;
  }

  end(): void {
    this.over.resolve(this.outcome);
  }

  failed(error: Error, begun: boolean): void {
    const code = "code" in error ? error.code : undefined;
    this.over.resolve({ ...this.outcome, error: code ?? error.name, begun });
  }
}

export const call = (pair: PoolPair, changes: Partial<HttpRequest> = {}): Promise<Outcome> =>
  new Caller(pair, changes).over.promise;
export const fine = (body: string): Outcome => ({ status: 200, body, retries: 0 });

/** The bounded connections on a listener of their own, an application that writes down what it is asked, and a client of raw bytes. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type {
  Admitted,
  Application,
  GatewayRequest,
  Refused,
  RequestHead,
  ResponseSink,
} from "../../../../contract/http.ts";
import { createBoundedConnections } from "../../../../gateway/engine/bounded/connections.ts";
import { TrustedProxies } from "../../../../gateway/engine/client-address.ts";
import type { ConnectionServer, EngineOptions } from "../../../../gateway/engine/engine.ts";
import { createFastifyConnections } from "../../../../gateway/engine/fastify/connections.ts";

export const OPTIONS: EngineOptions = {
  host: "127.0.0.1",
  port: 0,
  headTimeoutMs: 10_000,
  bodyTimeoutMs: 10_000,
  keepAliveMs: 10_000,
  maxHeadBytes: 4096,
  maxBufferBytes: 1024 * 1024,
  backlog: 128,
  reusePort: false,
  httpVersions: "auto",
  tls: undefined,
  webSockets: true,
  trustedProxies: new TrustedProxies([]),
  pathPrefix: "",
  pipelineFlush: false,
  warn: () => undefined,
};

export type Serve = (request: GatewayRequest, sink: ResponseSink) => void;

/** Writes down every call; everything is admitted unless `refused` says otherwise. */
export class Recorder implements Application {
  readonly maxBodyBytes = 512 * 1024;
  /** In order: `admit /path`, `serve /path`, `refuse too-large`, `leave`, `upgrade`. */
  readonly calls: string[] = [];
  readonly requests: GatewayRequest[] = [];
  refused: (head: RequestHead) => Refused | undefined = () => undefined;
  private readonly answer: Serve;

  constructor(answer: Serve = (request, sink) => sink.respond(200, { "x-path": request.path }, request.body)) {
    this.answer = answer;
  }

  admit(head: RequestHead): Admitted | Refused {
    this.calls.push(`admit ${head.path}`);
    const refused = this.refused(head);
    if (refused !== undefined) return refused;
    let isIn = true;
    return {
      ok: true,
      leave: () => {
        if (isIn) this.calls.push("leave");
        isIn = false;
      },
    };
  }

  serve(request: GatewayRequest, sink: ResponseSink): void {
    this.calls.push(`serve ${request.path}`);
    this.requests.push(request);
    this.answer(request, sink);
  }

  refuseBody(_head: RequestHead, sink: ResponseSink, reason: string): void {
    this.calls.push(`refuse ${reason}${sink.closed ? " closed" : ""}`);
    sink.respond(reason === "too-large" ? 413 : 400, { connection: "close" }, reason);
  }

  upgrade(): Promise<Refused> {
    this.calls.push("upgrade");
    return Promise.resolve({ ok: false, status: 403, headers: {}, body: "no" });
  }
}

export type Wires = {
  readonly port: number;
  readonly bounded: ConnectionServer;
  /** Connections that were handed over. */
  readonly handedOver: Socket[];
  /** For each call of the system that wrote: how many pieces left in it. */
  readonly writes: number[];
  connect(): Promise<Client>;
  /** Sends the bytes and answers with all that came until the connection ended. */
  exchange(...pieces: readonly (string | Buffer)[]): Promise<string>;
  close(): Promise<void>;
};

export async function openWires(application: Application, changed: Partial<EngineOptions> = {}): Promise<Wires> {
  const options = { ...OPTIONS, ...changed };
  const fastify = createFastifyConnections(options, application);
  const handedOver: Socket[] = [];
  const bounded = createBoundedConnections(options, application, {
    ...fastify,
    accept(socket) {
      handedOver.push(socket);
      fastify.accept(socket);
    },
  });
  const writes: number[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    countWrites(socket, writes);
    bounded.accept(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = address === null || typeof address === "string" ? 0 : address.port;
  const open = () => Client.connect(port);
  return {
    port,
    bounded,
    handedOver,
    writes,
    connect: open,
    async exchange(...pieces) {
      const client = await open();
      for (const piece of pieces) await client.send(piece);
      return client.ended();
    },
    async close() {
      server.close();
      await bounded.close();
      await fastify.close();
      for (const socket of handedOver) socket.destroy();
    },
  };
}

/** Between the stream of a socket and the kernel (docs: writable._write and _writev). */
function countWrites(socket: Socket, writes: number[]): void {
  const { _write: write, _writev: writev } = socket;
  socket._write = (chunk, encoding, done) => {
    writes.push(1);
    write.call(socket, chunk, encoding, done);
  };
  socket._writev = (chunks, done) => {
    writes.push(chunks.length);
    writev?.call(socket, chunks, done);
  };
}

/** One connection of raw bytes. */
export class Client {
  readonly socket: Socket;
  private text = "";
  private isOver = false;
  private woken: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.text += bytes.toString("latin1");
      this.woken?.();
    });
    const over = () => {
      this.isOver = true;
      this.woken?.();
    };
    socket.on("end", over);
    socket.on("error", over);
    socket.on("close", over);
  }

  static async connect(port: number): Promise<Client> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    await once(socket, "connect");
    return new Client(socket);
  }

  /** Resolves when the kernel has the bytes. */
  send(bytes: string | Buffer): Promise<void> {
    const data = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    return new Promise((resolve) => this.socket.write(data, () => resolve()));
  }

  /** Takes what came up to and including this text out; everything when the connection ends before. */
  async until(text: string): Promise<string> {
    while (!this.text.includes(text) && !this.isOver) await this.wake();
    const at = this.text.indexOf(text);
    const end = at < 0 ? this.text.length : at + text.length;
    const taken = this.text.slice(0, end);
    this.text = this.text.slice(end);
    return taken;
  }

  /** All that comes until the other side has closed; then this one closes, too. */
  async ended(): Promise<string> {
    while (!this.isOver) await this.wake();
    this.socket.destroy();
    return this.text;
  }

  private wake(): Promise<void> {
    return new Promise((resolve) => {
      this.woken = resolve;
    });
  }
}

/** Without the Date line, which no test can know. */
export function undated(text: string): string {
  return text.replaceAll(/^Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n/gm, "");
}

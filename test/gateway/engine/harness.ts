/** Shared by the tests of both engines: an application that shows what it was given, behind a real socket. */
import { connect, type Socket } from "node:net";
import type { Application, GatewayRequest, RequestHead, ResponseSink, WebSocketPeer } from "../../../contract/http.ts";
import {
  type EngineName,
  type EngineOptions,
  engines,
  type ServerEngine,
  TrustedProxies,
} from "../../../gateway/engine/index.ts";

export const engineNames = Object.keys(engines) as EngineName[];

export type Warning = { readonly event: string; readonly fields: Readonly<Record<string, string | number>> };

/** Answers every request with what it was given, except for the paths that a test takes over. */
export class Recorder implements Application {
  maxBodyBytes = 1_000_000;
  /** Requests that were admitted and have not left. */
  inside = 0;
  refused = false;
  readonly heads: RequestHead[] = [];
  readonly bodyRefusals: string[] = [];
  /** By path: answers instead of the echo. */
  readonly handlers = new Map<string, (request: GatewayRequest, sink: ResponseSink) => void>();
  readonly peers: WebSocketPeer[] = [];

  admit(head: RequestHead) {
    this.heads.push(head);
    if (this.refused) {
      return { ok: false as const, status: 503, headers: { "retry-after": "1" }, body: '{"refused":true}' };
    }
    this.inside++;
    let isIn = true;
    const leave = () => {
      if (isIn) this.inside--;
      isIn = false;
    };
    return { ok: true as const, leave };
  }

  serve(request: GatewayRequest, sink: ResponseSink): void {
    const handler = this.handlers.get(request.path);
    if (handler !== undefined) {
      handler(request, sink);
      return;
    }
    const { method, path, query, headers, client } = request;
    const told = { method, path, query, headers, client, body: request.body.toString("latin1") };
    sink.respond(200, { "content-type": "application/json" }, JSON.stringify(told));
  }

  refuseBody(_head: RequestHead, sink: ResponseSink, reason: string): void {
    this.bodyRefusals.push(reason);
    sink.respond(reason === "too-large" ? 413 : 400, { connection: "close" }, reason);
  }

  async upgrade(head: RequestHead) {
    this.heads.push(head);
    if (this.refused) return { ok: false as const, status: 403, headers: {}, body: "refused" };
    return {
      ok: true as const,
      protocol: undefined,
      open: (peer: WebSocketPeer) => {
        this.peers.push(peer);
        peer.onMessage((data) => peer.send(data));
      },
      abandon: () => undefined,
    };
  }
}

export type Running = {
  readonly engine: ServerEngine;
  readonly application: Recorder;
  readonly port: number;
  readonly warnings: Warning[];
};

export function engineOptions(changes: Partial<EngineOptions> = {}): EngineOptions {
  return {
    host: "127.0.0.1",
    port: 0,
    headTimeoutMs: 10_000,
    bodyTimeoutMs: 10_000,
    keepAliveMs: 10_000,
    maxHeadBytes: 32_768,
    maxBufferBytes: 2_000_000,
    backlog: 100,
    reusePort: false,
    httpVersions: "auto",
    tls: undefined,
    webSockets: true,
    trustedProxies: new TrustedProxies([]),
    pathPrefix: "",
    pipelineFlush: true,
    warn: () => undefined,
    ...changes,
  };
}

/** Starts engines for a test file and closes all of them after each test. */
export function engineStarter() {
  const running: ServerEngine[] = [];
  return {
    async start(name: EngineName, changes: Partial<EngineOptions> = {}): Promise<Running> {
      const application = new Recorder();
      const warnings: Warning[] = [];
      const warn = (event: string, fields: Warning["fields"]) => void warnings.push({ event, fields });
      const engine = engines[name](engineOptions({ warn, ...changes }), application);
      running.push(engine);
      const [address] = await engine.listen();
      return { engine, application, port: address?.port ?? 0, warnings };
    },
    async closeAll(): Promise<void> {
      await Promise.all(running.splice(0).map((engine) => engine.close()));
    },
  };
}

export type RawConnection = {
  readonly socket: Socket;
  text(): string;
  bytes(): Buffer;
  /** Resolves when the other side has closed, with all that came. */
  readonly closed: Promise<string>;
};

/** Writes bytes and keeps what comes back. */
export function rawConnection(port: number, first: string | Buffer = ""): Promise<RawConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    const chunks: Buffer[] = [];
    const text = () => Buffer.concat(chunks).toString("latin1");
    const closed = new Promise<string>((done) => {
      socket.once("close", () => done(text()));
    });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.on("error", () => undefined);
      if (first.length > 0) socket.write(first);
      resolve({ socket, text, bytes: () => Buffer.concat(chunks), closed });
    });
  });
}

/** A client that never closes its side, whatever the other does; `ended` resolves with what came when that has closed its own. */
export async function halfOpenConnection(
  port: number,
  first: string | Buffer,
): Promise<{ readonly socket: Socket; readonly ended: Promise<string> }> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.write(first);
  const ended = new Promise<string>((resolve) => {
    socket.once("end", () => resolve(Buffer.concat(chunks).toString("latin1")));
  });
  return { socket, ended };
}

/** Whether nobody is at the other side any more: only then is a byte answered by a reset (RFC 9293 §3.10.7). */
export function isLetGo(socket: Socket): boolean {
  if (!socket.destroyed) socket.write("\n");
  return socket.destroyed;
}

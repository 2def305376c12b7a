/** An answer written to Node's HTTP response; a peer that does not read is cut instead of being remembered without bound. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { RequestHead, ResponseSink } from "../../../contract/http.ts";
import { ClientAddress } from "../client-address.ts";
import { clientOf } from "../client-certificate.ts";
import type { EngineOptions } from "../engine.ts";
import { cutPrefix } from "../path-prefix.ts";
import { MAX_UNREAD_BYTES } from "../unread.ts";
import { onEndOfConnection } from "./queued.ts";
import { targetOf } from "./targets.ts";

export type SinkEvents = {
  /** Asked as the answer begins: is it the last one on its connection? */
  readonly isLast: () => boolean;
  readonly detached: () => void;
  /** Called once: the answer is complete, or its peer gone. */
  readonly finished: () => void;
};

export class NodeSink implements ResponseSink {
  private readonly response: ServerResponse;
  private readonly events: SinkEvents;
  private readonly gone: (() => void)[] = [];
  private readonly forget: () => void;
  private done = false;

  constructor(response: ServerResponse, events: SinkEvents) {
    this.response = response;
    this.events = events;
    const finish = () => this.finish();
    response.on("close", finish);
    response.on("error", finish);
    this.forget = onEndOfConnection(response, finish);
    // A peer that went away while its body was read: the event has been and will not come again.
    if (response.closed) queueMicrotask(() => this.finish());
  }

  get closed(): boolean {
    return this.done || this.response.destroyed || this.response.writableEnded;
  }

  respond(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array | string): void {
    if (this.closed || this.response.headersSent) return;
    const length = body === undefined ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.length;
    const head: (string | number)[] = [];
    for (const name in headers) head.push(name, headers[name] ?? "");
    if (status !== 204 && status !== 304) head.push("content-length", length);
    this.begin();
    this.response.writeHead(status, head);
    this.response.end(body);
  }

  open(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.closed || this.response.headersSent) return;
    this.begin();
    this.response.writeHead(status, headers);
    this.response.flushHeaders();
  }

  write(chunk: Uint8Array | string): boolean {
    if (this.closed) return true;
    const ready = this.response.write(chunk);
    if (this.response.writableLength > MAX_UNREAD_BYTES) this.response.destroy();
    return ready;
  }

  end(): void {
    if (!this.closed) this.response.end();
  }

  onDrain(listener: () => void): void {
    this.response.on("drain", listener);
  }

  onClose(listener: () => void): void {
    if (!this.done) this.gone.push(listener);
    else if (!this.response.writableFinished) queueMicrotask(listener);
  }

  detach(): void {
    this.events.detached();
  }

  private begin(): void {
    if (this.events.isLast()) this.response.shouldKeepAlive = false;
  }

  private finish(): void {
    if (this.done) return;
    this.done = true;
    this.forget();
    this.events.finished();
    const listeners = this.gone.splice(0);
    if (!this.response.writableFinished) for (const listener of listeners) listener();
  }
}

/** Reads the head of a Node request. Fastify has parsed nothing of it yet. */
export function headReader({
  pathPrefix,
  tls,
  trustedProxies,
}: EngineOptions): (request: IncomingMessage) => RequestHead {
  const mayKnowClient = tls !== undefined && tls.clientCertificate !== "none";
  const addresses = new WeakMap<Socket, ClientAddress>();
  const addressOf = (socket: Socket): ClientAddress => {
    const known = addresses.get(socket);
    if (known !== undefined) return known;
    const address = new ClientAddress(trustedProxies, socket.remoteAddress);
    addresses.set(socket, address);
    return address;
  };
  return (request) => {
    const { url, host } = targetOf(request);
    const headers = request.headers as Readonly<Record<string, string | undefined>>;
    const question = url.indexOf("?");
    return {
      method: request.method ?? "GET",
      path: cutPrefix(question < 0 ? url : url.slice(0, question), pathPrefix),
      query: question < 0 ? "" : url.slice(question + 1),
      headers: host === undefined ? headers : { ...headers, host },
      remoteAddress: addressOf(request.socket).of(headers),
      client: mayKnowClient ? clientOf(request.socket) : undefined,
    };
  };
}

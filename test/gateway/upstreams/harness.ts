/** Shared by the tests of the room: a room over a state of its own, collecting sinks, and made-to-order servers on loopback. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Fault } from "../../../contract/errors.ts";
import { memoryState } from "../../../gateway/coordination/index.ts";
import type { Log } from "../../../gateway/telemetry/index.ts";
import {
  createUpstreams,
  type Exchange,
  type Holder,
  type OutboundMessage,
  type ReplySink,
  type UpstreamMetrics,
  type Upstreams,
  type UpstreamsOptions,
  type UpstreamTarget,
} from "../../../gateway/upstreams/index.ts";

import { closing } from "../../harness/closing.ts";

export const quietLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quietLog,
};

export type Counted = UpstreamMetrics & { readonly events: string[] };

export function counted(): Counted {
  const events: string[] = [];
  return {
    events,
    requestEnded: (upstream, outcome) => void events.push(`${upstream} ${outcome}`),
    sessionOpened: (upstream) => void events.push(`${upstream} opened`),
    sessionLost: (upstream) => void events.push(`${upstream} lost`),
    retried: (upstream) => void events.push(`${upstream} retried`),
  };
}

let ids = 0;

export function room(options: Partial<UpstreamsOptions> = {}): Upstreams {
  return createUpstreams({
    state: memoryState(),
    log: quietLog,
    now: () => Date.now(),
    connectTimeoutMs: 2000,
    maxMessageBytes: 1_000_000,
    connectionsPerOrigin: 16,
    clientName: "room-test",
    clientVersion: "1.0.0",
    idSource: () => `own-${++ids}`,
    ...options,
  });
}

export function target(url: string, changes: Partial<UpstreamTarget> = {}): UpstreamTarget {
  return {
    id: "up-1",
    slug: "sample",
    revision: "r1",
    transport: "streamable-http",
    url,
    headers: {},
    era: "auto",
    requestTimeoutMs: 10_000,
    ...changes,
  };
}

export function holder(key = "s:1", capabilities: unknown = {}): Holder {
  return {
    key,
    clientCapabilities: Buffer.from(JSON.stringify(capabilities)),
    clientInfo: Buffer.from('{"name":"a client","version":"2"}'),
    protocolVersion: "2025-11-25",
    ttlMs: 60_000,
  };
}

export function message(id: number | string, method: string, params: unknown = {}): OutboundMessage {
  return { body: Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, method, params })), method };
}

export function notification(method: string, params: unknown = {}): OutboundMessage {
  return { body: Buffer.from(JSON.stringify({ jsonrpc: "2.0", method, params })), method };
}

export type Outcome = { readonly messages: string[]; readonly statuses: number[]; readonly fault: Fault | undefined };

/** A sink that keeps everything; `done` resolves with end or fail, `until` when so many messages have come. */
export class Collector implements ReplySink {
  readonly messages: string[] = [];
  readonly statuses: number[] = [];
  endings = 0;
  readonly done: Promise<Outcome>;
  #resolve: (outcome: Outcome) => void = () => undefined;
  #waiting: { count: number; resolve: () => void }[] = [];

  constructor() {
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  message(raw: Buffer, status: number): void {
    this.messages.push(raw.toString());
    this.statuses.push(status);
    for (const waiter of this.#waiting) if (this.messages.length >= waiter.count) waiter.resolve();
  }

  end(): void {
    this.endings++;
    this.#resolve({ messages: this.messages, statuses: this.statuses, fault: undefined });
  }

  fail(fault: Fault): void {
    this.endings++;
    this.#resolve({ messages: this.messages, statuses: this.statuses, fault });
  }

  until(count: number): Promise<void> {
    if (this.messages.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}

export function send(upstreams: Upstreams, to: UpstreamTarget, from: Holder, what: OutboundMessage): Promise<Outcome> {
  const sink = new Collector();
  upstreams.request(to, from, what, sink);
  return sink.done;
}

export function open(
  upstreams: Upstreams,
  to: UpstreamTarget,
  from: Holder,
  what: OutboundMessage,
): { sink: Collector; exchange: Exchange } {
  const sink = new Collector();
  return { sink, exchange: upstreams.request(to, from, what, sink) };
}

/** The parsed result of the last message. */
export function resultOf(outcome: Outcome): unknown {
  if (outcome.fault !== undefined) throw outcome.fault;
  return JSON.parse(outcome.messages.at(-1) ?? "null").result;
}

export type Seen = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** The parsed body, or undefined. */
  readonly json: { id?: unknown; method?: string; params?: Record<string, unknown> } | undefined;
};

export type Handler = (seen: Seen, response: ServerResponse, request: IncomingMessage) => void;

export type TestServer = {
  readonly url: string;
  readonly seen: Seen[];
  readonly server: Server;
  close(): Promise<void>;
};

/** A server whose every request is recorded and answered by the handler. */
export async function serve(handler: Handler, listenOn?: string | number): Promise<TestServer> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      let json: Seen["json"];
      try {
        json = JSON.parse(body);
      } catch {
        json = undefined;
      }
      const one = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body, json };
      seen.push(one);
      handler(one, response, request);
    });
  });
  await new Promise<void>((resolve) => {
    if (listenOn === undefined) server.listen(0, "127.0.0.1", resolve);
    else if (typeof listenOn === "string") server.listen(listenOn, resolve);
    else server.listen(listenOn, "127.0.0.1", resolve);
  });
  const address = server.address();
  const url = typeof address === "string" ? address : `http://127.0.0.1:${(address as AddressInfo).port}/mcp`;
  return {
    url: url ?? "",
    seen,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function json(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof value === "string" ? value : JSON.stringify(value));
}

export function rpc(response: ServerResponse, seen: Seen, result: unknown, headers: Record<string, string> = {}): void {
  json(response, 200, { jsonrpc: "2.0", id: seen.json?.id, result }, headers);
}

export const GREETING = {
  protocolVersion: "2025-11-25",
  capabilities: { tools: {}, logging: {}, resources: { subscribe: true } },
  serverInfo: { name: "made to order", version: "3" },
};

/** Answers what belongs to the life of a legacy session; false when the request is the test's own business. */
export function legacyLife(seen: Seen, response: ServerResponse, sessionId?: string): boolean {
  const method = seen.json?.method;
  if (method === "server/discover") {
    json(response, 400, { jsonrpc: "2.0", id: null, error: { code: -32000, message: "Bad Request: no session" } });
  } else if (method === "initialize") {
    rpc(response, seen, GREETING, sessionId === undefined ? {} : { "mcp-session-id": sessionId });
  } else if (method === "notifications/initialized") response.writeHead(202).end();
  else if (seen.method === "DELETE") response.writeHead(200).end();
  else return false;
  return true;
}

export function methodsOf(server: TestServer): string[] {
  return server.seen.map((seen) => seen.json?.method ?? seen.method);
}

/** What single tests open is closed after each of them; called once in a file. */
export function opening() {
  const closers = closing();
  return {
    closers,
    async server(handler: Handler): Promise<TestServer> {
      const made = await serve(handler);
      closers.push(made.close);
      return made;
    },
    upstreams(options: Parameters<typeof room>[0] = {}): Upstreams {
      const made = room(options);
      closers.push(() => made.close());
      return made;
    },
  };
}

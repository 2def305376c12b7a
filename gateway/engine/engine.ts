/**
 * The glue between sockets and the application. Engines differ in how they read bytes and how they behave under load; what a
 * request means is decided once, in the application, so that no check can be missing on one of them.
 */
import type { Socket } from "node:net";
import type { Application } from "../../contract/http.ts";
import type { TrustedProxies } from "./client-address.ts";

export type Address = { readonly host: string; readonly port: number };

export type DrainReport = {
  /** Requests that were still running when the deadline came. */
  readonly cut: number;
};

export interface ServerEngine {
  /** Binds and accepts. Rejects with MCPS_PORT_TAKEN. */
  listen(): Promise<Address[]>;
  /**
   * Lets requests end until the deadline and then stops accepting. What comes meanwhile reaches the application, which refuses
   * new work by then; close() cuts what is left.
   */
  drain(deadlineMs: number): Promise<DrainReport>;
  /**
   * Another worker listens on the port from now on: accepts nothing more, serves what comes on the connections there are, and makes
   * each answer the last one of its connection. Resolves when no connection is left, or at the deadline.
   */
  retire(deadlineMs: number): Promise<DrainReport>;
  /** Idempotent; cuts everything. */
  close(): Promise<void>;
}

export type TlsFiles = {
  readonly certFile: string;
  readonly keyFile: string;
  /** Whoever signs the certificates of clients; asked for where it is given. */
  readonly clientCaFile: string | undefined;
  /** `required` refuses a handshake without a certificate of that authority; `optional` lets it pass without identity. */
  readonly clientCertificate: "none" | "optional" | "required";
};

export type EngineOptions = {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** A request head, and a request body, has to be complete within this. */
  readonly headTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly maxHeadBytes: number;
  /** Head and body held for one HTTP/1.1 connection before the application has them. */
  readonly maxBufferBytes: number;
  readonly backlog: number;
  /** The port is shared with listeners of other threads (SO_REUSEPORT); the kernel spreads connections over them. */
  readonly reusePort: boolean;
  /** `auto`: what ALPN or the connection preface says. */
  readonly httpVersions: "auto" | "1" | "2";
  readonly tls: TlsFiles | undefined;
  readonly webSockets: boolean;
  /** Who is believed about the addresses of his clients. */
  readonly trustedProxies: TrustedProxies;
  /** Cut from the front of every path; empty for none. */
  readonly pathPrefix: string;
  /** Answers of pipelined requests leave in one write (bounded engine). */
  readonly pipelineFlush: boolean;
  /** What operators should know of: a certificate that could not be read anew, a limit of the kernel. */
  readonly warn: (event: string, fields: Readonly<Record<string, string | number>>) => void;
};

export type EngineFactory = (options: EngineOptions, application: Application) => ServerEngine;

/**
 * HTTP of one kind on connections that somebody else accepted, with the bytes read so far pushed back. An engine is a listener, what is
 * spoken over TLS, and one of these for each kind.
 */
export interface ConnectionServer {
  accept(socket: Socket): void;
  /**
   * As of ServerEngine: answers from now on are the last ones of their connections. Connections on which nothing is in flight are closed
   * at the end, but not before `idleMs` (default 0) have passed: a request may be on its way on them.
   */
  drain(deadlineMs: number, idleMs?: number): Promise<DrainReport>;
  /** Idempotent; cuts everything. */
  close(): Promise<void>;
}

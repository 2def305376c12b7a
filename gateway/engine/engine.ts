/**
 * The glue between sockets and the application. Engines differ in how they read bytes and how they behave under load; what a
 * request means is decided once, in the application, so that no check can be missing on one of them.
 */
import type { Application } from "../../contract/http.ts";

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
  /** Idempotent; cuts everything. */
  close(): Promise<void>;
}

export type EngineOptions = {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** A request head, and a request body, has to be complete within this. */
  readonly headTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly maxHeadBytes: number;
  readonly backlog: number;
};

export type EngineFactory = (options: EngineOptions, application: Application) => ServerEngine;

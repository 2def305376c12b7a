/** What the upstreams room is given by main.ts. */

import type { ErrorCode } from "../../contract/errors.ts";
import type { SharedState } from "../coordination/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { BuiltinServer } from "./builtin.ts";
import type { CircuitOptions } from "./circuits.ts";
import type { AddressGuard } from "./guard/index.ts";
import type { KeptAnswersOptions } from "./kept-answers.ts";
import type { SessionCaps } from "./open-lines.ts";
import type { Connector } from "./origins.ts";
import type { IdentityOptions, TokenSource } from "./personal.ts";
import type { PoolOptions } from "./pool.ts";
import type { RestOptions } from "./rest/server.ts";
import type { RetryOptions } from "./retries.ts";

/** Counters the room feeds; `upstream` is the slug. */
export type UpstreamMetrics = {
  /** Once per request(); `outcome` is `ok`, `cancelled` or the code of the fault. */
  requestEnded(upstream: string, outcome: "ok" | "cancelled" | ErrorCode, durationMs: number): void;
  sessionOpened(upstream: string): void;
  /** An upstream had forgotten a session that was still wanted. */
  sessionLost(upstream: string): void;
  /** A session was ended to make room for another. */
  sessionEvicted?(upstream: string): void;
  /** A request was sent again. */
  retried(upstream: string): void;
};

export type UpstreamsOptions = {
  readonly state: SharedState;
  readonly log: Log;
  readonly metrics?: UpstreamMetrics;
  /** Milliseconds; differences of it are durations. */
  readonly now: () => number;
  readonly connectTimeoutMs: number;
  /** Largest single JSON-RPC message an upstream may send. */
  readonly maxMessageBytes: number;
  /** Concurrent calls per origin; streams that stay open have connections of their own. */
  readonly connectionsPerOrigin: number;
  /** How long a call may wait for one of them, ms; 0, the default, = as long as for its answer. */
  readonly connectionWaitMs?: number;
  /** How long an idle connection is kept, ms; default 4000. */
  readonly keepAliveMs?: number;
  /** Idle connections to all origins together; unlimited when absent. */
  readonly maxIdle?: number;
  /** How many upstream sessions this process may have open. */
  readonly sessionCaps?: SessionCaps;
  /** Sessions shared by clients where upstreams allow it; none when absent. */
  readonly pool?: PoolOptions;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** When an upstream is left alone; never when absent. */
  readonly circuits?: Omit<CircuitOptions, "now">;
  /** When a client's request is sent again after a failure; never when absent. */
  readonly retries?: RetryOptions;
  /** Unix socket of the stdio host; undefined while there is none. */
  readonly stdioSocket?: () => string | undefined;
  /** How this gateway names itself where no client stands behind a request. */
  readonly clientName: string;
  readonly clientVersion: string;
  /** Text that is unique in this deployment; ids of the room's own requests. */
  readonly idSource: () => string;
  /** Where upstreams may be; anywhere when absent. */
  readonly guard?: AddressGuard;
  /** Opens sockets towards http(s) upstreams in place of undici's connector. */
  readonly connect?: Connector;
  /** How upstreams are told who calls; nobody is when absent. */
  readonly identity?: IdentityOptions;
  /** Access tokens for upstreams that want some. */
  readonly tokens?: TokenSource;
  /** What of their answers may be kept; nothing when absent. */
  readonly answers?: KeptAnswersOptions;
  /** Answers targets with transport `builtin`. */
  readonly builtin?: BuiltinServer;
  /** Where the tools of targets with transport `rest` are kept. */
  readonly rest?: RestOptions;
};

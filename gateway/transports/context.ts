/** What the transports share; made once by main.ts. */
import type { Fault } from "../../contract/errors.ts";
import type { RequestHead } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Federation, Scope, View } from "../federation/index.ts";
import type { Conversations, ReplayRoom, SessionRoom } from "../sessions/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { Keepalive, Patience, StreamSettings } from "./replies.ts";
import type { Takeover } from "./takeover.ts";

export type TransportParts = {
  readonly federation: Federation;
  readonly conversations: Conversations;
  readonly sessions: SessionRoom;
  readonly replay: ReplayRoom;
  readonly keepalive: Keepalive;
  readonly patience: Patience;
  readonly takeover: Takeover;
  readonly streams: StreamSettings & {
    /** How long a legacy stream without its client goes on collecting events. */
    readonly lingerMs: number;
  };
  /** Messages of one batch, at most. */
  readonly maxBatch: number;
  readonly log: Log;
  readonly now: () => number;
  /** Takes a place among the open streams; a fault when there is none. */
  readonly enterStream: () => { leave(): void } | Fault;
  /** Takes a slot of a call for a message of a connection that is open already; a fault when there is none. */
  readonly enterCall: (head: RequestHead, principal: Principal) => { leave(): void } | Fault;
  /** Calls `end` when the principal's proof does not carry a connection any longer; the answer lets go. */
  readonly hold: (principal: Principal, end: () => void) => () => void;
  /** Gauge of open client streams by kind. */
  readonly countStream: (kind: "post" | "get" | "sse" | "websocket" | "listen", delta: 1 | -1) => void;
};

/** One authenticated request to one MCP endpoint. */
export type Endpoint = {
  readonly scope: Scope;
  /** Stable name of the endpoint; sessions are bound to it. */
  readonly name: string;
  readonly principal: Principal;
  /** Set while all slots of calls are taken: only what ends calls, or costs next to nothing, is served. */
  readonly callsRefused?: Fault | undefined;
  /** The view of the moment; throws when the scope has gone. */
  readonly view: () => View;
};

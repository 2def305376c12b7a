/**
 * The door of the upstreams room. It moves raw JSON-RPC messages to and from MCP servers and keeps what a connection to
 * one needs (era, session, sockets); it never looks into results. Rooms above decide what a message means.
 */
import type { Fault } from "../../contract/errors.ts";
import type { Envelope } from "../mcp/index.ts";
import type { IdentityPropagation, ItemKind, UpstreamOAuth } from "../store/index.ts";
import type { CircuitListener, CircuitView } from "./circuits.ts";
import type { CleanUpOptions } from "./clean-up.ts";
import type { Trust } from "./guard/index.ts";
import type { PassedNames } from "./passthrough.ts";
import type { PoolFigures } from "./pool.ts";

/** `builtin`: answered inside the gateway. `rest`: its tools are HTTP operations that the registry keeps. */
export type UpstreamTransport = "streamable-http" | "sse" | "stdio" | "rest" | "builtin";

export type UpstreamTarget = {
  readonly id: string;
  /** Short unique name, `[a-z][a-z0-9-]*`; used in prefixes, logs and metric labels. */
  readonly slug: string;
  /** Changes whenever something of the connection changes (url, credentials, command); remembered facts die with it. */
  readonly revision: string;
  readonly transport: UpstreamTransport;
  /** Absolute http(s) URL; absent for stdio and builtin. */
  readonly url?: string;
  /** Who set the URL; a user when absent. */
  readonly trust?: Trust;
  /** Whom its server has to be signed by, and who the gateway is to it. */
  readonly tls?: ClientTls;
  /** Appended to the query of every request; secret. */
  readonly query?: { readonly name: string; readonly value: string };
  /** What of the callers' requests is passed on. */
  readonly passes?: PassedNames;
  /** What of the caller is told. */
  readonly identity?: IdentityPropagation;
  /** The tokens to go with; `clientSecret` is secret. */
  readonly oauth?: UpstreamOAuth & { readonly clientSecret?: string };
  /** Set where what is sent depends on who asks: such a target is made for each of them, and what it says is nobody else's. */
  readonly actor?: Actor;
  /** Sent with every request; credentials are already in it. Never logged. */
  readonly headers: Readonly<Record<string, string>>;
  readonly stdio?: {
    readonly command: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly cwd?: string;
    /** `session`: a child per upstream session (default). `shared`: one child for all, server→client requests are refused. */
    readonly isolation: "session" | "shared";
  };
  /** `shared`: declared to keep nothing in its sessions, so that clients may use one after the other. Absent: not so. */
  readonly isolation?: "session" | "shared";
  readonly era: "auto" | "legacy" | "modern";
  /** From sending a request to its final response; progress does not extend it. */
  readonly requestTimeoutMs: number;
};

/** For whom a target is made. */
export type Actor = { readonly id: string; readonly teams: readonly string[]; readonly admin: boolean };

/** PEM texts. With `ca` nobody else is believed; `key` is secret. */
export type ClientTls = { readonly ca?: string; readonly certificate?: string; readonly key?: string };

/** What a server said of itself; JSON values as it sent them. */
export type UpstreamProfile = {
  readonly era: "legacy" | "modern";
  /** Legacy: the negotiated version. Modern: the version spoken, for example 2026-07-28. */
  readonly protocolVersion: string;
  /** Legacy and minted no session id: requests need no initialize of their own and no entry in the shared state. */
  readonly sessionless: boolean;
  /** Raw JSON objects. */
  readonly capabilities: Buffer;
  readonly serverInfo: Buffer;
  readonly instructions?: string;
};

/** For whom an upstream session is held. One upstream session per (holder, upstream); never shared between holders. */
export type Holder = {
  /** `s:<client session>` for a legacy client, `p:<principal and capabilities digest>` for a modern one. */
  readonly key: string;
  /** What this client declared, raw JSON objects; the upstream is initialized with exactly these. */
  readonly clientCapabilities: Buffer;
  readonly clientInfo: Buffer;
  /** Legacy version to ask for in initialize. */
  readonly protocolVersion: string;
  /** How long upstream session ids are remembered after their last use. */
  readonly ttlMs: number;
  /** The caller behind it, where he is known; for targets that are made for callers. */
  readonly actor?: Actor | undefined;
  /** Passed on with what is sent on the holder's behalf beside his requests: handshakes, streams. As OutboundMessage.passed. */
  readonly passed?: Readonly<Record<string, string>> | undefined;
};

export type OutboundMessage = {
  /** The complete JSON-RPC message as bytes, era already that of the upstream, id already unique where it must be. */
  readonly body: Buffer;
  readonly method: string;
  /** The era of this message; decides for an upstream that speaks both. Modern when absent. */
  readonly era?: "legacy" | "modern";
  /** Raw JSON id of a request, to spare a scan of the body; read from the body when absent. */
  readonly id?: string | undefined;
  /** The tool that is called declares that calling it twice does no more than calling it once. */
  readonly repeatable?: boolean;
  /** Modern only: value of Mcp-Name (params.name, params.uri); the room encodes unsafe values (=?base64?…?=). */
  readonly name?: string | undefined;
  /** Modern only: Mcp-Param-* headers, lower-case names, forwarded as they came. */
  readonly paramHeaders?: Readonly<Record<string, string>> | undefined;
  /** Further headers of this request (trace context). */
  readonly headers?: Readonly<Record<string, string>>;
  /** What of the caller's headers is passed on to those targets that take it; lower-case names. */
  readonly passed?: Readonly<Record<string, string>> | undefined;
  /**
   * Overrides target.requestTimeoutMs. 0 = none: the caller cancels at its own deadline (subscriptions/listen is then limited
   * until its answer begins).
   */
  readonly timeoutMs?: number;
  /** Builtin only: which of its single items the caller may see, by its own names; none when absent. */
  readonly shows?: ((kind: ItemKind, name: string) => boolean) | undefined;
};

/**
 * Receives what a request brings back: message* then exactly one of end or fail. Nothing is called after cancel(), and
 * nothing before the call that got the sink has returned its Exchange, except a fail.
 */
export type ReplySink = {
  /** The answer comes as an event stream. */
  streaming?(): void;
  /** The upstream has closed its stream before the response and will be asked for the rest in retryMs (2025-11-25 polling). */
  interrupted?(retryMs: number): void;
  /**
   * One complete JSON-RPC message, in order; its envelope has been scanned, so it is valid JSON. `status` is the HTTP status it
   * came with. The message with kind "response" is the last one.
   */
  message(raw: Buffer, status: number, envelope: Envelope): void;
  /**
   * The exchange ended in good order, right after the final response was delivered. Only streams (subscriptions/listen, listen)
   * may end without one.
   */
  end(): void;
  fail(fault: Fault): void;
};

export type Exchange = {
  /** Idempotent. Destroys the response stream: in the modern era that cancels the call; in the legacy era send the notification too. */
  cancel(): void;
  /**
   * Nothing more is read from the upstream until resume(), so that it stops sending; messages that have been read already still
   * come. Time limits go on. Absent where the answer shares its connection with others (HTTP+SSE) or comes from no connection.
   */
  pause?(): void;
  resume?(): void;
};

export type InspectedItem = { readonly name: string; readonly raw: Buffer };

/** Everything an upstream lists, page by page until the end or a bound; items are raw JSON objects in the server's order. */
export type Inspection = {
  readonly profile: UpstreamProfile;
  readonly tools: readonly InspectedItem[];
  readonly prompts: readonly InspectedItem[];
  /** `name` is the URI. */
  readonly resources: readonly InspectedItem[];
  /** `name` is the uriTemplate. */
  readonly resourceTemplates: readonly InspectedItem[];
  /** Lists that could not be read to their end, with the reason (1000 pages, 100 000 items, an error). */
  readonly incomplete: readonly { readonly list: string; readonly reason: string }[];
  /** Lists that nobody was asked for, because the registry itself keeps them. */
  readonly kept?: readonly string[];
};

export type SessionFigures = {
  /** Of this process, pooled ones too. */
  readonly open: number;
  readonly evicted: number;
  readonly pool: PoolFigures | undefined;
};

export interface Upstreams {
  /** Calls that wait for a connection at this moment, over all upstreams. */
  readonly waiting: number;

  /**
   * Probes once per target revision (modern first, MCP 2026-07-28 versioning), remembers the verdict, single flight. An
   * upstream of both eras is spoken to in the era that is preferred, so that a caller of the same era needs no translation.
   */
  profile(target: UpstreamTarget, prefer?: "legacy" | "modern"): Promise<UpstreamProfile>;

  /**
   * Sends a request and streams what comes back. Legacy with sessions: opens the holder's upstream session first when there
   * is none; when the upstream has forgotten it (404), opens a new one once, re-applies log level and subscriptions, sends again.
   */
  request(target: UpstreamTarget, holder: Holder, message: OutboundMessage, sink: ReplySink): Exchange;

  /** Notifications and responses towards a legacy upstream; resolves on 2xx. Without an open session it resolves and sends nothing. */
  notify(target: UpstreamTarget, holder: Holder, message: OutboundMessage): Promise<void>;

  /**
   * The legacy GET stream of the holder's session (or the events of an SSE connection that belong to no request), re-opened with
   * back-off and Last-Event-ID until cancelled. `end` is called when the upstream has no such stream (405).
   */
  listen(target: UpstreamTarget, holder: Holder, sink: ReplySink): Exchange;

  /** Remembered per holder and re-applied when an upstream session is opened or re-opened. Sent now to sessions already open. */
  setLogLevel(holder: Holder, level: string, targets: readonly UpstreamTarget[]): Promise<void>;
  /** resources/subscribe or unsubscribe (legacy upstream) with an un-prefixed URI; remembered and re-applied. */
  setSubscription(target: UpstreamTarget, holder: Holder, uri: string, wanted: boolean): Promise<void>;
  /** Ids of the upstreams for which this holder has an open session, and its remembered subscriptions and log level. */
  held(holderKey: string): Promise<HeldState>;

  /** Ends all upstream sessions of a holder (DELETE; children of stdio end). */
  release(holderKey: string, targets: readonly UpstreamTarget[]): Promise<void>;

  /** Ends sessions whose holders are gone, in parallel; answers how many. Rejects with MCPS_STATE. */
  endExpired(options: CleanUpOptions): Promise<number>;

  /**
   * Asks whether it lives: a handshake within `timeoutMs`, and where a ping is wanted and there are sessions, an answer to one within
   * `pingMs`. Leaves no session behind. Rejects with what speaks against the upstream; that it wants other credentials does not.
   */
  probe(target: UpstreamTarget, timeoutMs: number, pingMs?: number): Promise<void>;

  /** Lists everything with a session of its own and leaves no session behind. */
  inspect(target: UpstreamTarget): Promise<Inspection>;

  /** Open sessions of this process, and what the pool has done; undefined figures while there is no pool. */
  sessionFigures(): SessionFigures;
  /** Circuits that are not at rest; upstreams that are not named are reached. */
  circuits(): readonly CircuitView[];
  /** Tells of circuits that open and close; the answer ends it. */
  onCircuit(listener: CircuitListener): () => void;
  /** What another worker saw of a circuit; a hint, which the upstream's next answer corrects. */
  hintCircuit(target: UpstreamTarget, state: "closed" | "open"): void;

  /**
   * A document of the web, at most `maxBytes` long, with the guards of every upstream. Rejects with a Fault for anything but a 2xx
   * within `timeoutMs`; redirects are not followed.
   */
  fetchDocument(url: string, maxBytes: number, timeoutMs: number): Promise<Buffer>;

  /** Forgets what is remembered of an upstream (after an update or a removal) and closes its idle sockets. */
  forget(targetId: string): void;
  /** The upstream has been removed: forgotten here, and its children at the stdio host end. Never rejects. */
  remove(target: UpstreamTarget): Promise<void>;
  close(): Promise<void>;
}

export type HeldState = {
  readonly upstreamIds: readonly string[];
  readonly logLevel?: string;
  readonly subscriptions: readonly { readonly upstreamId: string; readonly uri: string }[];
};

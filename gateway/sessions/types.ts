/** What conversations need from the rest of the room and from main.ts. */
import type { Fault } from "../../contract/errors.ts";
import type { SharedState } from "../coordination/index.ts";
import type { Caller, Federation, Route, View } from "../federation/index.ts";
import type { Envelope, Span } from "../mcp/index.ts";
import type { Log } from "../telemetry/index.ts";

/** Where what belongs to one client request goes. The transport behind it frames, buffers and replays. */
export interface ClientReply {
  /** False where the client has no way to answer a request of ours (/rpc): none is sent then. */
  readonly canAsk: boolean;
  /** The upstream answers with a stream: so may we. */
  streaming(): void;
  /** The upstream lets its client poll: where the rest can be fetched later, so may we. */
  interrupted?(retryMs: number): void;
  /** A notification or a request to the client, before the final message. */
  message(raw: Buffer): void;
  /** The final response; `status` and `headers` are HTTP's, where the transport still can choose. */
  finish(raw: Buffer, status: number, headers?: Readonly<Record<string, string>>): void;
  /** The request was cancelled: nothing more comes. */
  abandon(): void;
  /** Set by the call: told when the client takes less than it is sent, and when it takes more again or is gone. */
  onFlow?: ((isSlow: boolean) => void) | undefined;
}

/** Authenticated encryption of small payloads that travel through clients; `purpose` keeps the uses apart. */
export interface Sealing {
  seal(purpose: string, payload: string): string;
  open(purpose: string, token: string): Buffer | undefined;
}

/** Messages to another worker of this deployment, by its id; to this one without a store. */
export interface WorkerPost {
  send(workerId: string, kind: string, payload: string): Promise<void>;
  handle(kind: string, receive: (payload: string) => void): void;
  /** False when that worker is known to be gone. */
  isAlive(workerId: string): Promise<boolean>;
}

/** Room for what only a body names: a call to one upstream, a merged list. What has a place leaves it once. */
export interface Places {
  /** Throws MCPS_UPSTREAM_BUSY while this upstream has its share. `slug`: what it is called. */
  ofUpstream(id: string, slug: string): { leave(): void };
  /** Throws MCPS_OVERLOADED. */
  ofList(): { leave(): void };
}

export type ConversationCounters = {
  /** One MCP request is answered. `outcome` is ok, tool_error, a fault code or cancelled. */
  request(method: string, era: string, outcome: string, ms: number): void;
  parked(delta: 1 | -1): void;
};

/** A request that goes to an upstream; `body` and `envelope` are the caller's. */
export type WatchedCall = {
  /** Of the endpoint it came by. */
  readonly view: View;
  readonly caller: Caller;
  readonly route: Route;
  readonly body: Buffer;
  readonly envelope: Envelope;
};

/** Follows the requests that go to upstreams: limits and records. */
export interface CallWatch {
  /** Asked once, before anything is sent: a fault refuses the request. A promise only where somebody else has to be asked; it never rejects. */
  mayBegin(call: WatchedCall): Fault | undefined | Promise<Fault | undefined>;
  /** Asked of a result before it goes to the client; `raw` is the upstream's message. A fault takes its place. */
  mayAnswer?(call: WatchedCall, raw: Buffer, result: Span): Fault | undefined;
  /** Once for each that was asked about, refused ones too. `outcome` is ok, tool_error, a fault's code or cancelled. */
  ended(call: WatchedCall, outcome: string, ms: number): void;
}

export type ConversationParts = {
  readonly federation: Federation;
  readonly state: SharedState;
  readonly sealing: Sealing;
  readonly post: WorkerPost;
  readonly workerId: string;
  readonly log: Log;
  readonly counters: ConversationCounters;
  readonly places: Places;
  readonly watch: CallWatch;
  readonly now: () => number;
  /** How long a request of ours (elicitation, sampling, roots) waits for the client. */
  readonly clientTimeoutMs: number;
};

/** What a session token says. */
export type SessionFacts = {
  readonly id: string;
  readonly protocolVersion: string;
  /** Raw JSON objects as the client declared them. */
  readonly capabilities: Buffer;
  readonly clientInfo: Buffer;
};

/** Legacy sessions as the transports use them. */
export interface SessionRoom {
  readonly ttlMs: number;
  /** A token for a new session at this endpoint, and its facts. */
  mint(
    endpoint: string,
    principalId: string,
    protocolVersion: string,
    capabilities: Buffer,
    clientInfo: Buffer,
  ): { token: string; facts: SessionFacts };
  /** The session of a token, or undefined when it is unknown, expired, of another endpoint or of another principal. */
  open(token: string, endpoint: string, principalId: string): SessionFacts | undefined;
  ended(sessionId: string): boolean | Promise<boolean>;
  end(sessionId: string): Promise<void>;
}

/** Where the events of a stream are kept; ids are known at once, storing happens behind. */
export interface EventLog {
  /** The id with which a client resumes from the beginning; makes the stream known before its first event. */
  announce(): string;
  append(raw: Buffer): string;
  finish(): void;
}

export interface ResumableStream {
  /** `post`: the answer to a request. `get`: the session's own stream. */
  readonly kind: "post" | "get";
  /**
   * Everything after the event the client named: first what is kept, then what still comes, each once and in order;
   * `onFinish` when the stream is complete. The answer stops it.
   */
  deliver(onEvent: (id: string, raw: Buffer) => void, onFinish: () => void): () => void;
}

export interface ReplayRoom {
  /** A log for one SSE stream of a session; `requestId` is the raw id that is answered on it, absent for the GET stream. */
  open(sessionId: string, requestId: string | undefined): EventLog;
  /** Undefined when the id names no stream of this session that is kept. */
  resume(sessionId: string, lastEventId: string): Promise<ResumableStream | undefined>;
}

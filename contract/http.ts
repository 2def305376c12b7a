/** HTTP as the application sees it, whatever engine framed the bytes. */
export type RequestHead = {
  readonly method: string;
  /** Path without query, as sent (percent-encoding kept), prefix already cut. */
  readonly path: string;
  /** Without the question mark; empty when absent. */
  readonly query: string;
  /** Lower-case names; repeated headers joined by ", ". */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Of the client: the peer of the connection, or whom trusted proxies name. Shortest form (RFC 5952), IPv4 never as IPv6; empty on a Unix socket. */
  readonly remoteAddress: string;
  /** Of the TLS connection, when the client proved one that our authority signed. */
  readonly client?: ClientCertificate | undefined;
};

/** Who a client is by its certificate: checked against the authority, not expired. */
export type ClientCertificate = {
  /** Subject's common name; empty when it has none. */
  readonly commonName: string;
  /** Subject alternative names: `URI:spiffe://…`, `DNS:…`, `email:…`. */
  readonly names: readonly string[];
  /** SHA-256 of the certificate, hexadecimal, lower case. */
  readonly fingerprint: string;
  /** Epoch milliseconds. A connection may last longer than its certificate. */
  readonly expiresAt: number;
};

export type GatewayRequest = RequestHead & { readonly body: Buffer };

/** Where an answer goes. Either respond() once, or open(), write()*, end(). */
export interface ResponseSink {
  /** True once the peer is gone or the answer is complete; writes are ignored from then on. */
  readonly closed: boolean;
  respond(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array | string): void;
  open(status: number, headers: Readonly<Record<string, string>>): void;
  /** False when the peer reads slower than we write: stop until onDrain. */
  write(chunk: Uint8Array | string): boolean;
  end(): void;
  onDrain(listener: () => void): void;
  /** Called once when the peer goes away before the answer is complete; soon, when that has happened already. */
  onClose(listener: () => void): void;
  /** The answer has a place among the streams: the request gives back the slot with which it was admitted. */
  detach(): void;
}

/** A whole answer of a REST route. `body` is sent as JSON unless it is bytes or undefined. */
export type RestResponse = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Who it is about, where nobody was known before: for records, and never sent. */
  readonly subject?: string;
};

/** One WebSocket connection. Text frames only: one JSON-RPC message each. */
export interface WebSocketPeer {
  /** Bytes queued towards the peer; the transport closes a peer that reads too slowly. */
  readonly backlog: number;
  send(text: Uint8Array): void;
  /** RFC 6455 close code and reason (at most 123 bytes). */
  close(code: number, reason: string): void;
  ping(): void;
  onMessage(listener: (data: Buffer, isText: boolean) => void): void;
  onPong(listener: () => void): void;
  onClose(listener: () => void): void;
}

export type Admitted = {
  readonly ok: true;
  leave(): void;
  /** Set where there is room for control messages alone: with this everything else is refused once its body shows what it is. */
  readonly controlOnly?: unknown;
  /** Milliseconds within which the whole body has to be there; `late` otherwise. Undefined: the engine's own limits. */
  readonly bodyWithinMs?: number | undefined;
  /** Bytes of body that may be read for this one request, where that is less than the application's `maxBodyBytes`. */
  readonly maxBodyBytes?: number | undefined;
};
/** Often the same object for many requests: an engine may keep the bytes that it has made of one. */
export type Refused = {
  readonly ok: false;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** Why a body could not be read: more bytes than allowed, cut off, not there within `bodyWithinMs`. */
export type BodyRefusal = "too-large" | "aborted" | "late";

/** A connection that may become a WebSocket: exactly one of the two is called. */
export type Upgrade = {
  readonly ok: true;
  readonly protocol: string | undefined;
  open(peer: WebSocketPeer): void;
  abandon(): void;
};

/** What an engine is given. It knows nothing of admission, identity or MCP. */
export interface Application {
  /** Synchronous, before any byte of the body is read. */
  admit(head: RequestHead): Admitted | Refused;
  /** Bytes of body that may be read for any request. */
  readonly maxBodyBytes: number;
  /** Answers exactly once through the sink, whatever happens. `admitted`: what admit() answered for this request, where it was asked. */
  serve(request: GatewayRequest, sink: ResponseSink, admitted?: Admitted): void;
  refuseBody(head: RequestHead, sink: ResponseSink, reason: BodyRefusal): void;
  /** Decides on an upgrade to WebSocket: a refusal, or what to do with the open connection. */
  upgrade(head: RequestHead): Promise<Refused | Upgrade>;
}

/**
 * The strict reader against node:http over the same bytes. Where the reader accepts, both must agree on every field, on the body, and
 * on the byte at which the next request starts.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { Duplex } from "node:stream";
import { isDeepStrictEqual } from "node:util";
import type { ParsedHead } from "../../../../gateway/engine/bounded/memo.ts";
import { HeadReader, type HeadReading } from "../../../../gateway/engine/bounded/reader.ts";
import { Chance, mutated } from "./mutations.ts";

const MAX_HEAD_BYTES = 16 * 1024;

export type Tally = {
  cases: number;
  /** Requests that the reader accepted. */
  accepted: number;
  /** Cases that ended with a hand-over. */
  handedOver: number;
  /** Cases that ended within a head or a body, or with their last byte. */
  unfinished: number;
  readonly disagreements: string[];
};

/** What node:http makes of bytes, as they are fed. Nothing is answered. */
class NodeParser {
  private static readonly server: Server = createServer({ maxHeaderSize: MAX_HEAD_BYTES });
  readonly requests: IncomingMessage[] = [];
  isBroken = false;
  private readonly wire: Duplex;

  static {
    const { server } = NodeParser;
    const seenBy = (socket: object) => NodeParser.bySocket.get(socket);
    server.on("request", (request) => seenBy(request.socket)?.requests.push(request));
    server.on("checkContinue", (request) => seenBy(request.socket)?.requests.push(request));
    server.on("clientError", (_, socket) => {
      const parser = seenBy(socket);
      if (parser !== undefined) parser.isBroken = true;
    });
  }
  private static readonly bySocket = new WeakMap<object, NodeParser>();

  constructor() {
    this.wire = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
    NodeParser.bySocket.set(this.wire, this);
    NodeParser.server.emit("connection", this.wire);
  }

  /** Within this turn, as a socket would that is read by node:http. */
  feed(bytes: Buffer): void {
    if (bytes.length > 0) this.wire.emit("data", bytes);
  }

  /** What is wrong with a head that the reader made of these bytes, which are all of this request that there is. */
  objectTo(head: ParsedHead, bytes: Buffer, isWhole: boolean, count: number): string | undefined {
    this.feed(bytes.subarray(0, -1));
    if (this.requests[count]?.complete === true) return "ends earlier in node:http";
    this.feed(bytes.subarray(-1));
    const request = this.requests[count];
    if (this.isBroken || request === undefined) return "is none in node:http";
    if (this.requests.length > count + 1) return "is more than one in node:http";
    if (request.complete !== isWhole) return "ends later in node:http";
    const { method, url = "", headers } = request;
    const said = { method, url, headers: { ...headers }, body: bodyOf(request) };
    const read = {
      method: head.method,
      url: urlOf(head, url),
      headers: head.headers,
      body: bytes.toString("latin1", head.size),
    };
    return isDeepStrictEqual(said, read)
      ? undefined
      : `${JSON.stringify(read)} is ${JSON.stringify(said)} in node:http`;
  }

  close(): void {
    this.wire.destroy();
  }
}

function bodyOf(request: IncomingMessage): string {
  const pieces: Buffer[] = [];
  for (let read: unknown = request.read(); Buffer.isBuffer(read); read = request.read()) pieces.push(read);
  return Buffer.concat(pieces).toString("latin1");
}

function urlOf({ path, query }: ParsedHead, target: string): string {
  return query === "" && !target.endsWith("?") ? path : `${path}?${query}`;
}

export type Read = (bytes: Buffer, from: number) => HeadReading;

/** The reader as it is used, and an objection where remembering a head changes what is read. */
export function readerOfCase(): Read {
  const reader = new HeadReader({ maxHeadBytes: MAX_HEAD_BYTES, memo: true });
  const forgetful = new HeadReader({ maxHeadBytes: MAX_HEAD_BYTES, memo: false });
  return (bytes, from) => {
    const head = reader.read(bytes, from);
    if (!isDeepStrictEqual(head, forgetful.read(bytes, from))) throw new Error("the memo changed what is read");
    return head;
  };
}

export function emptyTally(): Tally {
  return { cases: 0, accepted: 0, handedOver: 0, unfinished: 0, disagreements: [] };
}

/** Why the two do not agree; undefined when they do. Counts into the tally. */
export function compare(bytes: Buffer, tally: Tally, read: Read = readerOfCase()): string | undefined {
  const node = new NodeParser();
  let at = 0;
  try {
    for (let count = 0; ; count++) {
      const head = read(bytes, at);
      if (head === "hand-over") {
        tally.handedOver++;
        return undefined;
      }
      if (head === "incomplete") {
        tally.unfinished++;
        node.feed(bytes.subarray(at));
        return node.requests.length > count ? "node:http has a request where the reader waits" : undefined;
      }
      tally.accepted++;
      const end = at + head.size + head.contentLength;
      const isWhole = end <= bytes.length;
      const objection = node.objectTo(head, bytes.subarray(at, end), isWhole, count);
      if (objection !== undefined) return `request ${count}: ${objection}`;
      if (!isWhole) {
        tally.unfinished++;
        return undefined;
      }
      at = end;
      // What follows the last answer of a connection is read by neither.
      if (head.isLast) return undefined;
    }
  } finally {
    node.close();
  }
}

/** So many cases, from this seed on; `breathe` is awaited now and then, so that what is closed can be let go. */
export async function runCases(cases: number, seed: number, breathe: () => Promise<unknown>): Promise<Tally> {
  const chance = new Chance(seed);
  const tally = emptyTally();
  for (; tally.cases < cases; tally.cases++) {
    const bytes = mutated(chance);
    const found = compare(bytes, tally);
    if (found !== undefined) tally.disagreements.push(`${JSON.stringify(bytes.toString("latin1"))}: ${found}`);
    if (tally.cases % 128 === 0) await breathe();
  }
  return tally;
}

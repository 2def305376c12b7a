/** The calls that wait for one child, by the number that stands in for the caller's id on stdin. Insertion order is age. */
import { type Envelope, pathAt, sliceAt } from "../../mcp/index.ts";
import { type Reply, ServerStream } from "./reply.ts";

/** One client of a child. */
export class Lane {
  readonly stream: ServerStream;
  /** URIs this client subscribed to; only kept where clients share a child. */
  readonly subscriptions = new Set<string>();
  constructor(maxBytes: number) {
    this.stream = new ServerStream(maxBytes);
  }
}

export type Call = {
  readonly number: number;
  readonly lane: Lane;
  /** The caller's raw id. */
  readonly id: Buffer;
  readonly method: string;
  /** The caller's raw progress token. */
  readonly progressToken: Buffer | undefined;
  /** Modern: the request asked for log messages (`_meta` logLevel). */
  readonly logs: boolean;
  readonly reply: Reply;
};

const META_LOG_LEVEL = "io.modelcontextprotocol/logLevel";

export class Calls {
  #byNumber = new Map<number, Call>();
  #lastNumber = 0;

  get size(): number {
    return this.#byNumber.size;
  }

  [Symbol.iterator](): IterableIterator<Call> {
    return this.#byNumber.values();
  }

  /** A number no request to this child has had. */
  nextNumber(): number {
    return ++this.#lastNumber;
  }

  /** Notes a request; copies what it needs of the body. */
  add(lane: Lane, id: Buffer, body: Buffer, envelope: Envelope, reply: Reply): Call {
    const token = pathAt(body, envelope.params, "_meta", "progressToken");
    const call: Call = {
      number: this.nextNumber(),
      lane,
      id: Buffer.from(id),
      method: envelope.method,
      progressToken: token === undefined ? undefined : Buffer.from(sliceAt(body, token)),
      logs: pathAt(body, envelope.params, "_meta", META_LOG_LEVEL) !== undefined,
      reply,
    };
    this.#byNumber.set(call.number, call);
    return call;
  }

  get(number: number): Call | undefined {
    return this.#byNumber.get(number);
  }

  /** The call with this id among those of one client. */
  find(lane: Lane, id: Buffer): Call | undefined {
    for (const call of this) if (call.lane === lane && call.id.equals(id)) return call;
    return undefined;
  }

  /** The oldest call whose caller has left. */
  abandoned(): Call | undefined {
    for (const call of this) if (!call.reply.open) return call;
    return undefined;
  }

  /** Calls whose caller is still there; of one client when given. */
  waiting(lane?: Lane): number {
    let count = 0;
    for (const call of this) if (call.reply.open && (lane ?? call.lane) === call.lane) count++;
    return count;
  }

  /** False when it was not there any more. */
  remove(call: Call): boolean {
    return this.#byNumber.delete(call.number);
  }

  /** Empties the table and answers what was in it. */
  drain(): Call[] {
    const calls = [...this];
    this.#byNumber.clear();
    return calls;
  }
}

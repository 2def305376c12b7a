/** Heads that arrive in one frame or several, and what they say. */
import type { RequestHead } from "../../../contract/http.ts";
import { FLAG } from "./frames.ts";
import { headOf, type Peer } from "./head.ts";
import { type Field, HeaderDecoder } from "./hpack/decoder.ts";
import { MAX_FIELDS, MAX_HEAD_FRAMES } from "./limits.ts";

/** Heads remembered of one connection: clients send few, over and over. */
const MAX_REMEMBERED = 64;
/** Longer blocks carry new text, which makes them new each time. */
const MAX_REMEMBERED_BYTES = 64;
const EMPTY = Buffer.alloc(0);

/** `malformed`: for this stream alone. `large`: more than may be read. */
export type Block =
  | { readonly kind: "request"; readonly head: RequestHead }
  | { readonly kind: "trailers"; readonly fields: readonly Field[] }
  | { readonly kind: "malformed" }
  | { readonly kind: "large" };

const MALFORMED: Block = { kind: "malformed" };
const LARGE: Block = { kind: "large" };

export class HeaderBlocks {
  private readonly decoder = new HeaderDecoder();
  private readonly maxBytes: number;
  private readonly pathPrefix: string;
  private readonly peer: Peer;
  private readonly remembered = new Map<string, Block>();
  private version = 0;
  /** Of a head that goes on in the next frame: its stream, 0 for none. */
  streamId = 0;
  flags = 0;
  private parts: Buffer[] = [];
  private partBytes = 0;

  constructor(maxBytes: number, pathPrefix: string, peer: Peer) {
    this.maxBytes = maxBytes;
    this.pathPrefix = pathPrefix;
    this.peer = peer;
  }

  /** A part of a head; true when it was the last one. Undefined: more, in bytes or frames, than one head may be. */
  add(streamId: number, flags: number, part: Buffer): boolean | undefined {
    if (this.streamId === 0) {
      this.streamId = streamId;
      this.flags = flags;
    }
    this.parts.push(part);
    this.partBytes += part.length;
    if (this.partBytes > this.maxBytes || this.parts.length > MAX_HEAD_FRAMES) return undefined;
    return (flags & FLAG.endHeaders) !== 0;
  }

  /** The block that is complete now; `isRequest`: it opens a stream. Throws CompressionError. */
  read(isRequest: boolean): Block {
    const [only = EMPTY] = this.parts;
    const block = this.parts.length === 1 ? only : Buffer.concat(this.parts);
    this.parts = [];
    this.partBytes = 0;
    this.streamId = 0;
    if (!isRequest) return this.trailers(this.decoder.decode(block, this.maxBytes, MAX_FIELDS));
    if (block.length > MAX_REMEMBERED_BYTES) return this.request(block);
    // The same bytes say the same as long as the table is what it was.
    const key = block.toString("latin1");
    const known = this.version === this.decoder.version ? this.remembered.get(key) : undefined;
    if (known !== undefined) return known;
    const { version } = this.decoder;
    const read = this.request(block);
    if (this.decoder.version !== version || this.version !== version) {
      this.remembered.clear();
      this.version = this.decoder.version;
    }
    if (this.decoder.version === version && this.remembered.size < MAX_REMEMBERED) this.remembered.set(key, read);
    return read;
  }

  private request(block: Buffer): Block {
    const fields = this.decoder.decode(block, this.maxBytes, MAX_FIELDS);
    if (fields === undefined) return LARGE;
    const head = headOf(fields, this.pathPrefix, this.peer);
    return head === undefined ? MALFORMED : { kind: "request", head };
  }

  private trailers(fields: readonly Field[] | undefined): Block {
    return fields === undefined ? LARGE : { kind: "trailers", fields };
  }
}

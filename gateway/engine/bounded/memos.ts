/**
 * The heads of a connection that come again. A client's is always the same one; a proxy in front sends those of many clients over one
 * connection, each with a token and a session of its own.
 */
import { HeadMemo, type ParsedHead } from "./memo.ts";

/** Heads beside the last one: of one connection, and of all of them. */
const MAX_OTHERS = 16;
const MAX_OTHERS_IN_ALL = 8192;
/** Longer ones are remembered only as the last. */
const MAX_OTHER_BYTES = 2048;
/** So many new heads in a row mean that they do not come again (a trace id in each): only one of so many is remembered then. */
const PATIENCE = 64;
const SAMPLE = 16;
/** Bytes by which heads are told apart. */
const PROBE_BYTES = 4;

let others = 0;

export class HeadMemos {
  private readonly maxHeadBytes: number;
  private last: HeadMemo;
  private all: HeadMemo[];
  /** Where the last two heads began to differ. */
  private probe = 0;
  /** Heads in a row that were new. */
  private misses = 0;
  /** Which one is written over next. */
  private next = 0;

  constructor(maxHeadBytes: number) {
    this.maxHeadBytes = maxHeadBytes;
    this.last = new HeadMemo(maxHeadBytes);
    this.all = [this.last];
  }

  /** The head at `from`, when it is a remembered one but for its Content-Length. */
  recall(bytes: Buffer, from: number): ParsedHead | undefined {
    const known = this.last.recall(bytes, from) ?? this.recallOther(bytes, from);
    if (known !== undefined) this.misses = 0;
    return known;
  }

  private recallOther(bytes: Buffer, from: number): ParsedHead | undefined {
    if (this.all.length === 1) return undefined;
    for (const memo of this.all) {
      if (memo === this.last || !memo.looksLike(bytes, from, this.probe, PROBE_BYTES)) continue;
      const found = memo.recall(bytes, from);
      if (found === undefined) continue;
      this.last = memo;
      return found;
    }
    return undefined;
  }

  /** As of HeadMemo. */
  remember(bytes: Buffer, from: number, head: ParsedHead, digitsAt: number): void {
    this.misses++;
    if (this.misses > PATIENCE && this.misses % SAMPLE !== 0) return;
    if (head.size <= MAX_OTHER_BYTES) {
      this.probe = this.last.difference(bytes, from, head.size);
      this.last = this.free();
    }
    this.last.remember(bytes, from, head, digitsAt);
  }

  /** The connection reads no more heads. */
  forget(): void {
    others -= this.all.length - 1;
    this.last = new HeadMemo(this.maxHeadBytes);
    this.all = [this.last];
  }

  private free(): HeadMemo {
    if (this.last.isEmpty) return this.last;
    if (this.all.length <= MAX_OTHERS && others < MAX_OTHERS_IN_ALL) {
      const made = new HeadMemo(this.maxHeadBytes);
      this.all.push(made);
      others++;
      return made;
    }
    this.next = (this.next + 1) % this.all.length;
    return this.all[this.next] ?? this.last;
  }
}

/** An element of a response that came in several pieces, collected until its end is there. */

/** What a carry keeps for the next time it is needed, bytes. */
const KEPT = 4096;
const NOTHING = Buffer.alloc(0);

export class Carry {
  /** The first `length` bytes are the element; older ones may follow. */
  bytes: Buffer = NOTHING;
  length = 0;

  clear(): void {
    this.length = 0;
    if (this.bytes.length > KEPT) this.bytes = NOTHING;
  }

  /**
   * Takes up to `limit` bytes of the element, to the end of its terminator. Gives the position to go on from, negated when the
   * element is complete.
   */
  take(bytes: Buffer, pos: number, end: number, terminator: Buffer, limit: number): number {
    const before = this.length;
    const taken = Math.min(end - pos, limit - before);
    const after = before + taken;
    if (after > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(after * 2, 1024));
      this.bytes.copy(larger, 0, 0, before);
      this.bytes = larger;
    }
    bytes.copy(this.bytes, before, pos, pos + taken);
    // What is found in the older bytes is not found: it ends after the ones that have been taken.
    const found = this.bytes.indexOf(terminator, Math.max(0, before - terminator.length + 1)) + terminator.length;
    if (found >= terminator.length && found <= after) {
      this.length = found;
      return -(pos + found - before);
    }
    this.length = after;
    return pos + taken;
  }
}

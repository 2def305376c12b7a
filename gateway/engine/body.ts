/** A body that comes in pieces. Small and many pieces cost what they hold. */

const FIRST_BYTES = 64 * 1024;
const FIRST_UNANNOUNCED_BYTES = 4 * 1024;

/** Room is made as bytes come: an announced length alone takes none. */
export class Body {
  readonly size: number;
  private bytes: Buffer;
  private filled = 0;

  /** `size`: how much it is, or, where that was not announced, can be. */
  constructor(size: number, isAnnounced = true) {
    this.size = size;
    this.bytes = Buffer.allocUnsafeSlow(Math.min(size, isAnnounced ? FIRST_BYTES : FIRST_UNANNOUNCED_BYTES));
  }

  get missing(): number {
    return this.size - this.filled;
  }

  /** No more than is missing. */
  append(piece: Buffer): void {
    const filled = this.filled + piece.length;
    if (filled > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(this.size, Math.max(filled, this.bytes.length * 2)));
      this.bytes.copy(grown, 0, 0, this.filled);
      this.bytes = grown;
    }
    piece.copy(this.bytes, this.filled);
    this.filled = filled;
  }

  /** What has come. */
  whole(): Buffer {
    return this.filled === this.bytes.length ? this.bytes : this.bytes.subarray(0, this.filled);
  }
}

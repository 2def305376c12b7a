/** What a connection has received and nobody has used yet, and a body that comes in pieces. Small and many pieces cost what they hold. */

const EMPTY = Buffer.alloc(0);
const FIRST_BODY_BYTES = 64 * 1024;

/** Received bytes with a position in them. */
export class Intake {
  bytes: Buffer = EMPTY;
  at = 0;

  get length(): number {
    return this.bytes.length - this.at;
  }

  append(chunk: Buffer): void {
    this.bytes = this.length === 0 ? chunk : Buffer.concat([this.bytes.subarray(this.at), chunk]);
    this.at = 0;
  }

  /** The next bytes, as a part of what was received, and moves behind them. */
  take(count: number): Buffer {
    const taken = this.bytes.subarray(this.at, this.at + count);
    this.skip(count);
    return taken;
  }

  skip(count: number): void {
    this.at += count;
    if (this.at < this.bytes.length) return;
    this.bytes = EMPTY;
    this.at = 0;
  }
}

/** A body of known length. Room is made as bytes come: an announced length alone takes none. */
export class Body {
  readonly size: number;
  private bytes: Buffer;
  private filled = 0;

  constructor(size: number) {
    this.size = size;
    this.bytes = Buffer.allocUnsafeSlow(Math.min(size, FIRST_BODY_BYTES));
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

  whole(): Buffer {
    return this.bytes;
  }
}

/** What a connection has received and nobody has used yet. */

const EMPTY = Buffer.alloc(0);

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

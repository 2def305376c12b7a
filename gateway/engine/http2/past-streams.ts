/** Streams that a connection has had, as far back as it takes to name what is wrong with a frame that comes for one of them (RFC 9113 §5.1). */

const REMEMBERED = 256;

export class PastStreams {
  private readonly opened = new Uint32Array(REMEMBERED);
  private openings = 0;
  private readonly left = new Uint32Array(REMEMBERED);
  private leavings = 0;

  open(streamId: number): void {
    this.opened[this.openings++ % REMEMBERED] = streamId;
  }

  /** This side has ended it while its peer may have been sending. */
  leave(streamId: number): void {
    this.left[this.leavings++ % REMEMBERED] = streamId;
  }

  /** What was sent for it before its peer knew is no error. */
  wasLeft(streamId: number): boolean {
    return this.left.includes(streamId);
  }

  wasOpened(streamId: number): boolean {
    return this.opened.includes(streamId);
  }
}

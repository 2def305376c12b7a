/** A peer that does not read what it asked for: told by what it takes, whatever it sends meanwhile. */
import type { Socket } from "node:net";
import type { Deadlines, Timed } from "./deadlines.ts";
import { takenReader } from "./taken.ts";

/** Bytes queued for a peer, of one answer, beyond which it is taken for dead. */
export const MAX_UNREAD_BYTES = 16 * 1024 * 1024;

/** What waits for the peer of one connection, looked at now and then. */
export class Unread {
  private readonly socket: Socket;
  private readonly takenNow: () => number;
  private taken = 0;
  private isWaiting = false;

  constructor(socket: Socket) {
    this.socket = socket;
    this.takenNow = takenReader(socket);
  }

  /** Whether something has waited since the last look, of which nothing was taken. */
  isStuck(): boolean {
    const { taken, isWaiting } = this;
    this.isWaiting = this.socket.writableLength > 0;
    this.taken = this.takenNow();
    return isWaiting && this.isWaiting && this.taken === taken;
  }
}

/** Cuts the connection once nothing of what waits was taken for so long, at the latest after twice that; until it closes. */
export function cutWhenStuck(socket: Socket, deadlines: Deadlines, withinMs: number): void {
  const unread = new Unread(socket);
  const timed: Timed & { deadline: number } = {
    deadline: deadlines.after(withinMs),
    expire() {
      if (unread.isStuck()) socket.destroy();
      timed.deadline = deadlines.after(withinMs);
    },
  };
  deadlines.add(timed);
  socket.once("close", () => deadlines.delete(timed));
}

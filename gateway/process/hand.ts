/** What a crew knows of one of its workers. */
import { type ChildMessage, StartFailure } from "./child.ts";
import type { End, Member, MemberEvents } from "./member.ts";

export type HandState = "starting" | "ready" | "leaving" | "gone";

export class Hand {
  readonly member: Member;
  /** Rejects with StartFailure when it ends before. */
  readonly ready = Promise.withResolvers<void>();
  readonly gone = Promise.withResolvers<void>();
  state: HandState = "starting";
  readyAt: number | undefined;
  /** Of its latest message, and of its start; as performance.now(). */
  lastHeard = performance.now();
  startTimer: NodeJS.Timeout | undefined;
  killTimer: NodeJS.Timeout | undefined;
  /** Why we ended it. */
  killedFor: { readonly kind: "start" | "stuck"; readonly reason: string } | undefined;
  /** Its own words on why it could not start. */
  told: ChildMessage | undefined;

  constructor(hire: (events: MemberEvents) => Member, events: MemberEvents) {
    this.ready.promise.catch(() => undefined);
    this.member = hire(events);
  }

  /** Its end in words: ours if we ended it, its own if it had some. */
  failure(end: End): StartFailure {
    const reason = this.told?.reason;
    const code = this.told?.code;
    const said = typeof reason === "string" ? reason : end.reason;
    return new StartFailure(
      `worker ${this.member.id}`,
      this.killedFor?.reason ?? said,
      typeof code === "string" ? code : undefined,
    );
  }
}

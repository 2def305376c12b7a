/** One worker as its supervisor sees it, whether it is a process or a thread. */
import type { ChildMessage } from "./child.ts";

/** `memory`: its heap was used up. */
export type End = { readonly isClean: boolean; readonly kind: "crash" | "memory"; readonly reason: string };

export interface Member {
  /** As its log lines name it. */
  readonly id: string;
  /** Of the process; undefined for a thread, and for a process that could not be started. */
  readonly pid: number | undefined;
  send(message: ChildMessage): void;
  /** At once, without asking. */
  kill(): void;
}

export type MemberEvents = {
  readonly message: (message: ChildMessage) => void;
  /** Called once. */
  readonly ended: (end: End) => void;
};

/** Starts a worker, which waits for its configuration. Failures come as its end. */
export type Hire = (id: string, events: MemberEvents) => Member;

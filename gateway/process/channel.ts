/**
 * The line between a worker and what started it, the same for a process (IPC) and for a thread (its port). Node's own way of
 * copying carries what JSON would lose; secrets travel here, never in arguments.
 */
import { isMainThread, parentPort } from "node:worker_threads";
import { type ChildMessage, isMessage } from "./child.ts";
import { onParentGone } from "./parent.ts";

export interface Channel {
  /** `sent` is called once nothing is left to do for it; a message to nobody is dropped. */
  send(message: ChildMessage, sent?: () => void): void;
  onMessage(listener: (message: ChildMessage) => void): void;
  /** Whoever started us is gone. A thread cannot outlive its process. */
  onGone(listener: () => void): void;
}

/** The channel of the process or thread that this is called in. */
export function parentChannel(): Channel {
  return isMainThread ? processChannel() : threadChannel();
}

function processChannel(): Channel {
  return {
    send(message, sent = () => undefined) {
      if (process.connected) process.send?.(message, undefined, undefined, () => sent());
      else sent();
    },
    onMessage: (listener) => {
      process.on("message", (message) => isMessage(message) && listener(message));
    },
    onGone: onParentGone,
  };
}

function threadChannel(): Channel {
  return {
    send(message, sent = () => undefined) {
      parentPort?.postMessage(message);
      // Posted messages are delivered after the end of the thread as well.
      sent();
    },
    onMessage: (listener) => {
      parentPort?.on("message", (message: unknown) => isMessage(message) && listener(message));
    },
    onGone: () => undefined,
  };
}

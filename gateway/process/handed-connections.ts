/**
 * Connections that the primary has handed to a worker which ended before it took them. node:cluster waits for the worker's answer for ever,
 * and the client with it; here they go to another worker, or are closed when there is none.
 */
import type { ChildProcess } from "node:child_process";
import cluster, { type Worker } from "node:cluster";

type Handle = { close(): void };

/** `newconn` and its acknowledgement are how lib/internal/cluster of Node speaks; what looks different is left alone. */
function sequenceOf(message: unknown): number | undefined {
  if (typeof message !== "object" || message === null || !("act" in message) || message.act !== "newconn")
    return undefined;
  return "seq" in message && typeof message.seq === "number" ? message.seq : undefined;
}

function acknowledged(message: unknown): number | undefined {
  if (typeof message !== "object" || message === null || !("ack" in message)) return undefined;
  return typeof message.ack === "number" ? message.ack : undefined;
}

function isHandle(value: unknown): value is Handle {
  return typeof value === "object" && value !== null && "close" in value && typeof value.close === "function";
}

/** Between looks at whether all that an ended worker had said is read, ms. */
const UNREAD_MS = 5;

/** To be called with a worker before anything is handed to it. */
export function returnConnections(worker: Worker): void {
  const { process: child } = worker;
  const handed = new Map<number, Handle>();
  const send = child.send;
  child.send = function (this: ChildProcess, ...sent: unknown[]): boolean {
    const [message, handle] = sent;
    const sequence = sequenceOf(message);
    if (sequence !== undefined && isHandle(handle)) handed.set(sequence, handle);
    return Reflect.apply(send, child, sent);
  };
  child.on("internalMessage", (message: unknown) => {
    const sequence = acknowledged(message);
    if (sequence !== undefined) handed.delete(sequence);
  });

  function giveBack(): void {
    if (child.connected) {
      setTimeout(giveBack, UNREAD_MS);
      return;
    }
    // With an answer outstanding Node never tells of the end of the channel, and would go on handing connections to it.
    worker.disconnect();
    const others = Object.values(cluster.workers ?? {}).some((other) => other?.isConnected());
    for (const [ack, handle] of handed) {
      if (others) child.emit("internalMessage", { cmd: "NODE_CLUSTER", ack, accepted: false });
      else handle.close();
    }
    handed.clear();
  }
  child.once("exit", giveBack);
}

/** How much of what was written to a connection its peer has taken: what a peer that stopped reading cannot hide by sending. */
import type { Socket } from "node:net";

/**
 * Answers with a reader of the bytes that the kernel has taken over so far; call it while the connection is open. It goes on when node:http
 * or HTTP/2 reads the connection.
 *
 * Node's own count (`bytesWritten`) has the whole of a write as soon as that begins, however long it takes. What is left of it only the
 * handle knows, and Node's own timeouts look there too; over TLS it is the handle below, for the one above counts records.
 */
export function takenReader(socket: Socket): () => number {
  const handle = lowest("_handle" in socket ? socket._handle : undefined);
  if (handle === undefined) return () => socket.bytesWritten - socket.writableLength;
  return () => handle.bytesWritten - handle.writeQueueSize;
}

type Handle = { readonly bytesWritten: number; readonly writeQueueSize: number };

function lowest(handle: unknown): Handle | undefined {
  if (typeof handle !== "object" || handle === null) return undefined;
  const below = "_parent" in handle ? lowest(handle._parent) : undefined;
  if (below !== undefined) return below;
  return isCounting(handle) ? handle : undefined;
}

function isCounting(handle: object): handle is Handle {
  if (!("bytesWritten" in handle && "writeQueueSize" in handle)) return false;
  return typeof handle.bytesWritten === "number" && typeof handle.writeQueueSize === "number";
}

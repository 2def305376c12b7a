/** GET streams that are opened and left open. */
import { connect, type Socket } from "node:net";
import { httpRequest } from "../cli/load/messages.ts";
import { LEGACY } from "./requests.ts";

const CONCURRENT = 64;

export type Streams = {
  /** Those that are still open. */
  open(): number;
  close(): void;
};

/** One stream for each session. Rejects when one is not answered with 200. */
export async function openStreams(url: string, token: string, sessions: readonly string[]): Promise<Streams> {
  const endpoint = { url: new URL(url), token };
  const sockets = new Set<Socket>();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let session = sessions[next++]; session !== undefined; session = sessions[next++])
      sockets.add(await openStream(endpoint, session, (socket) => sockets.delete(socket)));
  };
  await Promise.all(Array.from({ length: CONCURRENT }, worker));
  return {
    open: () => sockets.size,
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function openStream(
  endpoint: { readonly url: URL; readonly token: string },
  session: string,
  ended: (socket: Socket) => void,
): Promise<Socket> {
  const { url } = endpoint;
  const headers = { accept: "text/event-stream", "mcp-session-id": session, "mcp-protocol-version": LEGACY };
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname);
    socket.once("error", reject);
    socket.once("close", () => {
      ended(socket);
      reject(new Error("a stream was closed"));
    });
    socket.on("data", (chunk) => {
      const status = chunk.toString("latin1", 0, 15);
      if (status.startsWith("HTTP/1.1 ") && !status.startsWith("HTTP/1.1 200")) reject(new Error(chunk.toString()));
      resolve(socket);
    });
    socket.write(httpRequest(endpoint, "GET", headers));
  });
}

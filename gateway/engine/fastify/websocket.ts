/** WebSocket upgrades (RFC 6455) of node:http, and the open connection as the application sees it. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Application, Refused, RequestHead, WebSocketPeer } from "../../../contract/http.ts";
import { endWith } from "../refuse-connection.ts";
import { webSockets } from "./packages.ts";

/** One message is one JSON-RPC message; more than this is none that anybody means. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

export type Upgrades = {
  take(head: RequestHead, request: IncomingMessage, bytes: Buffer): void;
  /** Cuts all open ones. */
  close(): void;
};

/** `lingerMs`: how long a refused client may keep its side open. */
export function createUpgrades(application: Application, lingerMs: number): Upgrades {
  const sockets = new (webSockets().WebSocketServer)({
    noServer: true,
    maxPayload: Math.min(application.maxBodyBytes, MAX_FRAME_BYTES),
    clientTracking: true,
    perMessageDeflate: false,
  });
  return {
    take(head, request, bytes) {
      // All that ended the connection before has let go of it.
      const { socket } = request;
      socket.on("error", () => socket.destroy());
      application.upgrade(head).then(
        (decision) => {
          if (!decision.ok) {
            refuse(socket, decision, lingerMs);
            return;
          }
          let isOpen = false;
          sockets.handleUpgrade(request, socket, bytes, (webSocket) => {
            isOpen = true;
            decision.open(peerOf(webSocket));
          });
          // A handshake that is none has been answered, or its socket is gone.
          if (!isOpen) decision.abandon();
        },
        () => socket.destroy(),
      );
    },
    close() {
      for (const client of sockets.clients) client.terminate();
    },
  };
}

function refuse(socket: Socket, decision: Refused, lingerMs: number): void {
  const headers = {
    ...decision.headers,
    "content-length": String(Buffer.byteLength(decision.body)),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  endWith(socket, `HTTP/1.1 ${decision.status} Refused\r\n${lines.join("")}\r\n${decision.body}`, lingerMs);
}

function peerOf(webSocket: WebSocket): WebSocketPeer {
  webSocket.on("error", () => webSocket.terminate());
  return {
    get backlog() {
      return webSocket.bufferedAmount;
    },
    send: (text) => webSocket.send(text, { binary: false }),
    close: (code, reason) => webSocket.close(code, reason),
    ping: () => webSocket.ping(),
    onMessage: (listener) => {
      webSocket.on("message", (data, isBinary) =>
        listener(
          Buffer.isBuffer(data) ? data : Buffer.concat(Array.isArray(data) ? data : [Buffer.from(data)]),
          !isBinary,
        ),
      );
    },
    onPong: (listener) => {
      webSocket.on("pong", listener);
    },
    onClose: (listener) => {
      webSocket.on("close", listener);
    },
  };
}

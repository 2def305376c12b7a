/** tools/call over WebSockets, in a process of its own: an order on stdin, one JSON line on stdout. Each connection is a session. */
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { WebSocket } from "ws";
import { Histogram } from "../cli/load/histogram.ts";
import { BESIDE, firstJson, start } from "./machine.ts";
import { CLIENT, LEGACY } from "./requests.ts";
import type { Fire } from "./rounds.ts";
import type { Counted, Volley } from "./wrk.ts";

type Order = Volley & { readonly expect: string };

export const fireSockets: Fire = async (volley, expect) => {
  const part = start(BESIDE, process.execPath, [import.meta.filename]);
  part.child.stdin?.end(JSON.stringify({ ...volley, expect }));
  const counted: Counted = JSON.parse(JSON.stringify(await firstJson(part)));
  await part.stop();
  return counted;
};

async function opened(order: Order): Promise<WebSocket> {
  const { authorization = "" } = order.shots[0]?.headers ?? {};
  const socket = new WebSocket(order.url, { headers: { authorization }, perMessageDeflate: false });
  await once(socket, "open");
  const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT };
  socket.send(JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }));
  await once(socket, "message");
  socket.send(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
  return socket;
}

async function carryOut(order: Order): Promise<Counted> {
  const sockets = await Promise.all(Array.from({ length: order.connections }, () => opened(order)));
  const body = order.shots[0]?.body ?? "";
  const latency = new Histogram();
  const expected = Buffer.from(order.expect);
  let [calls, failures] = [0, 0];
  const began = performance.now();
  const end = began + order.seconds * 1000;
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve, reject) => {
          let sent = began;
          const ask = () => {
            sent = performance.now();
            if (sent < end) socket.send(body);
            else resolve();
          };
          socket.on("message", (data) => {
            calls += 1;
            latency.record(performance.now() - sent);
            if (!(data instanceof Buffer && data.includes(expected))) failures += 1;
            ask();
          });
          socket.once("close", () => reject(new Error("a WebSocket was closed")));
          ask();
        }),
    ),
  );
  const seconds = (performance.now() - began) / 1000;
  for (const socket of sockets) socket.terminate();
  return {
    calls,
    failures,
    seconds,
    p50Ms: latency.percentile(0.5),
    p99Ms: latency.percentile(0.99),
    bytes: undefined,
  };
}

if (import.meta.main) {
  const order: Order = JSON.parse(await text(process.stdin));
  process.stdout.write(`${JSON.stringify(await carryOut(order))}\n`);
}

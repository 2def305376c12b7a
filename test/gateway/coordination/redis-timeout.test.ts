/** A Redis that accepts connections and never answers. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, it } from "vitest";
import { openSharedState } from "../../../gateway/coordination/index.ts";
import { silentLog } from "./log.ts";

it("is given up after the command timeout, and not before", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on("error", () => undefined))).listen(0, "127.0.0.1");
  await once(server, "listening");
  const redisUrl = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const open = (commandTimeoutMs: number) =>
    openSharedState({ redisUrl, redis: { commandTimeoutMs }, singleProcess: false, log: silentLog });
  const [patient, hasty] = [open(3_600_000), open(20)];
  const order: string[] = [];
  const waiting = patient.ping().catch(() => order.push("patient"));
  await expect(hasty.ping().finally(() => order.push("hasty"))).rejects.toMatchObject({ code: "MCPS_STATE" });
  expect(order).toEqual(["hasty"]);
  await hasty.close();
  await patient.close();
  await waiting;
  for (const socket of sockets) socket.destroy();
  server.close();
});

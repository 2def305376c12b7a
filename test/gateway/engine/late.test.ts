/** A server of connections that is made with its first connection, at whatever time that comes. */
import { Socket } from "node:net";
import { expect, it } from "vitest";
import type { ConnectionServer } from "../../../gateway/engine/engine.ts";
import { lateConnections } from "../../../gateway/engine/late.ts";

function recorded() {
  const said: unknown[] = [];
  const server: ConnectionServer = {
    accept: () => void said.push("accept"),
    async drain(deadlineMs, idleMs) {
      said.push(["drain", deadlineMs > 0 && deadlineMs <= 60_000, idleMs]);
      return { cut: 3 };
    },
    async close() {
      said.push("close");
    },
  };
  const late = lateConnections(() => {
    said.push("made");
    return server;
  });
  return { late, said };
}

it("is not made by draining and closing", async () => {
  const { late, said } = recorded();
  expect(await late.drain(60_000, 5)).toEqual({ cut: 0 });
  await late.close();
  expect(said).toEqual([]);
});

it("is made once, and told of everything", async () => {
  const { late, said } = recorded();
  late.accept(new Socket());
  late.accept(new Socket());
  expect(await late.drain(60_000)).toEqual({ cut: 3 });
  await late.close();
  expect(said).toEqual(["made", "accept", "accept", ["drain", true, undefined], "close"]);
});

it("drains from its beginning on when all else drains already", async () => {
  const { late, said } = recorded();
  await late.drain(60_000, 5);
  late.accept(new Socket());
  expect(said).toEqual(["made", ["drain", true, 5], "accept"]);
});

it("waits with retiring for what may still come, and says how much of it was cut", async () => {
  const { late, said } = recorded();
  const drained = late.drain(60_000, 5);
  late.accept(new Socket());
  expect(await drained).toEqual({ cut: 3 });
  expect(said).toEqual(["made", ["drain", true, 5], "accept"]);
});

it("takes nothing once it is closed", async () => {
  const { late, said } = recorded();
  await late.close();
  const socket = new Socket();
  late.accept(socket);
  expect([said, socket.destroyed]).toEqual([[], true]);
});

/** What a peer has taken of what was written to it: a little of one long write counts, what it sends does not. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, it } from "vitest";
import { Unread } from "../../../gateway/engine/unread.ts";
import { waitFor } from "../../harness/index.ts";

const MIB = 1024 * 1024;

it("is stuck only while something waits of which nothing is taken", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const client = connect(typeof address === "object" && address !== null ? address.port : 0, "127.0.0.1");
  const [socket]: Socket[] = await once(server, "connection");
  if (socket === undefined) throw new Error("no connection");
  let read = 0;
  client.on("data", ({ length }) => {
    read += length;
    if (read === length || (read >= 16 * MIB && read - length < 16 * MIB)) client.pause();
  });
  const unread = new Unread(socket);
  expect([unread.isStuck(), unread.isStuck()]).toEqual([false, false]);
  socket.write(Buffer.alloc(32 * MIB));
  await waitFor(() => unread.isStuck());
  client.write("x");
  expect(unread.isStuck()).toBe(true);
  client.resume();
  await waitFor(() => read >= 16 * MIB);
  expect([unread.isStuck(), socket.writableLength]).toEqual([false, 32 * MIB]);
  await waitFor(() => unread.isStuck());
  client.resume();
  await waitFor(() => read === 32 * MIB && socket.writableLength === 0);
  expect([unread.isStuck(), unread.isStuck()]).toEqual([false, false]);
  client.destroy();
  socket.destroy();
  server.close();
});

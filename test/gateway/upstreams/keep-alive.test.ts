/** How long idle connections to upstreams are kept. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { expect, it } from "vitest";
import { addressAt, Origins } from "../../../gateway/upstreams/origins.ts";
import { waitFor } from "../../harness/index.ts";

it("closes an idle connection after the keep-alive time, and not before", async () => {
  const sockets: Socket[] = [];
  // A server that tells how long it keeps connections itself would be believed.
  const server = createServer({ keepAliveTimeout: 0 }, (_, response) => response.end("fine"));
  server.on("connection", (socket) => sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const origins = [3_600_000, 20].map(
    (keepAliveMs) => new Origins({ connectTimeoutMs: 5000, connectionsPerOrigin: 1, keepAliveMs }),
  );
  for (const one of origins) {
    const { body } = await one
      .pair(addressAt({ origin }), "upstream")
      .enter(false)
      .request({ path: "/", method: "GET" });
    expect(await body.text()).toBe("fine");
  }
  await waitFor(async () => sockets[1]?.destroyed === true);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, true]);
  await Promise.all(origins.map((one) => one.close()));
  server.close();
});

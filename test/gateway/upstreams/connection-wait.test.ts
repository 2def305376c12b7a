/** More calls than connections: who waits for one waits in order, and not for ever. */

import { buildConnector } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../../harness/index.ts";
import { holder, legacyLife, message, room, rpc, type Seen, send, serve, type TestServer, target } from "./harness.ts";

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** A server that keeps `held` calls until they are answered. */
async function keeping() {
  const held: { seen: Seen; answer: () => void }[] = [];
  const server = await serve((seen, response) => {
    if (legacyLife(seen, response)) return;
    held.push({ seen, answer: () => rpc(response, seen, { content: [] }) });
  });
  servers.push(server);
  return { server, held };
}

// A connector of the caller's keeps plain sockets away, so that undici speaks.
describe.each([
  ["the lean client", {}],
  ["undici", { connect: buildConnector({}) }],
])("waiting for a connection, with %s", (_, more) => {
  it("ends with a refusal that names the upstream, and what was refused is never sent", async () => {
    const { server, held } = await keeping();
    const upstreams = room({ connectionsPerOrigin: 1, connectionWaitMs: 50, ...more });
    const to = target(server.url);
    await upstreams.profile(to, "legacy");
    const first = send(upstreams, to, holder(), message(1, "tools/call", { name: "a" }));
    await waitFor(() => held.length === 1);
    expect(upstreams.waiting).toBe(0);
    const second = send(upstreams, to, holder(), message(2, "tools/call", { name: "b" }));
    await waitFor(() => upstreams.waiting === 1);
    const { fault } = await second;
    expect(fault).toMatchObject({
      code: "MCPS_UPSTREAM_BUSY",
      status: 503,
      message: "Upstream sample is busy: no connection to it was free within 50 ms (UPSTREAM_POOL_TIMEOUT)",
      headers: { "retry-after": "1" },
    });
    expect(upstreams.waiting).toBe(0);
    held[0]?.answer();
    expect((await first).fault).toBeUndefined();
    const third = send(upstreams, to, holder(), message(3, "tools/call", { name: "c" }));
    await waitFor(() => held.length === 2);
    held[1]?.answer();
    expect((await third).fault).toBeUndefined();
    expect(held.map(({ seen }) => seen.json?.params?.name)).toEqual(["a", "c"]);
    await upstreams.close();
  });

  it("ends with a connection that becomes free in time, however long the answer takes then", async () => {
    const { server, held } = await keeping();
    const upstreams = room({ connectionsPerOrigin: 1, connectionWaitMs: 60_000, ...more });
    const to = target(server.url);
    await upstreams.profile(to, "legacy");
    const calls = [1, 2].map((id) => send(upstreams, to, holder(), message(id, "tools/call")));
    for (const count of [1, 2]) {
      await waitFor(() => held.length === count);
      held[count - 1]?.answer();
    }
    expect((await Promise.all(calls)).map(({ fault }) => fault)).toEqual([undefined, undefined]);
    await upstreams.close();
  });
});

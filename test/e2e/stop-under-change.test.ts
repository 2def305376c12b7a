/** SIGTERM with a change under way that takes longer than the grace: it is made whole, with its row, although its client was cut off. */
import { request as ask, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { startChangingUpstream } from "../gateway/federation/changing-upstream.ts";
import { dataDirectory, rest, startGateway } from "../harness/index.ts";

const env = { AUDIT_TRAIL_ENABLED: "true", SHUTDOWN_GRACE: "1" };

// Starts a whole gateway twice, and waits for a grace: that is what takes its time.
it("a change that outlives the grace is made, recorded and known to the next start", async () => {
  const directory = await dataDirectory({ database: true });
  const upstream = await startChangingUpstream([{ name: "add", inputSchema: { type: "object" } }]);
  const asked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const slow = createServer((request, response) => {
    asked.resolve();
    const { method, headers } = request;
    const passed = ask(upstream.url, { method: method ?? "GET", headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    void released.promise.then(() => request.pipe(passed));
  });
  await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(slow.address() as AddressInfo).port}/mcp`;
  const gateway = await startGateway({ env, dataDir: directory.path });
  try {
    const registered = rest(gateway, "POST", "/gateways", { name: "late", url, transport: "STREAMABLEHTTP" });
    const cut = registered.then(
      ({ status }) => status,
      () => "cut",
    );
    await asked.promise;
    process.kill(gateway.pid, "SIGTERM");
    expect(await cut).toBe("cut");
    released.resolve();
    expect(await gateway.exited).toBe(0);
    const after = await startGateway({ env, dataDir: directory.path });
    try {
      const { body } = await rest(after, "GET", "/admin/audit?action=gateways.create");
      expect(body.rows).toMatchObject([{ status: 201, outcome: "ok" }]);
      expect((await rest(after, "GET", "/tools")).body.value).toMatchObject([{ originalName: "add" }]);
    } finally {
      await after.stop();
    }
  } finally {
    released.resolve();
    await gateway.stop();
    slow.closeAllConnections();
    slow.close();
    await upstream.close();
    await directory.remove();
  }
});

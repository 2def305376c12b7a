/** What happens to a gateway whose database, shared state or disk goes away and comes back: warm calls go on, nothing crashes. */
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errors } from "../../contract/errors.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  type Answer,
  callModern,
  type Daemon,
  type Gateway,
  type LegacySession,
  missing,
  mountDisk,
  noDisks,
  openLegacySession,
  register,
  rest,
  send,
  startGateway,
  startPostgres,
  startRedis,
  temporaryDirectory,
  titled,
  unmountDisk,
  waitFor,
} from "../harness/index.ts";

let fixture: Everything;
beforeAll(async () => {
  fixture = await startEverything();
});
afterAll(() => fixture?.close());

const echo = { name: "up__echo", arguments: { text: "still here" } };
const echoed = { result: { content: [{ type: "text", text: "still here" }] } };
const probe = (gateway: Gateway, path: string): Promise<Answer> => send("GET", gateway.url + path, gateway.headers);
const readyAgain = (gateway: Gateway) =>
  waitFor(async () => (await probe(gateway, "/ready")).status === 200, 60_000, "/ready");
/** A counter's value over all its labels. */
async function counted(gateway: Gateway, name: string): Promise<number> {
  const { text } = await probe(gateway, "/metrics");
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

const noPostgres = missing("postgres");
describe.skipIf(noPostgres !== undefined)(titled("a database that goes away", noPostgres), () => {
  let postgres: Daemon;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres?.stop());

  it("is named by /ready and REST, while warm calls go on; when it is back the gateway is ready", async () => {
    // With a Redis elsewhere the database is needed for the registry alone.
    const redis = missing("redis-server") === undefined ? await startRedis() : undefined;
    const env = {
      DATABASE_URL: postgres.url,
      DB_POOL_TIMEOUT: "2",
      ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
    };
    const gateway = await startGateway({ env });
    try {
      await register(gateway, { name: "up", url: fixture.url });
      const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
      expect((await session.call(1, "tools/call", echo)).json()).toMatchObject(echoed);

      await postgres.crash();
      expect((await probe(gateway, "/health")).status).toBe(200);
      const ready = await probe(gateway, "/ready");
      expect([ready.status, ready.json()]).toMatchObject([
        503,
        { checks: { database: expect.stringContaining("The database does not answer") } },
      ]);
      expect(ready.text).not.toContain(postgres.url);
      expect((await session.call(2, "tools/call", echo)).json()).toMatchObject(echoed);
      expect((await session.call(3, "tools/list")).text).toContain("up__echo");
      expect((await callModern(gateway, gateway.mcpUrl, 4, "tools/call", echo)).json()).toMatchObject(echoed);
      const refused = await rest(gateway, "GET", "/gateways");
      expect(refused.status).toBe(503);
      expect(JSON.stringify(refused.body)).toContain("MCPS_DATABASE");

      await postgres.start();
      await readyAgain(gateway);
      expect((await rest(gateway, "GET", "/gateways")).status).toBe(200);
      expect((await session.call(5, "tools/call", echo)).json()).toMatchObject(echoed);
    } finally {
      await gateway.stop();
      await redis?.stop();
    }
  });

  it("is waited for when it is started after the gateway", async () => {
    await postgres.crash();
    const starting = startGateway({ env: { DATABASE_URL: postgres.url } });
    // The gateway is on its way, the database is not.
    await postgres.start();
    const gateway = await starting;
    const { status } = await probe(gateway, "/ready");
    await gateway.stop();
    expect(status).toBe(200);
  });
});

const noRedis = missing("postgres", "redis-server");
describe.skipIf(noRedis !== undefined)(titled("a Redis that goes away under load", noRedis), () => {
  let postgres: Daemon;
  let redis: Daemon;
  let gateway: Gateway;
  let session: LegacySession;
  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    gateway = await startGateway({ env: { DATABASE_URL: postgres.url, REDIS_URL: redis.url } });
    await register(gateway, { name: "up", url: fixture.url });
    session = await openLegacySession(gateway.mcpUrl, gateway.headers);
  });
  afterAll(async () => {
    await gateway?.stop();
    await Promise.all([postgres?.stop(), redis?.stop()]);
  });

  it("stops no warm call, is named by what needs it, is counted, and is used again when it is back", async () => {
    let isLoading = true;
    let id = 100;
    const outcomes = { ok: 0, state: 0, other: [] as string[] };
    const client = async (call: () => Promise<Answer>): Promise<void> => {
      while (isLoading) {
        const answer = await call();
        if (answer.text.includes("still here")) outcomes.ok++;
        else if (answer.text.includes(String(errors.MCPS_STATE.rpc)) && answer.text.includes("shared state"))
          outcomes.state++;
        else outcomes.other.push(`${answer.status} ${answer.text.slice(0, 300)}`);
      }
    };
    const legacy = () => session.call(id++, "tools/call", echo);
    const modern = () => callModern(gateway, gateway.mcpUrl, id++, "tools/call", echo);
    const load = Promise.all([client(legacy), client(legacy), client(modern), client(modern)]);
    const okAfter = async (more: number) => {
      const before = outcomes.ok;
      await waitFor(() => outcomes.ok >= before + more, 60_000, `${more} more calls`);
    };
    await okAfter(20);

    try {
      await redis.crash();
      await okAfter(50);
      const ready = await probe(gateway, "/ready");
      expect([ready.status, ready.json()]).toMatchObject([
        503,
        { checks: { database: "ok", state: expect.stringContaining("The shared state store does not answer") } },
      ]);
      expect((await probe(gateway, "/health")).status).toBe(200);
      const needing = await session.call(1, "resources/subscribe", { uri: "up+test://watched-resource" });
      expect(needing.json()).toMatchObject({ error: { code: errors.MCPS_STATE.rpc } });
      expect(await counted(gateway, "mcp_state_failures_total")).toBeGreaterThan(0);

      await redis.start();
      await readyAgain(gateway);
      await okAfter(50);
    } finally {
      isLoading = false;
      await load;
    }
    expect(outcomes.other).toEqual([]);
    const fresh = await openLegacySession(gateway.mcpUrl, gateway.headers);
    expect((await fresh.call(1, "tools/call", echo)).json()).toMatchObject(echoed);
    const subscribed = await fresh.call(2, "resources/subscribe", { uri: "up+test://watched-resource" });
    expect(subscribed.json()).toMatchObject({ result: {} });
  });
});

const noMount = noDisks();
describe.skipIf(noMount !== undefined)(titled("a disk that fills up", noMount), () => {
  it("stops no call; REST says so, and writes again when there is room", async () => {
    const directory = await temporaryDirectory();
    mountDisk(directory.path, "160m");
    const filler = join(directory.path, "filler");
    let running: Gateway | undefined;
    try {
      const gateway = await startGateway({ dataDir: directory.path });
      running = gateway;
      await register(gateway, { name: "up", url: fixture.url });
      const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
      expect((await session.call(1, "tools/call", echo)).json()).toMatchObject(echoed);

      const { bavail, bsize } = statfsSync(directory.path);
      writeFileSync(filler, Buffer.alloc(bavail * bsize));
      expect((await session.call(2, "tools/call", echo)).json()).toMatchObject(echoed);
      // The database has some room left in the pages it has; each registration takes a part of it.
      const registrations: number[] = [];
      for (let index = 0; index < 200 && !registrations.includes(503); index++) {
        const body = { name: `more ${index}`, url: fixture.url, transport: "STREAMABLEHTTP" };
        registrations.push((await rest(gateway, "POST", "/gateways", body)).status);
      }
      expect(registrations).toContain(503);
      expect((await session.call(3, "tools/call", echo)).json()).toMatchObject(echoed);
      expect((await probe(gateway, "/health")).status).toBe(200);

      rmSync(filler);
      await readyAgain(gateway);
      await waitFor(
        async () => {
          const body = { name: "afterwards", url: fixture.url, transport: "STREAMABLEHTTP" };
          return (await rest(gateway, "POST", "/gateways", body)).status === 201;
        },
        60_000,
        "a registration",
      );
      expect((await session.call(4, "tools/call", echo)).json()).toMatchObject(echoed);
    } finally {
      await running?.stop();
      unmountDisk(directory.path);
      await directory.remove();
    }
  });
});

/**
 * What each use of Redis does while Redis is away, read-only, empty, slow or full: recorded here, one row per fault, for the shared state by
 * itself and for a gateway whose calls go on meanwhile. Everything comes back without a restart.
 */
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createCache, invalidationsOf } from "../../gateway/cache/index.ts";
import { redisState, type SharedState } from "../../gateway/coordination/index.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { until } from "../gateway/coordination/conformance.ts";
import { silentLog } from "../gateway/coordination/log.ts";
import {
  type Daemon,
  type Gateway,
  type LegacySession,
  missing,
  openLegacySession,
  register,
  send,
  startGateway,
  startRedis,
  titled,
} from "../harness/index.ts";
import { run } from "../harness/process.ts";

const LONG = 60_000;

/** A connection of the test's own, which changes how the server behaves. */
async function told(redis: Daemon, ...commands: readonly (readonly [string, ...string[]])[]): Promise<void> {
  const client = new Redis(redis.port, "127.0.0.1", { retryStrategy: () => null });
  client.on("error", () => undefined);
  for (const [name, ...values] of commands) await client.call(name, ...values);
  client.disconnect();
}

type Fault = {
  readonly title: string;
  begin(redis: Daemon): Promise<void>;
  end(redis: Daemon): Promise<void>;
  /** Of the state: what a known value reads as, and whether writes, leases and messages are taken. */
  readonly reads: "known" | "none" | "refused";
  readonly writes: "taken" | "refused";
  readonly publishes: "taken" | "refused";
  /** Whether the circuit opens, so that nobody waits. */
  readonly opens: boolean;
  /** Of /ready. */
  readonly ready: 200 | 503;
};

const FAULTS: readonly Fault[] = [
  {
    title: "killed",
    begin: (redis) => redis.crash(),
    end: (redis) => redis.start(),
    reads: "refused",
    writes: "refused",
    publishes: "refused",
    opens: true,
    ready: 503,
  },
  {
    title: "stopped (SIGSTOP)",
    begin: async (redis) => redis.process().kill("SIGSTOP"),
    end: async (redis) => redis.process().kill("SIGCONT"),
    reads: "refused",
    writes: "refused",
    publishes: "refused",
    opens: true,
    ready: 503,
  },
  {
    title: "read-only",
    // A replica of a master that is not there.
    begin: (redis) => told(redis, ["REPLICAOF", "127.0.0.1", "1"]),
    end: (redis) => told(redis, ["REPLICAOF", "NO", "ONE"]),
    reads: "known",
    writes: "refused",
    publishes: "taken",
    opens: false,
    ready: 200,
  },
  {
    title: "without the replicas it needs to write (min-replicas-to-write)",
    begin: (redis) => told(redis, ["CONFIG", "SET", "min-replicas-to-write", "1"]),
    end: (redis) => told(redis, ["CONFIG", "SET", "min-replicas-to-write", "0"]),
    reads: "known",
    writes: "refused",
    publishes: "taken",
    opens: false,
    ready: 200,
  },
  {
    title: "flushed",
    begin: (redis) => told(redis, ["FLUSHALL"]),
    end: async () => undefined,
    reads: "none",
    writes: "taken",
    publishes: "taken",
    opens: false,
    ready: 200,
  },
  {
    title: "full (maxmemory, noeviction)",
    begin: (redis) =>
      told(redis, ["CONFIG", "SET", "maxmemory-policy", "noeviction"], ["CONFIG", "SET", "maxmemory", "1"]),
    end: (redis) => told(redis, ["CONFIG", "SET", "maxmemory", "0"]),
    reads: "known",
    writes: "refused",
    publishes: "taken",
    opens: false,
    ready: 200,
  },
];

const noRedis = missing("redis-server");

describe.skipIf(noRedis !== undefined)(titled("shared state while Redis is", noRedis), () => {
  let redis: Daemon;
  let state: SharedState;
  let other: SharedState;
  let circuit: boolean[];
  const connect = (circuitChanged?: (isOpen: boolean) => void) =>
    redisState({
      url: redis.url,
      prefix: "test:",
      log: silentLog,
      commandTimeoutMs: 300,
      connectTimeoutMs: 300,
      maxRetryDelayMs: 100,
      healthIntervalMs: 200,
      circuitOpenMs: 1000,
      circuitChanged,
    });
  beforeEach(async () => {
    redis = await startRedis();
    circuit = [];
    state = connect((isOpen) => circuit.push(isOpen));
    other = connect();
    await Promise.all([state.ping(), other.ping()]);
  });
  afterEach(async () => {
    await Promise.all([state?.close(), other?.close()]);
    await redis?.stop();
  });
  const outcome = <T>(work: Promise<T>) =>
    work.then(
      () => "taken",
      (error: { code?: string }) => error.code,
    );

  it.each(FAULTS)("$title", async (fault) => {
    const [refused, taken] = ["MCPS_STATE", "taken"];
    await state.set("known", "value", LONG);
    const before = await state.acquire("lease", "me", LONG);
    const seen: string[] = [];
    await other.subscribe("channel", (message) => seen.push(message));

    await fault.begin(redis);
    if (fault.opens)
      await until(async () => {
        await outcome(state.ping());
        return circuit.length > 0;
      }, "the circuit to open");
    else {
      // The first write that is refused as read-only looks for another master.
      await outcome(state.set("first", "value", LONG));
      await until(() => state.ping().then(() => true), "an answer");
    }
    const read = await state.get("known").then(
      (value) => (value === undefined ? "none" : "known"),
      () => "refused",
    );
    expect({
      read,
      write: await outcome(state.set("new", "value", LONG)),
      append: await outcome(state.append("log", "entry", { cap: 5, ttlMs: LONG })),
      lease: await outcome(state.acquire("lease", "me", LONG)),
      fenced: await outcome(state.putFenced("fenced", "value", LONG, before.fence)),
      published: await outcome(state.publish("channel", "meanwhile")),
      circuit,
    }).toEqual({
      read: fault.reads,
      write: fault.writes === "taken" ? taken : refused,
      append: fault.writes === "taken" ? taken : refused,
      lease: fault.writes === "taken" ? taken : refused,
      fenced: fault.writes === "taken" ? taken : refused,
      published: fault.publishes === "taken" ? taken : refused,
      circuit: fault.opens ? [true] : [],
    });

    await fault.end(redis);
    await until(() => state.set("new", "value", LONG), "writes to be taken");
    await until(async () => {
      await state.publish("channel", "afterwards").catch(() => undefined);
      return seen.includes("afterwards");
    }, "a message");
    const after = await state.acquire("lease", "me", LONG);
    expect(circuit).toEqual(fault.opens ? [true, false] : []);
    // A lease that was kept has its fence, one that was lost a higher one.
    const isLost = fault.reads === "none" || fault.title === "killed";
    expect(after.fence > before.fence).toBe(isLost);
    expect(after.fence).toBeGreaterThanOrEqual(before.fence);
  });

  it.each(FAULTS)(
    "$title: a cache answers what it has, loads the rest, and forgets what was changed meanwhile",
    async (fault) => {
      const truth = { value: "old" };
      const open = (of: SharedState) =>
        createCache<string>({
          name: "fault",
          ttlMs: LONG,
          maxEntries: 10,
          load: async () => truth.value,
          shared: { state: of, encode: (value) => value, decode: (text) => text, secondTimeoutMs: 200 },
          now: Date.now,
        });
      const [mine, theirs] = [open(state), open(other)];
      await Promise.all([invalidationsOf(state).check(), invalidationsOf(other).check()]);
      await mine.get("k");
      await theirs.get("k");
      await fault.begin(redis);
      truth.value = "new";
      await theirs.invalidate("k");
      expect([await theirs.get("k"), await theirs.get("unknown")]).toEqual(["new", "new"]);
      expect(["old", "new"]).toContain(await mine.get("k"));
      await fault.end(redis);
      await until(async () => {
        await Promise.all([invalidationsOf(other).check(), invalidationsOf(state).check()]);
        return (await mine.get("k")) === "new";
      }, "the change");
    },
  );

  it("gives a lease on when its holder is killed, with a higher fence, and refuses what the former one still writes", async () => {
    const script = join(import.meta.dirname, "lease-holder.ts");
    const start = (name: string) =>
      run(process.execPath, [script, redis.url, name], { env: { PATH: process.env.PATH } });
    const fenceIn = (text: string) => Number(/"acquired":(\d+)/.exec(text)?.[1] ?? 0);
    const one = start("one");
    await until(() => fenceIn(one.stdout()) > 0, "the first holder");
    const two = start("two");
    await until(async () => (await state.acquire("lease:task", "me", LONG)).fence === 0, "a lease that stands");
    const former = fenceIn(one.stdout());
    expect(await state.putFenced("work", "of one", LONG, former)).toBe(true);
    expect(fenceIn(two.stdout())).toBe(0);

    one.kill("SIGKILL");
    await one.exited;
    await until(() => fenceIn(two.stdout()) > 0, "the second holder");
    const latter = fenceIn(two.stdout());
    expect(latter).toBeGreaterThan(former);
    // Fences are microseconds of the server's clock: the lease went on within its time from the last renewal, which was after the first.
    expect(await state.putFenced("work", "of two", LONG, latter)).toBe(true);
    expect(await state.putFenced("work", "late, of one", LONG, former)).toBe(false);
    expect((await state.mapGet("work")).get("value")).toBe("of two");
    two.kill("SIGKILL");
    await two.exited;
  });
});

describe.skipIf(noRedis !== undefined)(titled("a gateway while Redis is", noRedis), () => {
  let redis: Daemon;
  let fixture: Everything;
  let gateway: Gateway;
  let session: LegacySession;
  const echo = { name: "up__echo", arguments: { text: "still here" } };
  const echoed = { result: { content: [{ type: "text", text: "still here" }] } };
  const statusOf = async (path: string) => (await send("GET", gateway.url + path, gateway.headers)).status;
  const metric = async (name: string) => {
    const { text } = await send("GET", `${gateway.url}/metrics`, gateway.headers);
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  };

  beforeAll(async () => {
    [redis, fixture] = await Promise.all([startRedis(), startEverything()]);
    gateway = await startGateway({
      env: {
        REDIS_URL: redis.url,
        REDIS_COMMAND_TIMEOUT: "0.3",
        REDIS_SOCKET_CONNECT_TIMEOUT: "0.3",
        REDIS_RETRY_INTERVAL_MS: "200",
        REDIS_CIRCUIT_OPEN_DURATION: "1",
        REDIS_LEADER_TTL: "2",
        REDIS_LEADER_HEARTBEAT_INTERVAL: "0.5",
      },
    });
    await register(gateway, { name: "up", url: fixture.url });
    session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    expect((await session.call(0, "tools/call", echo)).json()).toMatchObject(echoed);
  });
  afterAll(async () => {
    await gateway?.stop();
    await fixture?.close();
    await redis?.stop();
  });

  // One that fails leaves the next a Redis that works.
  let ending: Fault | undefined;
  afterEach(async () => {
    await ending?.end(redis);
    ending = undefined;
  });

  it.each(FAULTS)("$title", async (fault) => {
    const opened = (await metric("mcp_redis_circuit_opened_total")) || 0;
    await fault.begin(redis);
    ending = fault;
    let id = 100;
    const call = async () => (await session.call(++id, "tools/call", echo)).json();
    // Sessions are in their tokens, calls need no state: they are served from the first moment on.
    for (let tries = 0; tries < 5; tries++) expect(await call()).toMatchObject(echoed);
    await until(async () => (await statusOf("/ready")) === fault.ready, `/ready to say ${fault.ready}`);
    expect((await session.call(++id, "tools/list")).text).toContain("up__echo");
    if (fault.opens) await until(async () => (await metric("mcp_redis_circuit_open")) === 1, "the circuit to open");
    expect(((await metric("mcp_redis_circuit_opened_total")) || 0) > opened).toBe(fault.opens);
    expect(await call()).toMatchObject(echoed);
    await fault.end(redis);
    ending = undefined;

    await until(async () => (await statusOf("/ready")) === 200, "/ready");
    await until(async () => !((await metric("mcp_redis_circuit_open")) > 0), "the circuit to close");
    expect(await call()).toMatchObject(echoed);
    // What is kept in Redis works anew: sessions, subscriptions, streams.
    await until(async () => {
      const fresh = await openLegacySession(gateway.mcpUrl, gateway.headers);
      const subscribed = await fresh.call(1, "resources/subscribe", { uri: "up+test://watched-resource" });
      return subscribed.text.includes('"result"');
    }, "a subscription");
  });
});

/** The shared state on every kind of Redis that REDIS_URL names: the conformance suite, servers that die or stall, what is refused. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisState, type SharedState } from "../../gateway/coordination/index.ts";
import type { Log } from "../../gateway/telemetry/index.ts";
import { describeSharedState, until } from "../gateway/coordination/conformance.ts";
import { recordingLog, silentLog } from "../gateway/coordination/log.ts";
import {
  type Certificates,
  type Daemon,
  endedStart,
  freePort,
  makeCertificates,
  missing,
  send,
  startGateway,
  temporaryDirectory,
  titled,
  waitFor,
} from "../harness/index.ts";
import { PASSWORD, startCluster, startProtected, startSentinels, type Topology } from "./redis-topologies.ts";

const REFUSED = expect.objectContaining({ code: "MCPS_STATE" });
const SECRETS = /p@ss|p%40ss|s&ntinel|s%26ntinel/;

const absent = missing("redis-server", "redis-cli", "openssl");
describe.skipIf(absent !== undefined)(titled("kinds of Redis", absent), () => {
  let certificates: Certificates;
  let authorities: string;
  beforeAll(async () => {
    certificates = await makeCertificates("IP:127.0.0.1");
    authorities = readFileSync(certificates.authority, "utf8");
  });
  afterAll(() => certificates?.remove());

  const connect = (
    url: string,
    log: Log = silentLog,
    trusted: { authorities?: string } = { authorities },
  ): SharedState =>
    redisState({
      url,
      certificates: trusted,
      prefix: "test:",
      log,
      commandTimeoutMs: 1000,
      connectTimeoutMs: 1000,
      maxRetryDelayMs: 100,
      healthIntervalMs: 200,
    });
  const pairAt = (url: string) => {
    const [a, b] = [connect(url), connect(url)];
    return { a, b, close: async () => void (await Promise.all([a.close(), b.close()])) };
  };
  /** Subscriptions come back by themselves; until then messages go nowhere, so send until one arrives. */
  const delivered = (sender: SharedState, channel: string, text: string, seen: readonly string[]) =>
    until(async () => {
      await sender.publish(channel, text).catch(() => undefined);
      return seen.includes(text);
    }, `"${text}" on ${channel}`);

  describe("one server with TLS and users", () => {
    let server: Topology;
    beforeAll(async () => {
      server = await startProtected(certificates);
    });
    afterAll(() => server?.stop());

    describeSharedState("Redis with TLS and users", async () => pairAt(server.url));

    it.each([
      ["an unknown authority", (url: string) => url, "well-known", /: SELF_SIGNED_CERT_IN_CHAIN$/],
      ["a certificate of another name", atLocalhost, "ours", /: ERR_TLS_CERT_ALTNAME_INVALID$/],
      ["no TLS", (url: string) => url.replace("rediss", "redis"), "ours", /: (?:ECONNRESET|Connection is closed\.)$/],
      [
        "a wrong password",
        (url: string) => url.replace(encodeURIComponent(PASSWORD), "p%40ss"),
        "ours",
        /: WRONGPASS invalid username-password pair or user is disabled\.$/,
      ],
      [
        "the default user, which is off",
        (url: string) => url.replace("app", ""),
        "ours",
        /: WRONGPASS invalid username-password pair or user is disabled\.$/,
      ],
    ])("refuses %s and says no password", async (_, change, trust, reason) => {
      const { log, lines } = recordingLog();
      const state = connect(change(server.url), log, trust === "ours" ? { authorities } : {});
      const refusal = await state.get("k").catch((error: unknown) => error);
      await state.close();
      expect(refusal).toMatchObject({
        code: "MCPS_STATE",
        message: expect.stringMatching(reason),
      });
      expect(lines).toEqual([
        { level: "warn", event: "state.redis_down", fields: { role: "commands", reason: expect.any(String) } },
      ]);
      expect(JSON.stringify([refusal, lines])).not.toMatch(SECRETS);
    });

    it("keeps the gateway to the keys and channels of its prefix", async () => {
      const outside = redisState({ url: server.url, certificates: { authorities }, prefix: "other:", log: silentLog });
      await expect(outside.set("k", "v", 1000)).rejects.toEqual(REFUSED);
      await expect(outside.publish("c", "m")).rejects.toEqual(REFUSED);
      await expect(outside.subscribe("c", () => undefined)).rejects.toEqual(REFUSED);
      await outside.close();
    });
  });

  describe.each(["plain", "TLS"] as const)("sentinels, %s", (transport) => {
    let topology: Topology;
    beforeAll(async () => {
      topology = await startSentinels(transport === "TLS" ? certificates : undefined);
    });
    afterAll(() => topology?.stop());

    describeSharedState(`Redis with sentinels, ${transport}`, async () => pairAt(topology.url));

    it("refuses while the master is gone, and goes on with its subscriptions at the new one", async () => {
      const { log, lines } = recordingLog();
      const [state, other] = [connect(topology.url, log), connect(topology.url)];
      const seen: string[] = [];
      await state.subscribe("life", (message) => seen.push(message));
      await delivered(other, "life", "before", seen);
      await state.append("log", "kept", { cap: 5, ttlMs: 600_000 });
      const [master, replica] = [topology.daemons[0], topology.daemons[1]];
      // What the replica does not have yet would be lost.
      await until(
        () => topology.askServer(replica?.port ?? 0, "exists", "test:log").trim() === "1",
        "the log at the replica",
      );

      await master?.crash();
      await expect(state.get("k")).rejects.toEqual(REFUSED);
      await expect(state.append("log", "refused", { cap: 5, ttlMs: 1000 })).rejects.toEqual(REFUSED);
      await expect(state.publish("life", "lost")).rejects.toEqual(REFUSED);
      await expect(state.subscribe("more", () => undefined)).rejects.toEqual(REFUSED);

      await until(() => state.append("log", "after", { cap: 5, ttlMs: 600_000 }).then(() => true), "a new master");
      expect((await state.readAfter("log", 0)).entries.map(({ entry }) => entry)).toEqual(["kept", "after"]);
      await delivered(other, "life", "after", seen);
      const outages = lines.filter(({ event }) => event === "state.redis_down");
      expect(outages.map(({ fields }) => fields?.role).toSorted()).toEqual(["commands", "subscriptions"]);
      expect(lines.filter(({ event }) => event === "state.redis_up")).toHaveLength(2);
      expect(JSON.stringify(lines)).not.toMatch(SECRETS);

      // The old master comes back and is told to follow: nobody writes to it.
      await master?.start();
      await until(
        () => topology.askServer(master?.port ?? 0, "info", "replication").includes("role:slave"),
        "the old master as a replica",
      );
      await state.set("k", "v", 60_000);
      expect(await other.get("k")).toBe("v");
      await delivered(other, "life", "last", seen);
      await state.close();
      await other.close();
    });

    it("asks the next sentinel when one stalls, and waits for one when all are gone", async () => {
      const sentinels = topology.daemons.slice(2);
      sentinels[0]?.process().kill("SIGSTOP");
      const patient = connect(topology.url);
      await until(() => patient.ping().then(() => true), "an answer past the sentinel that stalls");
      sentinels[0]?.process().kill("SIGCONT");

      await Promise.all(sentinels.map((sentinel) => sentinel.crash()));
      // Who is connected needs no sentinel.
      await patient.ping();
      const late = connect(topology.url);
      await expect(late.ping()).rejects.toEqual(REFUSED);
      await expect(late.subscribe("late", () => undefined)).rejects.toEqual(REFUSED);
      await Promise.all(sentinels.map((sentinel) => sentinel.start()));
      await until(() => late.ping().then(() => true), "an answer once sentinels are there");
      const seen: string[] = [];
      await until(() => late.subscribe("late", (message) => seen.push(message)).then(() => true), "a subscription");
      await delivered(patient, "late", "m", seen);
      await patient.close();
      await late.close();
    });
  });

  describe.each(["plain", "TLS"] as const)("a cluster, %s", (transport) => {
    let topology: Topology;
    beforeAll(async () => {
      topology = await startCluster(await busPorts(), transport === "TLS" ? certificates : undefined);
    });
    afterAll(() => topology?.stop());

    const nodesWith = (role: string): Daemon[] => {
      const rows = topology.askServer(livingPort(), "cluster", "nodes").split("\n");
      return topology.daemons.filter(({ port }) =>
        rows.some((row) => row.includes(`:${port}@`) && row.includes(role) && !row.includes("fail")),
      );
    };
    const livingPort = (): number => {
      const living = topology.daemons.find(({ port }) => answers(topology, port));
      return living?.port ?? 0;
    };
    /** The node that holds the key. */
    const holderOf = (key: string): Daemon => {
      const found = nodesWith("master").find(
        ({ port }) => !/MOVED|CLUSTERDOWN/.test(topology.askServer(port, "exists", `test:${key}`)),
      );
      if (found === undefined) throw new Error(`nobody holds ${key}`);
      return found;
    };
    const isSubscribed = ({ port }: Daemon): boolean =>
      answers(topology, port) &&
      topology.askServer(port, "client", "list", "type", "pubsub").includes("mcp-stack-subscriptions");
    /** The one node with a subscription; undefined while a closed connection still counts. */
    const subscribedNode = (): Daemon | undefined => {
      const [first, ...others] = topology.daemons.filter(isSubscribed);
      return others.length === 0 ? first : undefined;
    };

    describeSharedState(`Redis Cluster, ${transport}`, async () => pairAt(topology.url));

    it("spreads keys over all masters", async () => {
      const state = connect(topology.url);
      const keys = Array.from({ length: 60 }, (_, index) => `spread:${index}`);
      await Promise.all(keys.map((key) => state.set(key, key, 60_000)));
      expect(await Promise.all(keys.map((key) => state.get(key)))).toEqual(keys);
      expect(new Set(keys.map((key) => holderOf(key).port)).size).toBe(3);
      await state.close();
    });

    it("refuses what a dead master held and nothing else, until its replica takes over", async () => {
      const [state, other] = [connect(topology.url), connect(topology.url)];
      const keys = Array.from({ length: 30 }, (_, index) => `life:${index}`);
      await Promise.all(keys.map((key) => state.append(key, "kept", { cap: 5, ttlMs: 600_000 })));
      const victim = holderOf("life:0");
      const held = keys.filter((key) => holderOf(key) === victim);
      const replicas = () => nodesWith("slave");
      await until(
        () =>
          replicas().every(({ port }) => /master_link_status:up/.test(topology.askServer(port, "info", "replication"))),
        "replicas that follow",
      );
      const seen: string[] = [];
      await state.subscribe("life:0", (message) => seen.push(message));
      await delivered(other, "life:0", "before", seen);

      await victim.crash();
      try {
        const answers = await Promise.all(
          keys.map((key) =>
            state.readAfter(key, 0).then(
              () => "answered",
              (error: { code: string }) => error.code,
            ),
          ),
        );
        expect(answers).toEqual(keys.map((key) => (held.includes(key) ? "MCPS_STATE" : "answered")));

        await until(() => state.append("life:0", "after", { cap: 5, ttlMs: 600_000 }).then(() => true), "a new master");
        // A node that has not heard of the failover yet may still name the dead one, and what goes there is refused.
        await until(() => Promise.all(keys.map((key) => state.readAfter(key, 0))).then(() => true), "all keys");
        expect((await state.readAfter("life:0", 0)).entries.map(({ entry }) => entry)).toEqual(["kept", "after"]);
        await delivered(other, "life:0", "after", seen);
      } finally {
        await victim.start();
        await state.close();
        await other.close();
      }
      await until(() => nodesWith("slave").includes(victim), "the dead master as a replica");
    });

    it.each([
      ["dies", (node: Daemon) => node.crash(), (node: Daemon) => node.start()],
      [
        "stalls",
        async (node: Daemon) => node.process().kill("SIGSTOP"),
        async (node: Daemon) => node.process().kill("SIGCONT"),
      ],
    ])("subscribes elsewhere when the node it is subscribed at %s", async (_, fall, rise) => {
      const [state, other] = [connect(topology.url), connect(topology.url)];
      const seen: string[] = [];
      await state.subscribe("elsewhere", (message) => seen.push(message));
      await delivered(other, "elsewhere", "before", seen);
      const node = subscribedNode();
      if (node === undefined) throw new Error("nobody has the subscription");
      await fall(node);
      try {
        await delivered(other, "elsewhere", "after", seen);
      } finally {
        await rise(node);
      }
      await until(
        () =>
          topology.daemons.every(({ port }) =>
            topology.askServer(port, "cluster", "info").includes("cluster_state:ok"),
          ),
        "six nodes again",
      );
      await state.close();
      await other.close();
    });

    it("subscribes elsewhere when its node is alone in the world, though it answers", async () => {
      const other = connect(topology.url);
      const seen: string[] = [];
      let state: SharedState | undefined;
      let node: Daemon | undefined;
      // A replica, since Redis resets no master that holds keys.
      await until(async () => {
        await state?.close();
        await until(() => topology.daemons.every((one) => !isSubscribed(one)), "no subscription");
        state = connect(topology.url);
        await state.subscribe("alone", (message) => seen.push(message));
        node = subscribedNode();
        return node !== undefined && nodesWith("slave").includes(node);
      }, "a subscription at a replica");
      await delivered(other, "alone", "before", seen);
      topology.askServer(node?.port ?? 0, "cluster", "reset", "hard");
      await delivered(other, "alone", "after", seen);
      expect(subscribedNode()).not.toBe(node);
      await state?.close();
      await other.close();
    });
  });

  describe("the gateway", () => {
    let sentinels: Topology;
    beforeAll(async () => {
      sentinels = await startSentinels(certificates);
    });
    afterAll(() => sentinels?.stop());

    it("is ready at the master that sentinels name, through a failover, and says no password", async () => {
      const gateway = await startGateway({
        env: {
          REDIS_URL: sentinels.url,
          REDIS_CA_FILE: certificates.authority,
          CACHE_PREFIX: "test:",
          LOG_LEVEL: "debug",
        },
      });
      const ready = async () => (await send("GET", `${gateway.url}/ready`, gateway.headers)).json();
      try {
        expect(await ready()).toMatchObject({ checks: { state: "ok" } });
        await sentinels.daemons[0]?.crash();
        await waitFor(async () => JSON.stringify(await ready()).includes("does not answer"), 60_000, "an outage");
        await waitFor(async () => JSON.stringify(await ready()).includes('"state":"ok"'), 60_000, "the new master");
      } finally {
        await gateway.stop();
      }
      expect(gateway.stderr()).toContain("state.redis_up");
      expect(gateway.stderr()).not.toMatch(SECRETS);
    });

    it("does not start with a file of authorities that it cannot use", async () => {
      const directory = await temporaryDirectory();
      const { code, stderr } = await endedStart({
        DATA_DIR: directory.path,
        REDIS_URL: sentinels.url,
        REDIS_CA_FILE: "/nonexistent/ca.pem",
      });
      await directory.remove();
      expect(code).toBe(1);
      expect(stderr).toContain(
        'MCPS_SETTINGS: 1 setting(s) cannot be used:\n  REDIS_CA_FILE is "/nonexistent/ca.pem", it has to be a file that can be read',
      );
      expect(stderr).not.toMatch(SECRETS);
    });
  });
});

function atLocalhost(url: string): string {
  return url.replace("127.0.0.1", "localhost");
}

function busPorts(): Promise<readonly number[]> {
  return Promise.all(Array.from({ length: 6 }, freePort));
}

function answers(topology: Topology, port: number): boolean {
  try {
    return topology.askServer(port, "ping").includes("PONG");
  } catch {
    return false;
  }
}

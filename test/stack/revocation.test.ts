/**
 * A token that is revoked at one replica is refused by every worker of the other: by message where there is Redis, and within the time that
 * a look is believed where there is none, where it is away, or where nobody answers about it at all.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closing } from "../harness/closing.ts";
import {
  type Daemon,
  type Gateway,
  message,
  missing,
  rest,
  send,
  startGateway,
  startPostgres,
  startRedis,
  titled,
  waitFor,
} from "../harness/index.ts";

const SECRET = "a secret that both replicas share, long enough for HS256";
const WORKERS = 2;
/** A worker that was never asked says nothing: enough for all four by chance. */
const ROUNDS = 12;

/** Enough for a busy machine to ask all of them, and half of what a look is believed where it must not be waited for. */
const WITHIN_MS = 30_000;

/** `ttlS`: how long a look is believed. */
const CASES = [
  { title: "with Redis", redis: true, dies: false, ttlS: 60 },
  { title: "without Redis", redis: false, dies: false, ttlS: 5 },
  { title: "with a Redis that is away", redis: true, dies: true, ttlS: 5 },
] as const;

const closers = closing();

/** What is told of identities over this Redis: the messages, and how many listen to them besides. */
async function overhear(port: number): Promise<{ readonly heard: readonly string[]; listening(): Promise<number> }> {
  const [ear, mouth] = [new Redis(port, "127.0.0.1"), new Redis(port, "127.0.0.1")];
  closers.push(() => [ear, mouth].map((client) => client.disconnect()));
  const heard: string[] = [];
  let channel = "";
  ear.on("pmessage", (_, name: string, text: string) => {
    channel = name;
    heard.push(text);
  });
  await ear.psubscribe("*identity");
  return { heard, listening: async () => Number((await mouth.pubsub("NUMSUB", channel))[1]) };
}

describe.each(CASES)("a revoked token, $title,", ({ redis: withRedis, dies, ttlS }) => {
  const absent = missing("postgres", ...(withRedis ? (["redis-server"] as const) : []));
  describe.skipIf(absent !== undefined)(titled("two replicas of two workers", absent), () => {
    const daemons: Daemon[] = [];
    const gateways: Gateway[] = [];
    let redis: Daemon | undefined;
    beforeAll(async () => {
      const postgres = await startPostgres();
      daemons.push(postgres);
      if (withRedis) redis = await startRedis();
      if (redis !== undefined) daemons.push(redis);
      const env = {
        DATABASE_URL: postgres.url,
        ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
        JWT_SECRET_KEY: SECRET,
        AUTH_ENCRYPTION_SECRET: SECRET,
        SESSION_KEYS: SECRET,
        WORKERS: String(WORKERS),
        AUTH_CACHE_TTL: String(ttlS),
        AUTH_CACHE_REVOCATION_TTL: String(ttlS),
        AUTH_CACHE_USER_TTL: String(ttlS),
        REDIS_COMMAND_TIMEOUT: "0.5",
      };
      gateways.push(...(await Promise.all([startGateway({ env }), startGateway({ env })])));
    });
    afterAll(async () => {
      await Promise.all(gateways.map((gateway) => gateway.stop()));
      for (const daemon of daemons.reverse()) await daemon.stop();
    });

    /** Over a connection of its own, so that any worker may answer. */
    async function statusOf(gateway: Gateway, token: string): Promise<number> {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", connection: "close" };
      return (await send("POST", `${gateway.url}/rpc`, headers, message(1, "ping"))).status;
    }
    async function seen(token: string): Promise<number[]> {
      const rounds = await Promise.all(
        Array.from({ length: ROUNDS }, () => Promise.all(gateways.map((gateway) => statusOf(gateway, token)))),
      );
      return [...new Set(rounds.flat())];
    }

    it("is refused by all of them in time, and its neighbour is not", async () => {
      const [one, two] = gateways;
      if (one === undefined || two === undefined) throw new Error("there are no two gateways");
      const make = async (name: string) => {
        const { status, body } = await rest(one, "POST", "/tokens", { name });
        expect(status).toBe(201);
        const text = JSON.stringify(body);
        const token = /"(?:access_token|token)":"([^"]{20,})"/.exec(text)?.[1] ?? "";
        return { id: /"id":"([^"]+)"/.exec(text)?.[1] ?? "", token };
      };
      const [revoked, kept] = [await make("revoked"), await make("kept")];
      expect([await seen(revoked.token), await seen(kept.token)]).toEqual([[200], [200]]);
      if (dies) {
        await redis?.crash();
        await seen(kept.token);
      }
      const talk = redis === undefined || dies ? undefined : await overhear(redis.port);
      expect((await rest(two, "DELETE", `/tokens/${revoked.id}`)).status).toBeLessThan(300);
      await waitFor(
        async () => (await seen(revoked.token)).every((status) => status === 401),
        WITHIN_MS,
        "401 of every worker",
      );
      if (talk !== undefined) {
        // A look at the version of identities, every few seconds, would have found it too: so the message itself is asked for.
        await waitFor(() => talk.heard.some((text) => text.includes(revoked.id)), WITHIN_MS, "the message");
        // A worker may still have been starting when the others answered.
        await waitFor(
          async () => (await talk.listening()) === gateways.length * WORKERS,
          WITHIN_MS,
          "every worker's ear",
        );
      }
      for (let turn = 0; turn < 3; turn++) expect(await seen(revoked.token)).toEqual([401]);
      expect(await seen(kept.token)).toEqual([200]);
    });
  });
});

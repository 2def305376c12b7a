/** Two gateway processes on one PostgreSQL, with or without Redis, with a legacy and a modern upstream; and how a client speaks to either. */
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  type Answer,
  type Daemon,
  type EventStream,
  type Gateway,
  type LegacySession,
  message,
  openLegacySession,
  openStream,
  register,
  send,
  startGateway,
  startPostgres,
  startRedis,
  waitFor,
} from "../harness/index.ts";

const SECRET = "a secret that both replicas share, long enough for HS256";

/** Upstream slugs are `up` (legacy) and `mod` (modern). */
export type ReplicaPair = {
  one: Gateway;
  two: Gateway;
  readonly legacy: Everything;
  readonly modern: Everything;
  /** A new replica with the same settings. */
  startReplica(): Promise<Gateway>;
  /** A session opened at `one`, once both replicas know both upstreams. */
  openOnBoth(capabilities?: object): Promise<LegacySession>;
  stop(): Promise<void>;
};

/** `env`: more settings of both. */
export async function startReplicaPair(
  withRedis: boolean,
  env: Readonly<Record<string, string>> = {},
): Promise<ReplicaPair> {
  const daemons: Daemon[] = [await startPostgres()];
  if (withRedis) daemons.push(await startRedis());
  const [postgres, redis] = daemons;
  const startReplica = (): Promise<Gateway> =>
    startGateway({
      env: {
        DATABASE_URL: postgres?.url ?? "",
        ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
        JWT_SECRET_KEY: SECRET,
        AUTH_ENCRYPTION_SECRET: SECRET,
        SESSION_KEYS: SECRET,
        ...env,
      },
    });
  const [legacy, modern] = await Promise.all([
    startEverything({ mode: "legacy" }),
    startEverything({ mode: "modern" }),
  ]);
  // Both at once: the migrations have to stand that.
  const [one, two] = await Promise.all([startReplica(), startReplica()]);
  await register(one, { name: "up", url: legacy.url });
  await register(one, { name: "mod", url: modern.url });
  const pair: ReplicaPair = {
    one,
    two,
    legacy,
    modern,
    startReplica,
    async openOnBoth(capabilities = {}) {
      const session = await openLegacySession(pair.one.mcpUrl, pair.one.headers, { capabilities });
      await waitFor(
        async () => {
          const { text } = await callAt(pair.two, session, 0, "tools/list");
          return text.includes("up__echo") && text.includes("mod__echo");
        },
        60_000,
        "both views",
      );
      return session;
    },
    async stop() {
      await Promise.all([pair.one.stop(), pair.two.stop()]);
      await Promise.all([legacy.close(), modern.close()]);
      for (const daemon of daemons.reverse()) await daemon.stop();
    },
  };
  return pair;
}

/** A request of one session, sent to any replica. */
export function callAt(
  gateway: Gateway,
  session: LegacySession,
  id: number,
  method: string,
  params?: object,
): Promise<Answer> {
  return send("POST", gateway.mcpUrl, session.headers, message(id, method, params));
}

/** The GET stream of a session at any replica, from `lastEventId` on when given. */
export function listenAt(gateway: Gateway, session: LegacySession, lastEventId?: string): Promise<EventStream> {
  return openStream("GET", gateway.mcpUrl, {
    ...session.headers,
    accept: "text/event-stream",
    ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
  });
}

/** The first message on the stream that contains the text. */
export async function messageWith(stream: EventStream, text: string, deadlineMs = 15_000): Promise<unknown> {
  const found = await waitFor(
    () => stream.events.find(({ data }) => data.includes(text)),
    deadlineMs,
    `a message with ${text}`,
  );
  return JSON.parse(found.data);
}

/** Redis as larger stacks run it: a master with a replica under three sentinels, and a cluster of three masters with a replica each. */
import { execFileSync } from "node:child_process";
import { type Certificates, type Daemon, installed, startRedis, waitFor } from "../harness/index.ts";

/** With every sign that a URL gives a meaning, but a blank, which redis.conf splits at. */
export const PASSWORD = "p@ss/w:o?r#d,%40";
export const SENTINEL_PASSWORD = "s&ntinel=p@ss";

/** A user with what the gateway needs and no more; the administrator is `default`. */
const USER = `user app on ">${PASSWORD}" ~test:* &test:* +@read +@write +@pubsub +@scripting +@connection -@dangerous +info +time +cluster|slots +cluster|info`;
const USER_IN_URL = `app:${encodeURIComponent(PASSWORD)}@`;

export type Topology = {
  /** As REDIS_URL takes it. */
  readonly url: string;
  readonly daemons: readonly Daemon[];
  /** What redis-cli gets from one of the servers (not from a sentinel). */
  askServer(port: number, ...command: string[]): string;
  stop(): Promise<void>;
};

/** Lines for a port: plain, or TLS for clients, replicas and the cluster's bus. */
function listen(port: number, tls: Certificates | undefined): string[] {
  if (tls === undefined) return [`port ${port}`];
  return [
    "port 0",
    `tls-port ${port}`,
    `tls-cert-file ${tls.certificate}`,
    `tls-key-file ${tls.key}`,
    `tls-ca-cert-file ${tls.authority}`,
    "tls-auth-clients no",
    "tls-replication yes",
  ];
}

function asker(tls: Certificates | undefined, password: string) {
  const flags = tls === undefined ? [] : ["--tls", "--cacert", tls.authority];
  return (port: number, ...command: string[]): string =>
    execFileSync(installed("redis-cli"), ["-h", "127.0.0.1", "-p", String(port), ...flags, ...command], {
      encoding: "utf8",
      env: { ...process.env, REDISCLI_AUTH: password },
      timeout: 60_000,
    });
}

async function stopAll(daemons: readonly Daemon[]): Promise<void> {
  await Promise.all(daemons.map((daemon) => daemon.stop()));
}

/** One server with TLS and no user but `app`. */
export async function startProtected(tls: Certificates): Promise<Topology> {
  const daemon = await startRedis((port) => [...listen(port, tls), USER, "user default off"]);
  return {
    url: `rediss://${USER_IN_URL}127.0.0.1:${daemon.port}/0`,
    daemons: [daemon],
    askServer: asker(tls, PASSWORD),
    stop: () => daemon.stop(),
  };
}

/** The master is named `state`; servers and sentinels have different passwords. */
export async function startSentinels(tls: Certificates | undefined): Promise<Topology> {
  const daemons: Daemon[] = [];
  try {
    const protectedBy = [USER, `requirepass "${PASSWORD}"`, `masterauth "${PASSWORD}"`];
    const master = await startRedis((port) => [...listen(port, tls), ...protectedBy]);
    daemons.push(master);
    const follow = [`replicaof 127.0.0.1 ${master.port}`, "repl-diskless-sync-delay 0"];
    daemons.push(await startRedis((port) => [...listen(port, tls), ...protectedBy, ...follow]));
    const watch = [
      `requirepass "${SENTINEL_PASSWORD}"`,
      `sentinel sentinel-pass "${SENTINEL_PASSWORD}"`,
      `sentinel monitor state 127.0.0.1 ${master.port} 2`,
      `sentinel auth-pass state "${PASSWORD}"`,
      "sentinel down-after-milliseconds state 1000",
      "sentinel failover-timeout state 5000",
    ];
    const sentinels = [1, 2, 3].map(() => startRedis((port) => [...listen(port, tls), ...watch], "sentinel"));
    daemons.push(...(await Promise.all(sentinels)));
    const ports = daemons.slice(2).map(({ port }) => port);
    const ask = asker(tls, SENTINEL_PASSWORD);
    // Until all know each other and the replica, they could not agree on a new master.
    await waitFor(
      () => ports.every((port) => /slaves=1,sentinels=3/.test(ask(port, "info", "sentinel"))),
      60_000,
      "three sentinels that know one replica",
    );
    const hosts = ports.map((port) => `127.0.0.1:${port}`).join(",");
    return {
      url: `redis${tls === undefined ? "" : "s"}+sentinel://${USER_IN_URL}${hosts}/state?sentinelPassword=${encodeURIComponent(SENTINEL_PASSWORD)}`,
      daemons,
      askServer: asker(tls, PASSWORD),
      stop: () => stopAll(daemons),
    };
  } catch (error) {
    await stopAll(daemons);
    throw error;
  }
}

/** Six nodes; the URL names two of them. A master that is gone is replaced after a second or two. */
export async function startCluster(busPorts: readonly number[], tls: Certificates | undefined): Promise<Topology> {
  const daemons: Daemon[] = [];
  try {
    for (const busPort of busPorts) {
      const lines = [
        "cluster-enabled yes",
        // The default is the port and 10000, which need not be a port at all.
        `cluster-port ${busPort}`,
        "cluster-node-timeout 1500",
        // What the others hold is still served while one master is away.
        "cluster-require-full-coverage no",
        ...(tls === undefined ? [] : ["tls-cluster yes"]),
        USER,
        `requirepass "${PASSWORD}"`,
        `masterauth "${PASSWORD}"`,
        "repl-diskless-sync-delay 0",
      ];
      daemons.push(await startRedis((port) => [...listen(port, tls), ...lines]));
    }
    const ask = asker(tls, PASSWORD);
    const nodes = daemons.map(({ port }) => `127.0.0.1:${port}`);
    ask(daemons[0]?.port ?? 0, "--cluster", "create", ...nodes, "--cluster-replicas", "1", "--cluster-yes");
    await waitFor(
      () =>
        daemons.every(({ port }) => {
          const view = ask(port, "cluster", "nodes");
          return ask(port, "cluster", "info").includes("cluster_state:ok") && view.match(/slave /g)?.length === 3;
        }),
      60_000,
      "a cluster of three masters and three replicas",
    );
    await waitFor(
      () => daemons.every(({ port }) => !ask(port, "info", "replication").includes("master_link_status:down")),
      60_000,
      "replicas that follow",
    );
    return {
      url: `redis${tls === undefined ? "" : "s"}+cluster://${USER_IN_URL}${nodes[0]},${nodes[3]}`,
      daemons,
      askServer: ask,
      stop: () => stopAll(daemons),
    };
  } catch (error) {
    await stopAll(daemons);
    throw error;
  }
}

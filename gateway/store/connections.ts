/**
 * Connections of a pool: taken, looked at, given back. Whoever has one holds it for SQL and nothing else. No failure of a connection
 * ends the process.
 */
import pg from "pg";
import { driverOptions, type PoolOptions } from "./pool-options.ts";

/** How long a connection waits for more work once idle ones are released, ms. */
const LINGER_MS = 100;
/** Idle for less, a connection is taken for alive where that is left to the pool, ms. */
const TRUSTED_IDLE_MS = 10_000;

export type Connection = {
  readonly client: pg.PoolClient;
  /** `broken` is closed. Once. */
  release(state: "fine" | "broken"): void;
};

export interface Connections {
  /** Rejects when none comes free in time or none can be opened. */
  take(): Promise<Connection>;
  gauges(): { readonly total: number; readonly idle: number; readonly waiting: number };
  releaseIdle(): void;
  close(): Promise<void>;
}

/** Between two statements nobody else listens: the loss of the connection shows with the next statement. */
const ignore = (): void => undefined;

/** Opens no connection by itself. `asked` is told of each statement that only looks whether a connection lives. */
export function openConnections(options: PoolOptions, asked: () => void): Connections {
  const { poolSize, prePing = "auto", poolClass = "queue", log } = options;
  const pool = new pg.Pool(driverOptions(options));
  const usedAt = new WeakMap<pg.PoolClient, number>();
  // Without a listener the loss of an idle connection would end the process.
  pool.on("error", (error) => log.warn("database.connection_lost", { reason: error.message }));
  let closing: Promise<void> | undefined;

  function isDoubtful(client: pg.PoolClient): boolean {
    const last = usedAt.get(client);
    if (last === undefined || prePing === "false") return false;
    return prePing === "true" || performance.now() - last >= TRUSTED_IDLE_MS;
  }

  /** Above its size the pool keeps nobody, unless somebody waits. */
  const isSurplus = () => poolClass === "null" || (pool.totalCount > poolSize && pool.waitingCount === 0);

  function connectionOf(client: pg.PoolClient): Connection {
    client.on("error", ignore);
    return {
      client,
      release(state) {
        client.off("error", ignore);
        usedAt.set(client, performance.now());
        client.release(state === "broken" || isSurplus());
      },
    };
  }

  return {
    async take() {
      // Each doubtful one that does not answer is closed, so that this ends with a new one.
      for (;;) {
        const connection = connectionOf(await pool.connect());
        if (!isDoubtful(connection.client)) return connection;
        try {
          asked();
          await connection.client.query("select 1");
          return connection;
        } catch {
          connection.release("broken");
        }
      }
    },
    gauges: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    releaseIdle() {
      pool.options.idleTimeoutMillis = LINGER_MS;
      const release = (client: pg.PoolClient) => client.release(true);
      for (let count = pool.idleCount; count > 0; count--) pool.connect().then(release, () => undefined);
    },
    close() {
      closing ??= pool.end();
      return closing;
    },
  };
}

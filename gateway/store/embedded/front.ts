/**
 * Several connections on one embedded database. Its one session belongs to a connection for a group of messages, and for as long as
 * that connection has a transaction open; the others wait in the order they came. A connection that goes away, or lies idle in
 * its transaction, has it rolled back.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Log } from "../../telemetry/index.ts";
import { createSplitter } from "./frames.ts";

/** What the front needs of PGlite. */
export interface Engine {
  /** Runs raw protocol messages and gives the raw answer. */
  execProtocolRaw(message: Uint8Array): Promise<Uint8Array>;
}

export type FrontOptions = {
  readonly engine: Engine;
  readonly log: Log;
  readonly maxConnections: number;
  /** How long a transaction may wait for its next statement, ms. */
  readonly idleInTransactionMs: number;
  /** The engine itself failed: nothing it says can be trusted any more. */
  onBroken(reason: string): void;
};

type Work = { readonly connection: Connection; readonly bytes: Buffer };
type Connection = { readonly socket: Socket; gone: boolean };

const READY_FOR_QUERY = 0x5a;
const IDLE = 0x49;
const ROLLBACK = simpleQuery("rollback");
/** Groups that may wait for all connections together. */
const MAX_WAITING = 10_000;

function simpleQuery(text: string): Buffer {
  const body = Buffer.from(`${text}\0`);
  const head = Buffer.alloc(5, "Q");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** True when the answer ends with ReadyForQuery inside a transaction; undefined when it does not end with ReadyForQuery. */
function leavesTransaction(answer: Uint8Array): boolean | undefined {
  const at = answer.length - 6;
  if (at < 0 || answer[at] !== READY_FOR_QUERY || answer[at + 4] !== 5) return undefined;
  return answer[at + 5] !== IDLE;
}

/** The server is not listening yet. */
export function createFront(options: FrontOptions): { readonly server: Server; close(): Promise<void> } {
  const { engine, log } = options;
  const connections = new Set<Connection>();
  let waiting: Work[] = [];
  let owner: Connection | undefined;
  let idle: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let broken = false;

  function enqueue(connection: Connection, bytes: Buffer): void {
    if (waiting.length >= MAX_WAITING) return void connection.socket.destroy();
    waiting.push({ connection, bytes });
    wake();
  }

  function wake(): void {
    running ??= work().finally(() => {
      running = undefined;
      if (!broken && nextIndex() !== -1) wake();
    });
  }

  function nextIndex(): number {
    if (owner?.gone === true) return waiting.length === 0 ? -1 : 0;
    return owner === undefined ? (waiting.length === 0 ? -1 : 0) : waiting.findIndex((one) => one.connection === owner);
  }

  async function work(): Promise<void> {
    try {
      if (owner?.gone === true) await giveUp();
      for (let index = nextIndex(); index !== -1 && !broken; index = nextIndex()) {
        if (owner?.gone === true) await giveUp();
        const [one] = waiting.splice(index, 1);
        if (one === undefined) return;
        if (!one.connection.gone) await run(one);
      }
      if (owner?.gone === true) await giveUp();
    } catch (error) {
      broken = true;
      options.onBroken(error instanceof Error ? error.message : String(error));
    }
  }

  async function run({ connection, bytes }: Work): Promise<void> {
    clearTimeout(idle);
    const answer = await engine.execProtocolRaw(bytes);
    const inside = leavesTransaction(answer);
    if (inside !== undefined) owner = inside ? connection : undefined;
    if (owner === connection) idle = setTimeout(() => tooIdle(connection), options.idleInTransactionMs).unref();
    if (!connection.gone) connection.socket.write(answer);
  }

  async function giveUp(): Promise<void> {
    clearTimeout(idle);
    await engine.execProtocolRaw(ROLLBACK);
    owner = undefined;
  }

  function tooIdle(connection: Connection): void {
    log.warn("database.idle_transaction", { ms: options.idleInTransactionMs });
    connection.socket.destroy();
  }

  function accept(socket: Socket): void {
    const connection: Connection = { socket, gone: false };
    const splitter = createSplitter();
    connections.add(connection);
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      connection.gone = true;
      connections.delete(connection);
      waiting = waiting.filter((one) => one.connection !== connection);
      if (owner === connection) wake();
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const group of splitter.push(chunk)) {
          if (group.kind === "run") enqueue(connection, group.bytes);
          else if (group.kind === "encryption-request") socket.write("N");
          else socket.end();
        }
      } catch {
        socket.destroy();
      }
    });
  }

  const server = createServer(accept);
  server.maxConnections = options.maxConnections;
  server.on("error", (error) => log.error("database.front", { reason: error.message }));
  return {
    server,
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const { socket } of connections) socket.destroy();
      await Promise.all([closed, running]);
      clearTimeout(idle);
    },
  };
}

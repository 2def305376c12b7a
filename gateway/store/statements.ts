/** How a statement goes out: counted, under a name once it has gone out often enough, and logged when it is slow. */
import { createHash } from "node:crypto";
import type pg from "pg";
import type { Log } from "../telemetry/index.ts";
import { lostItsName } from "./failures.ts";
import type { PoolOptions } from "./pool-options.ts";

/** What statements are sent for: the registry, its version, the shared state, records, and looks at connections. */
export const PURPOSES = ["registry", "catalogue", "state", "records", "ping"] as const;
export type Purpose = (typeof PURPOSES)[number];
export type StatementCounts = Readonly<Record<Purpose, number>>;

/** Texts that are counted; there are fewer in this program, but for lists with conditions. */
const MAX_TEXTS = 500;
const MAX_LOGGED_CHARS = 300;

type Timed = { readonly slowMs: number; readonly log: Log; readonly now: () => number };

export class Statements {
  readonly counts: Record<Purpose, number> = { registry: 0, catalogue: 0, state: 0, records: 0, ping: 0 };
  readonly #threshold: number;
  readonly #timed: Timed;
  readonly #seen = new Map<string, { times: number; readonly name: string }>();
  /** Undefined until somebody has looked. */
  #namesWork: boolean | undefined;

  constructor({ prepareThreshold = 0, preparedStatements = "auto", slowStatementMs = 0, log }: PoolOptions) {
    this.#threshold = preparedStatements === "off" ? 0 : prepareThreshold;
    this.#namesWork = preparedStatements === "on" ? true : undefined;
    this.#timed = { slowMs: slowStatementMs, log, now: () => performance.now() };
  }

  /** `named`: outside a transaction; within one, a name that is lost would cost the transaction. */
  async send<Row extends Record<string, unknown>>(
    client: pg.ClientBase,
    purpose: Purpose,
    text: string,
    values: readonly unknown[],
    named: "named" | "unnamed",
  ): Promise<Row[]> {
    this.counts[purpose]++;
    const name = named === "named" ? await this.#nameOf(client, text) : undefined;
    const startedAt = this.#timed.now();
    try {
      return (await client.query<Row>({ text, values: [...values], ...(name === undefined ? {} : { name }) })).rows;
    } catch (error) {
      if (name === undefined || !lostItsName(error)) throw error;
      this.#namesWork = false;
      this.#timed.log.warn("database.prepared_statements_off", {
        reason: "a pooler does not keep them (DB_PREPARED_STATEMENTS)",
      });
      return (await client.query<Row>(text, [...values])).rows;
    } finally {
      this.#tellIfSlow(text, this.#timed.now() - startedAt);
    }
  }

  async #nameOf(client: pg.ClientBase, text: string): Promise<string | undefined> {
    if (this.#threshold === 0 || this.#namesWork === false) return undefined;
    let seen = this.#seen.get(text);
    if (seen === undefined) {
      if (this.#seen.size >= MAX_TEXTS) return undefined;
      seen = { times: 0, name: `s_${createHash("sha256").update(text).digest("hex").slice(0, 24)}` };
      this.#seen.set(text, seen);
    }
    seen.times++;
    if (seen.times <= this.#threshold) return undefined;
    this.#namesWork ??= await this.#isDirect(client);
    return this.#namesWork ? seen.name : undefined;
  }

  /** The process that the server names to its client at the start is the one that answers: a pooler names one of its own. */
  async #isDirect(client: pg.ClientBase): Promise<boolean> {
    this.counts.ping++;
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    const told: unknown = Reflect.get(client, "processID");
    return typeof told === "number" && told === rows[0]?.pid;
  }

  /** Texts hold no values: those are parameters, everywhere in the store. */
  #tellIfSlow(text: string, ms: number): void {
    const { slowMs, log } = this.#timed;
    if (slowMs === 0 || ms < slowMs) return;
    const statement = text.replaceAll(/\s+/g, " ").trim().slice(0, MAX_LOGGED_CHARS);
    log.warn("database.slow_statement", { statement, ms: Math.round(ms) });
  }
}

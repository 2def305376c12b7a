/** PostgreSQL and PgBouncer with rendered files, and the passwords of their users. */
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { realpathSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { Plan } from "../../../contract/plan.ts";
import {
  type HbaPlace,
  type PgbouncerPlace,
  type PooledUser,
  renderHba,
  renderPgbouncer,
  renderPostgresql,
  renderUserlist,
} from "../../../infra/topology/index.ts";
import { freePort, installed, type Running, run } from "../../harness/index.ts";
import { daemonUser, type Site, start } from "./running.ts";

/** Whom the operating system knows the server as; its superuser has the same name. */
export const SUPERUSER = daemonUser() === undefined ? userInfo().username : "nobody";
const AS = () => ({ ...daemonUser(), env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" } });

export type Postgres = { readonly port: number; readonly running: Running };

/** Runs a program of PostgreSQL to its end. Throws with what it said when it fails. */
async function finish(program: string, args: readonly string[], site: Site): Promise<string> {
  const running = run(join(realpathSync(installed("postgres")), "..", program), args, { ...AS(), cwd: site.path });
  if ((await running.exited) !== 0) throw new Error(`${program}: ${running.stderr()}`);
  return running.stdout();
}

/** Through the Unix socket, as the superuser. */
export function ask(site: Site, port: number, sql: string, database = "postgres"): Promise<string> {
  return finish("psql", ["-h", site.path, "-p", String(port), "-d", database, "-XAtqc", sql], site);
}

export async function startRendered(plan: Plan, site: Site, grants: HbaPlace["grants"]): Promise<Postgres> {
  const data = await site.makeDirectory("data");
  await finish("initdb", ["-D", data, "-U", SUPERUSER, "-A", "peer", "-E", "UTF8", "--no-sync"], site);
  const port = await freePort();
  const hbaPath = await site.write("pg_hba.conf", renderHba({ localUsers: [SUPERUSER], grants }));
  const place = { listen: { addresses: ["127.0.0.1"], port }, socketDirectory: site.path, hbaPath };
  const file = await site.write("postgresql.conf", renderPostgresql(plan, place));
  const isUp = (running: Running) => running.stderr().includes("database system is ready to accept connections");
  const running = await start({ program: "postgres", args: ["-D", data, "-c", `config_file=${file}`], site, isUp });
  return { port, running };
}

/** As PostgreSQL writes it into pg_authid (RFC 5803). */
export function verifierOf(password: string): string {
  const salt = Buffer.from("the salt of a test");
  const salted = pbkdf2Sync(password, salt, 4096, 32, "sha256");
  const key = (name: string) => createHmac("sha256", salted).update(name).digest();
  const stored = createHash("sha256").update(key("Client Key")).digest("base64");
  return `SCRAM-SHA-256$4096:${salt.toString("base64")}$${stored}:${key("Server Key").toString("base64")}`;
}

export async function startPooler(
  plan: Plan,
  site: Site,
  users: readonly PooledUser[],
  changes: Partial<PgbouncerPlace>,
  nofile?: number,
): Promise<Postgres> {
  const port = await freePort();
  const place: PgbouncerPlace = {
    listen: { addresses: ["127.0.0.1"], port },
    socketDirectory: null,
    databases: [],
    serverTls: null,
    userlistPath: join(site.path, "userlist.txt"),
    adminUsers: [],
    statsUsers: [],
    ...changes,
  };
  await site.write("userlist.txt", renderUserlist(plan, place, users));
  const file = await site.write("pgbouncer.ini", renderPgbouncer(plan, place));
  const isUp = (running: Running) => running.stderr().includes("process up");
  const limit = nofile === undefined ? {} : { nofile };
  return { port, running: await start({ program: "pgbouncer", args: [file], site, isUp, ...limit }) };
}

/** The rows of one statement by TCP. */
export async function query(
  port: number,
  as: { readonly user: string; readonly password: string; readonly database: string },
  sql: string,
): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ host: "127.0.0.1", port, ...as });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

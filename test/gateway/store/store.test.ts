/** The store on the embedded database, the embedded database itself, and migrations. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EmbeddedDatabase, startEmbeddedDatabase } from "../../../gateway/process/index.ts";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { openCredentials, sealCredentials } from "../../../gateway/store/credentials.ts";
import { migrateDatabase, readMigrations } from "../../../gateway/store/index.ts";
import { silentLog } from "../coordination/log.ts";
import { keyOf } from "./conformance.ts";
import { describePlans } from "./plans-conformance.ts";
import { describeWholeStore } from "./whole-conformance.ts";

let directory: string;
let database: EmbeddedDatabase;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "store-"));
  database = await startEmbeddedDatabase({ dataDir: directory, log: silentLog });
  await migrateDatabase(database.directUrl, silentLog);
});
afterAll(async () => {
  await database.stop();
  await rm(directory, { recursive: true, force: true });
});

describeWholeStore("the embedded database", async () => database.url, "insert");
describePlans("the embedded database", async () => database.url);

async function connect(): Promise<pg.Client> {
  const client = new pg.Client(database.url);
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

describe("embedded database", () => {
  it("keeps statements of several connections apart", async () => {
    const clients = await Promise.all([1, 2, 3, 4].map(connect));
    const wrong: unknown[] = [];
    await Promise.all(
      clients.map(async (client, index) => {
        for (let round = 0; round < 50; round++) {
          const text = "x".repeat(round * 2000);
          const { rows } = await client.query("select $1::int as a, $2::text as b", [index, text]);
          if (rows[0]?.a !== index || rows[0]?.b !== text) wrong.push([index, round]);
        }
      }),
    );
    expect(wrong).toEqual([]);
    await Promise.all(clients.map((client) => client.end()));
  });

  it("lets one transaction at a time run, and rolls back that of a connection that goes away", async () => {
    const [first, second] = [await connect(), await connect()];
    await first.query("create table gone (a int)");
    await first.query("begin");
    await first.query("insert into gone values (1)");
    let answered = false;
    const waiting = second.query("select count(*)::int as n from gone").then(({ rows }) => {
      answered = true;
      return rows[0]?.n;
    });
    await first.query("select 1");
    expect(answered).toBe(false);
    await first.end();
    expect(await waiting).toBe(0);
    await second.query("drop table gone");
    await second.end();
  });

  it("refuses a second process on the same directory", async () => {
    await expect(startEmbeddedDatabase({ dataDir: directory, log: silentLog })).rejects.toThrow(
      /uses its database already/,
    );
  });

  it("is created anew when an earlier creation was cut off", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "store-"));
    const draft = join(dataDir, "database", "pgdata.new");
    await mkdir(draft, { recursive: true });
    await writeFile(join(draft, "PG_VERSION"), "18\n");
    const made = await startEmbeddedDatabase({ dataDir, log: silentLog });
    expect(await migrateDatabase(made.directUrl, silentLog)).toBe((await readMigrations()).length);
    expect((await readdir(join(dataDir, "database"))).toSorted()).toEqual(["database.lock", "pgdata"]);
    await made.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it("comes back with what was committed after it was killed", async () => {
    const client = await connect();
    await client.query("create table survives (a int)");
    await client.query("insert into survives values (42)");
    const lost = new Promise((done) => client.once("end", done));
    process.kill(database.pid ?? 0, "SIGKILL");
    await lost;
    const again = await until(connect);
    expect((await again.query("select a from survives")).rows).toEqual([{ a: 42 }]);
    await again.query("drop table survives");
    await again.end();
  });
});

async function until<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries > 300) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

describe("migrations", () => {
  it("are applied once, also when two start at once in one session", async () => {
    const [, ...rest] = await readMigrations();
    const extra = { number: 9001, name: "extra", text: "create table extra_once (a int)", checksum: "x" };
    const list = [...(await readMigrations()), extra];
    const applied = await Promise.all(
      [1, 2].map(() => migrateDatabase(database.directUrl, silentLog, { migrations: list })),
    );
    expect(applied.sort()).toEqual([0, 1]);
    expect(rest.length).toBeGreaterThan(0);
  });

  it("refuse a database that is newer than the program, and an altered file", async () => {
    await expect(migrateDatabase(database.directUrl, silentLog)).rejects.toMatchObject({
      code: "MCPS_DATABASE",
      message: expect.stringContaining("newer than this program"),
    });
    const altered = [...(await readMigrations()), { number: 9001, name: "extra", text: "select 1", checksum: "other" }];
    await expect(migrateDatabase(database.directUrl, silentLog, { migrations: altered })).rejects.toThrow(
      /another text/,
    );
  });

  it("roll back as a whole when a statement fails", async () => {
    const checksum = "x";
    const done = { number: 9001, name: "extra", text: "", checksum };
    const broken = { number: 9002, name: "broken", text: "create table half (a int); select 1/0", checksum };
    await expect(
      migrateDatabase(database.directUrl, silentLog, { migrations: [...(await readMigrations()), done, broken] }),
    ).rejects.toMatchObject({ code: "MCPS_DATABASE" });
    const client = await connect();
    expect((await client.query("select to_regclass('half') as half")).rows).toEqual([{ half: null }]);
    await client.end();
  });
});

describe("sealed credentials", () => {
  const sealing = createSealer([keyOf("k")]);
  const credentials = { headers: { authorization: "Bearer a" }, env: { KEY: "b" } };

  it("open for their gateway only", () => {
    const sealed = sealCredentials(sealing, "g1", credentials);
    expect(openCredentials(sealing, "g1", sealed)).toMatchObject(credentials);
    expect(openCredentials(sealing, "g2", sealed)).toBeUndefined();
    expect(openCredentials(createSealer([keyOf("k")]), "g1", sealed)).toBeUndefined();
    expect(sealCredentials(sealing, "g1", { headers: {}, env: {} })).toBeNull();
  });

  it("never open after any change of a character", () => {
    const sealed = sealCredentials(sealing, "g1", credentials) ?? "";
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.constantFrom(..."ABCxyz019-_."), (at, letter) => {
        const changed = sealed.slice(0, at) + letter + sealed.slice(at + 1);
        return changed === sealed || openCredentials(sealing, "g1", changed) === undefined;
      }),
      { numRuns: 500 },
    );
  });
});

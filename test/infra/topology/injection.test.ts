/**
 * No string from outside becomes syntax: whatever stands in a place is refused by the name of its field, or is read back from the file
 * as it was, by readers written from each daemon's documentation.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderHba, renderPgbouncer, renderUserlist } from "../../../infra/topology/index.ts";
import { hostile, renderOrRefuse } from "./hostile.ts";
import { hbaPlace, pgbouncerPlace } from "./places.ts";
import { plans } from "./plans.ts";

const { prod } = plans;
const RUNS = { numRuns: 1000 };
/** What `render` accepts is read back as expected; at least one value is accepted and one refused, so that the property has seen both. */
function readsBack(
  field: string,
  render: (value: string) => string,
  read: (text: string) => unknown,
  expected: (value: string) => unknown,
  values = hostile,
): void {
  const seen = { accepted: 0, refused: 0 };
  fc.assert(
    fc.property(values, (value) => {
      const text = renderOrRefuse(field, () => render(value));
      if (text === undefined) seen.refused += 1;
      else {
        seen.accepted += 1;
        expect(read(text)).toEqual(expected(value));
      }
    }),
    RUNS,
  );
  expect(seen.accepted).toBeGreaterThan(0);
  expect(seen.refused).toBeGreaterThan(0);
}

/** pgbouncer(5): two quoted fields, a quote doubled inside; what follows on the line does not count. */
function readUserlist(text: string): string[][] {
  const entries: string[][] = [];
  const entry = /\s*"((?:[^"]|"")*)"\s+"((?:[^"]|"")*)"[^\n]*\n/y;
  for (let found = entry.exec(text); found !== null; found = entry.exec(text))
    entries.push([found[1] ?? "", found[2] ?? ""].map((field) => field.replaceAll('""', '"')));
  return entries;
}

/** pgbouncer(5): `key=value` pairs, a value in single quotes with a quote doubled inside. */
function readConnection(line: string): Record<string, string> {
  const pairs = line.matchAll(/([a-z]+)=(?:'((?:[^']|'')*)'|(\S+))(?: |$)/g);
  return Object.fromEntries([...pairs].map(([, key, quoted, bare]) => [key, bare ?? quoted?.replaceAll("''", "'")]));
}

/** PostgreSQL, the pg_hba.conf file: words between blanks; a quoted one is a plain name, a quote doubled inside. */
function readHba(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) =>
      [...line.matchAll(/"((?:[^"]|"")*)"|(\S+)/g)].map(([, name, word]) =>
        name === undefined ? `${word}` : `name ${name.replaceAll('""', '"')}`,
      ),
    );
}

describe("userlist.txt", () => {
  const read = (text: string) => readUserlist(text);
  it("reads back any name", () => {
    const render = (name: string) =>
      renderUserlist(prod, pgbouncerPlace, [
        { name, secret: "s" },
        { name: "\u{1F5DD}", secret: "t" },
      ]);
    readsBack("pgbouncer.userlist", render, read, (name) => [
      [name, "s"],
      ["\u{1F5DD}", "t"],
    ]);
  });
  it("reads back any secret", () => {
    const render = (secret: string) =>
      renderUserlist(prod, pgbouncerPlace, [
        { name: "a", secret },
        { name: "b", secret: "t" },
      ]);
    readsBack("pgbouncer.userlist[0].secret", render, read, (secret) => [
      ["a", secret],
      ["b", "t"],
    ]);
  });
});

describe("pgbouncer.ini", () => {
  const [database] = pgbouncerPlace.databases;
  if (database === undefined) throw new Error("no database");
  const baseline = renderPgbouncer(prod, pgbouncerPlace).split("\n");
  /** The connection of the one database, where nothing else has changed. */
  const connection = (text: string) => {
    const lines = text.split("\n");
    expect(lines.toSpliced(1, 1)).toEqual(baseline.toSpliced(1, 1));
    return readConnection(/^[^=]+ = ([^\n]*)$/.exec(lines[1] ?? "")?.[1] ?? "");
  };
  const plain = { host: "postgres", port: "5432", dbname: "mcp", user: "gateway" };
  const renderWith = (changes: Partial<typeof database>) =>
    renderPgbouncer(prod, { ...pgbouncerPlace, databases: [{ ...database, ...changes }] });

  it("reads back any user", () => {
    readsBack(
      "pgbouncer.databases[0].user",
      (user) => renderWith({ user }),
      connection,
      (user) => ({ ...plain, user }),
    );
  });
  it("reads back any database of the server", () => {
    const render = (databaseName: string) => renderWith({ databaseName });
    readsBack("pgbouncer.databases[0].databaseName", render, connection, (dbname) => ({ ...plain, dbname }));
  });
  it("reads back any host, and the name clients use", () => {
    const render = (host: string) => renderWith({ postgres: { host, port: 5432 } });
    readsBack("pgbouncer.databases[0].postgres.host", render, connection, (host) => ({ ...plain, host }));
    const named = (text: string) => text.split("\n")[1];
    const line = (name: string) => `${name} = host=postgres port=5432 dbname='mcp' user='gateway'`;
    readsBack("pgbouncer.databases[0].name", (name) => renderWith({ name }), named, line);
  });
  it("reads back any administrator", () => {
    const render = (name: string) => renderPgbouncer(prod, { ...pgbouncerPlace, adminUsers: [name, "second"] });
    const admins = (text: string) => /^admin_users = (.*)$/m.exec(text)?.[1]?.split(/[,\s]+/);
    readsBack("pgbouncer.adminUsers[0]", render, admins, (name) => [name, "second"]);
  });
});

describe("pg_hba.conf", () => {
  const renderWith = (database: string, user: string, network: string) =>
    renderHba({ localUsers: [], grants: [{ database, user, networks: [network] }] });
  const grant = (text: string) => {
    const lines = readHba(text);
    expect(lines.toSpliced(3, 1)).toEqual([
      ["local", "replication", "all", "reject"],
      ["host", "replication", "all", "all", "reject"],
      ["local", "all", "all", "reject"],
      ["host", "all", "all", "all", "reject"],
    ]);
    return lines[3];
  };
  it("reads back any user and any database, never as a keyword, a role, a file or a pattern", () => {
    const user = (name: string) => renderWith("mcp", name, "10.0.0.0/8");
    readsBack("postgres.hba.grants[0].user", user, grant, (name) => [
      "host",
      "name mcp",
      `name ${name}`,
      "10.0.0.0/8",
      "scram-sha-256",
    ]);
    const database = (name: string) => renderWith(name, "u", "10.0.0.0/8");
    readsBack("postgres.hba.grants[0].database", database, grant, (name) => [
      "host",
      `name ${name}`,
      "name u",
      "10.0.0.0/8",
      "scram-sha-256",
    ]);
  });
  it("reads back any network", () => {
    const networks = fc.oneof(
      hostile,
      fc.ipV4().map((ip) => `${ip}/16`),
      fc.ipV6().map((ip) => `${ip}/48`),
    );
    const expected = (network: string) => ["host", "name mcp", "name u", network, "scram-sha-256"];
    readsBack(
      "postgres.hba.grants[0].networks[0]",
      (network) => renderWith("mcp", "u", network),
      grant,
      expected,
      networks,
    );
  });
  it("reads back who may come by the socket", () => {
    const render = (name: string) => renderHba({ ...hbaPlace, localUsers: [name] });
    readsBack(
      "postgres.hba.localUsers[0]",
      render,
      (text) => readHba(text)[2],
      (name) => ["local", "all", `name ${name}`, "peer"],
    );
  });
});

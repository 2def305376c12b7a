/**
 * No string from outside becomes syntax: whatever stands in a place is refused by the name of its field, or is read back from the file
 * as it was, by readers written from each daemon's documentation.
 */
import { isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  PlaceError,
  renderHba,
  renderNginx,
  renderPgbouncer,
  renderPostgresql,
  renderRedis,
  renderUserlist,
} from "../../../infra/topology/index.ts";
import { hbaPlace, nginxPlace, pgbouncerPlace, postgresPlace, redisPlace } from "./places.ts";
import { plans } from "./plans.ts";

const { prod } = plans;
const RUNS = { numRuns: 1000 };
/** Mostly what means something to one of the readers. */
const hostile = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 80 }),
  fc.string({ unit: fc.constantFrom(..."a/.:0\"'`;{}#$\\\n\r\t\0 =,@+[]%*|&<>é"), maxLength: 24 }),
  fc.constantFrom(
    "all",
    "replication",
    "samerole",
    "@file",
    "+role",
    "/.*",
    "%include /etc/passwd",
    "*",
    "pgbouncer",
    "::1%lo",
  ),
);

/** The text, or undefined where it was refused by a name that starts so. */
function renderOrRefuse(field: string, render: () => string): string | undefined {
  try {
    return render();
  } catch (error) {
    if (!(error instanceof PlaceError)) throw error;
    expect(error.field.startsWith(field)).toBe(true);
    expect(error.message).toContain(`${error.field} is `);
    return undefined;
  }
}

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
    return readConnection(/^[^=]+ = (.*)$/.exec(lines[1] ?? "")?.[1] ?? "");
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

/** A file in which one word changes with a value, and nothing else. */
type Word = readonly [field: string, render: (value: string) => string];

describe("words without quotes", () => {
  const paths: readonly Word[] = [
    [
      "nginx.directories.cache",
      (cache) => renderNginx(prod, { ...nginxPlace, directories: { ...nginxPlace.directories, cache } }),
    ],
    [
      "nginx.directories.temporary",
      (temporary) => renderNginx(prod, { ...nginxPlace, directories: { ...nginxPlace.directories, temporary } }),
    ],
    ["nginx.pidFile", (pidFile) => renderNginx(prod, { ...nginxPlace, pidFile })],
    ["nginx.accessLog", (accessLog) => renderNginx(prod, { ...nginxPlace, accessLog })],
    [
      "nginx.credentialDigest.modulePath",
      (modulePath) => renderNginx(prod, { ...nginxPlace, credentialDigest: { modulePath, scriptPath: "/s" } }),
    ],
    [
      "nginx.credentialDigest.scriptPath",
      (scriptPath) => renderNginx(prod, { ...nginxPlace, credentialDigest: { modulePath: "/m", scriptPath } }),
    ],
    ["pgbouncer.socketDirectory", (socketDirectory) => renderPgbouncer(prod, { ...pgbouncerPlace, socketDirectory })],
    ["pgbouncer.userlistPath", (userlistPath) => renderPgbouncer(prod, { ...pgbouncerPlace, userlistPath })],
    ["postgres.socketDirectory", (socketDirectory) => renderPostgresql(prod, { ...postgresPlace, socketDirectory })],
    ["postgres.hbaPath", (hbaPath) => renderPostgresql(prod, { ...postgresPlace, hbaPath })],
    ["redis.directory", (directory) => renderRedis(prod, { ...redisPlace, directory })],
    ["redis.aclPath", (aclPath) => renderRedis(prod, { ...redisPlace, aclPath })],
  ];
  const hosts: readonly Word[] = [
    [
      "nginx.gateway.host",
      (host) => renderNginx(prod, { ...nginxPlace, resolvers: [], gateway: { host, port: 4444 } }),
    ],
  ];
  const addresses: readonly Word[] = [
    ["nginx.listen[0].address", (address) => renderNginx(prod, { ...nginxPlace, listen: [{ address, port: 8080 }] })],
    ["nginx.status.address", (address) => renderNginx(prod, { ...nginxPlace, status: { address, port: 8081 } })],
    [
      "nginx.resolvers[0].address",
      (address) => renderNginx(prod, { ...nginxPlace, resolvers: [{ address, port: 53 }] }),
    ],
    [
      "pgbouncer.listen.addresses[0]",
      (one) => renderPgbouncer(prod, { ...pgbouncerPlace, listen: { addresses: [one], port: 6432 } }),
    ],
    [
      "postgres.listen.addresses[0]",
      (one) => renderPostgresql(prod, { ...postgresPlace, listen: { addresses: [one], port: 5432 } }),
    ],
    [
      "redis.listen.addresses[0]",
      (one) => renderRedis(prod, { ...redisPlace, listen: { addresses: [one], port: 6379 } }),
    ],
  ];
  const networks: readonly Word[] = [
    ["nginx.trustedProxies[0]", (network) => renderNginx(prod, { ...nginxPlace, trustedProxies: [network] })],
  ];
  const kinds = [
    {
      kind: "a path",
      words: paths,
      legal: fc.stringMatching(/^\/[a-z0-9._-]{1,20}(?:\/[a-z0-9]{1,9})?$/),
      marker: "/the/marker",
    },
    { kind: "a host", words: hosts, legal: fc.domain(), marker: "marker" },
    { kind: "an address", words: addresses, legal: fc.oneof(fc.ipV4(), fc.ipV6()), marker: "203.0.113.7" },
    { kind: "a network", words: networks, legal: fc.ipV4().map((ip) => `${ip}/8`), marker: "203.0.113.0/24" },
  ].flatMap(({ kind, words, legal, marker }) =>
    words.map(([field, render]) => ({ kind, field, render, legal, marker })),
  );

  it.each(kinds)("$field is $kind or refused", ({ field, render, legal, marker }) => {
    const template = render(marker);
    const seen = new Set<boolean>();
    fc.assert(
      fc.property(fc.oneof(hostile, legal), (value) => {
        const text = renderOrRefuse(field, () => render(value));
        seen.add(text !== undefined);
        if (text === undefined) return;
        expect(value).toMatch(/^[\w.:/@+-]+$/);
        // IPv6 stands in brackets where a port follows.
        const beforePort = isIPv6(value) ? `[${value}]:` : `${value}:`;
        expect(text).toBe(template.replaceAll(`${marker}:`, beforePort).replaceAll(marker, value));
      }),
      { numRuns: 300 },
    );
    expect(seen.size).toBe(2);
  });
});

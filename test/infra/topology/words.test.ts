/** Paths, hosts, addresses and networks stand in the files without quotes: each is harmless, or refused by the name of its field. */
import { isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderNginx, renderPgbouncer, renderPostgresql, renderRedis } from "../../../infra/topology/index.ts";
import { hostile, renderOrRefuse } from "./hostile.ts";
import { nginxPlace, pgbouncerPlace, postgresPlace, redisPlace } from "./places.ts";
import { plans } from "./plans.ts";

const { prod } = plans;

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
      "nginx.gateways[0].host",
      (host) => renderNginx(prod, { ...nginxPlace, resolvers: [], gateways: [{ host, port: 4444 }] }),
    ],
    ["nginx.resolvers[0].host", (host) => renderNginx(prod, { ...nginxPlace, resolvers: [{ host, port: 53 }] })],
  ];
  const addresses: readonly Word[] = [
    ["nginx.listen[0].address", (address) => renderNginx(prod, { ...nginxPlace, listen: [{ address, port: 8080 }] })],
    ["nginx.status.address", (address) => renderNginx(prod, { ...nginxPlace, status: { address, port: 8081 } })],
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

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRedisUrl, redisSchemes } from "../../contract/redis-url.ts";
import { settings } from "../../contract/settings.ts";

const ENCODED = "user, password and query values percent-encoded";
const SERVER = "redis://[user:password@]host[:port][/database]";
const SENTINEL =
  "redis+sentinel://[user:password@]host[:port],…/master[/database][?sentinelUsername=…&sentinelPassword=…]";
const CLUSTER = "redis+cluster://[user:password@]host[:port],…";

describe("parseRedisUrl", () => {
  const server = { kind: "server", tls: false, credentials: undefined, database: 0 };
  const sentinel = {
    kind: "sentinel",
    tls: false,
    credentials: undefined,
    sentinelCredentials: undefined,
    database: 0,
  };
  const cluster = { kind: "cluster", tls: false, credentials: undefined };
  it.each([
    ["redis://redis", { ...server, address: { host: "redis", port: 6379 } }],
    ["redis://redis/", { ...server, address: { host: "redis", port: 6379 } }],
    ["REDISS://redis:1/15", { ...server, tls: true, address: { host: "redis", port: 1 }, database: 15 }],
    ["redis://[::1]:7000", { ...server, address: { host: "::1", port: 7000 } }],
    ["redis://[fe80::1]", { ...server, address: { host: "fe80::1", port: 6379 } }],
    ["redis://my_redis.ns.svc.:65535", { ...server, address: { host: "my_redis.ns.svc.", port: 65535 } }],
    [
      "redis://:p%40ss%2Fw%3Ao%25@h",
      { ...server, credentials: { username: undefined, password: "p@ss/w:o%" }, address: { host: "h", port: 6379 } },
    ],
    [
      "redis://a%3Ab:c:d,e+%E2%82%AC@h",
      { ...server, credentials: { username: "a:b", password: "c:d,e+€" }, address: { host: "h", port: 6379 } },
    ],
    // A user of `nopass` takes any password; nobody without a password is nobody.
    [
      "redis://app:@h",
      { ...server, credentials: { username: "app", password: "" }, address: { host: "h", port: 6379 } },
    ],
    ["redis://:@h", { ...server, address: { host: "h", port: 6379 } }],
    [
      "redis+sentinel://h1,h2:5000,[::1]/my-master.1_a",
      {
        ...sentinel,
        sentinels: [
          { host: "h1", port: 26379 },
          { host: "h2", port: 5000 },
          { host: "::1", port: 26379 },
        ],
        master: "my-master.1_a",
      },
    ],
    [
      "rediss+sentinel://app:s%2C@h1/m/3?sentinelPassword=a%26b+c&sentinelUsername=watch%20er",
      {
        ...sentinel,
        tls: true,
        credentials: { username: "app", password: "s," },
        sentinelCredentials: { username: "watch er", password: "a&b+c" },
        sentinels: [{ host: "h1", port: 26379 }],
        master: "m",
        database: 3,
      },
    ],
    [
      "redis+cluster://h1,h2:7000/0",
      {
        ...cluster,
        nodes: [
          { host: "h1", port: 6379 },
          { host: "h2", port: 7000 },
        ],
      },
    ],
    [
      "rediss+cluster://:pw@h1",
      {
        ...cluster,
        tls: true,
        credentials: { username: undefined, password: "pw" },
        nodes: [{ host: "h1", port: 6379 }],
      },
    ],
  ])("reads %s", (text, url) => {
    expect(parseRedisUrl(text)).toEqual({ url });
  });

  const anyScheme = `a URL with a host, starting with ${redisSchemes.map((scheme) => `${scheme}://`).join(" or ")}`;
  it.each([
    ["", anyScheme],
    ["redis:h", anyScheme],
    ["//redis", anyScheme],
    ["http://h", anyScheme],
    ["redis+unix:///run/redis.sock", anyScheme],
    ["__proto__://h", anyScheme],
    ["toString://h", anyScheme],
    ["redis://", `${SERVER} with a host name or an address ([…] around IPv6)`],
    ["redis:///0", `${SERVER} with a host name or an address ([…] around IPv6)`],
    ["redis://::1", `${SERVER} with a host name or an address ([…] around IPv6)`],
    ["redis://[::g]", `${SERVER} with a host name or an address ([…] around IPv6)`],
    ["redis://[:::1]", `${SERVER} with a host name or an address ([…] around IPv6)`],
    ["redis://300.1.1.1", `${SERVER} with a host name or an address ([…] around IPv6)`],
    ["redis://höst", `${SERVER} with a host name or an address ([…] around IPv6)`],
    ["redis://-h", `${SERVER} with a host name or an address ([…] around IPv6)`],
    ["redis://h:", `${SERVER} with a host name or an address ([…] around IPv6)`],
    ["redis://h:0", `${SERVER} with ports from 1 to 65535`],
    ["redis://h:65536", `${SERVER} with ports from 1 to 65535`],
    ["redis://h:6379a", `${SERVER} with a host name or an address ([…] around IPv6)`],
    ["redis://h1,h2", `${SERVER} with one host (redis+sentinel:// and redis+cluster:// take several)`],
    ["redis://h/name", `${SERVER} with the number of a database`],
    ["redis://h/-1", `${SERVER} with the number of a database`],
    ["redis://h/0/1", `${SERVER} with the number of a database`],
    ["redis://h?tls[rejectUnauthorized]=false", `${SERVER} with no query`],
    ["redis://h#x", `${SERVER} with ${ENCODED}`],
    ["redis://h\n", `${SERVER} with ${ENCODED}`],
    ["redis://u:p w@h", `${SERVER} with ${ENCODED}`],
    ["redis://u:p@ss@h", `${SERVER} with ${ENCODED}`],
    ["redis://u:p/w@h", `${SERVER} with ${ENCODED}`],
    ["redis://u:p?w@h", `${SERVER} with ${ENCODED}`],
    ["redis://u:100%@h", `${SERVER} with ${ENCODED}`],
    ["redis://u:%ff@h", `${SERVER} with ${ENCODED}`],
    ["redis://secret@h", `${SERVER} with a password where there is a user (user:password)`],
    ["redis+sentinel://h", `${SENTINEL} with the master's name of letters, digits, '.', '-' and '_'`],
    ["redis+sentinel://h/", `${SENTINEL} with the master's name of letters, digits, '.', '-' and '_'`],
    ["redis+sentinel://h/a%20b", `${SENTINEL} with the master's name of letters, digits, '.', '-' and '_'`],
    ["redis+sentinel://h/m/x", `${SENTINEL} with the number of a database`],
    ["redis+sentinel://h,/m", `${SENTINEL} with a host name or an address ([…] around IPv6)`],
    [
      "redis+sentinel://h/m?password=x",
      `${SENTINEL} with no query but sentinelUsername and sentinelPassword, each once`,
    ],
    [
      "redis+sentinel://h/m?sentinelPassword=x&sentinelPassword=y",
      `${SENTINEL} with no query but sentinelUsername and sentinelPassword, each once`,
    ],
    ["redis+sentinel://h/m?sentinelPassword=a@b", `${SENTINEL} with ${ENCODED}`],
    ["redis+sentinel://h/m?sentinelUsername=x", `${SENTINEL} with a password where there is a user (user:password)`],
    ["redis+cluster://h/1", `${CLUSTER} with no database but 0`],
    ["redis+cluster://h?x", `${CLUSTER} with no query`],
    ["redis+cluster://h1,,h2", `${CLUSTER} with a host name or an address ([…] around IPv6)`],
    ["redis+cluster://h1, h2", `${CLUSTER} with ${ENCODED}`],
  ])("refuses %j", (text, problem) => {
    expect(parseRedisUrl(text)).toEqual({ problem });
  });

  it("reads back any user, password, hosts and master that were encoded", () => {
    const host = fc.oneof(
      fc.domain().filter((name) => name.length < 200),
      fc.ipV4(),
      fc.constant("redis_1"),
    );
    const address = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) });
    const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 });
    const url = fc.record({
      kind: fc.constant("sentinel"),
      tls: fc.boolean(),
      credentials: fc.option(fc.record({ username: fc.option(word, { nil: undefined }), password: word }), {
        nil: undefined,
      }),
      sentinelCredentials: fc.option(fc.record({ username: fc.option(word, { nil: undefined }), password: word }), {
        nil: undefined,
      }),
      sentinels: fc.array(address, { minLength: 1, maxLength: 5 }),
      master: fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/),
      database: fc.integer({ min: 0, max: 99_999 }),
    });
    fc.assert(
      fc.property(url, (given) => {
        const user = given.credentials;
        const watcher = given.sentinelCredentials;
        const query = [
          ...(watcher?.username === undefined ? [] : [`sentinelUsername=${encodeURIComponent(watcher.username)}`]),
          ...(watcher === undefined ? [] : [`sentinelPassword=${encodeURIComponent(watcher.password)}`]),
        ];
        const text = [
          `redis${given.tls ? "s" : ""}+sentinel://`,
          user === undefined ? "" : `${encodeURIComponent(user.username ?? "")}:${encodeURIComponent(user.password)}@`,
          given.sentinels.map(({ host, port }) => `${host}:${port}`).join(","),
          `/${given.master}/${given.database}`,
          query.length === 0 ? "" : `?${query.join("&")}`,
        ].join("");
        expect(parseRedisUrl(text)).toEqual({ url: given });
      }),
    );
  });

  it("answers anything, and a problem repeats nothing of it", () => {
    const secret = "hunter2";
    const hostile = fc
      .array(
        fc.constantFrom(secret, ":", "@", "/", "?", "#", ",", "%", "[", "]", "h", "&", "=", "sentinelPassword", " "),
      )
      .chain((parts) => fc.constantFrom(...redisSchemes).map((scheme) => `${scheme}://${parts.join("")}`));
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: "binary-ascii" })), (text) => {
        const parsed = parseRedisUrl(text);
        if ("problem" in parsed) expect(parsed.problem).not.toContain(secret);
      }),
    );
  });

  it("knows the schemes that the setting declares", () => {
    expect(settings.REDIS_URL.schemes).toEqual([
      "redis",
      "rediss",
      "redis+sentinel",
      "rediss+sentinel",
      "redis+cluster",
      "rediss+cluster",
    ]);
  });
});

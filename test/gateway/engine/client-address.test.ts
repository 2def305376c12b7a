/** Whose address a request has: by the connection alone, and by every way on which a request reaches the application. */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { ClientAddress, plainAddress, TrustedProxies } from "../../../gateway/engine/client-address.ts";
import { engineStarter } from "./harness.ts";
import { ask, http2Session } from "./http2-client.ts";
import { enterLane, lanes } from "./lanes.ts";

const of = (trusted: readonly string[], peer: string | undefined, headers: Record<string, string> = {}) =>
  new ClientAddress(new TrustedProxies(trusted), peer).of(headers);

describe("the client's address", () => {
  const said = { "x-forwarded-for": "203.0.113.9, 198.51.100.7" };

  it.each([
    { trusted: [], peer: "192.0.2.1", client: "192.0.2.1", why: "nobody is trusted" },
    { trusted: ["10.0.0.0/8"], peer: "192.0.2.1", client: "192.0.2.1", why: "the peer is not" },
    { trusted: ["192.0.2.0/24"], peer: "192.0.2.1", client: "198.51.100.7", why: "the peer is" },
    { trusted: ["192.0.2.0/24", "198.51.100.7"], peer: "::ffff:192.0.2.1", client: "203.0.113.9", why: "two are" },
    { trusted: ["0.0.0.0/0"], peer: "192.0.2.1", client: "203.0.113.9", why: "all are" },
    { trusted: ["2001:db8::/32"], peer: "2001:db8::5", client: "198.51.100.7", why: "the peer is, by IPv6" },
    { trusted: ["::/0"], peer: "192.0.2.1", client: "192.0.2.1", why: "only IPv6 is" },
    { trusted: ["unix"], peer: undefined, client: "198.51.100.7", why: "the socket is" },
    { trusted: ["127.0.0.1"], peer: undefined, client: "", why: "the socket is not" },
  ])("is $client from $peer where $why", ({ trusted, peer, client }) => {
    expect(of(trusted, peer, said)).toBe(client);
  });

  it.each([
    ["2001:DB8:0:0::1", "2001:db8::1"],
    ["::ffff:203.0.113.9", "203.0.113.9"],
    ["::ffff:cb00:7109", "203.0.113.9"],
    ["203.0.113.9:8080", "203.0.113.9"],
    ["[2001:db8::1]:8080", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
    [" \t203.0.113.9 ", "203.0.113.9"],
    ["unknown", "192.0.2.1"],
    ["203.0.113.9, unknown", "192.0.2.1"],
    ["", "192.0.2.1"],
    ["203.0.113.9,", "192.0.2.1"],
    ["127.1", "192.0.2.1"],
    ["0x7f000001", "192.0.2.1"],
    ["203.0.113.999", "192.0.2.1"],
    ["unknown, 192.0.2.2", "192.0.2.2"],
    ["evil, 192.0.2.2:8080", "192.0.2.2"],
  ])("is, where X-Forwarded-For says %j, %s", (header, client) => {
    expect(of(["192.0.2.1", "192.0.2.2"], "192.0.2.1", { "x-forwarded-for": header })).toBe(client);
  });

  it.each([
    ['for="[2001:db8:1:2:3::4]:1234";proto=https, for=192.0.2.2', "2001:db8:1:2:3:0:0:4"],
    ["proto=https;For=203.0.113.9;by=10.0.0.1", "203.0.113.9"],
    ["for=_hidden, for=192.0.2.2", "192.0.2.2"],
    ["for=203.0.113.9, proto=https", "192.0.2.1"],
    ["xfor=203.0.113.9", "192.0.2.1"],
    // A quote that the client left open does not swallow what the proxy wrote.
    ['for="203.0.113.1, for=203.0.113.9', "203.0.113.9"],
  ])("is, where Forwarded says %j, %s", (forwarded, client) => {
    expect(of(["192.0.2.1", "192.0.2.2"], "192.0.2.1", { forwarded })).toBe(plainAddress(client));
  });

  it("is what X-Forwarded-For says where both are there, also when they say the same words", () => {
    const address = new ClientAddress(new TrustedProxies(["192.0.2.1"]), "192.0.2.1");
    const text = "203.0.113.9";
    expect(address.of({ "x-forwarded-for": text, forwarded: "for=203.0.113.8" })).toBe(text);
    expect(address.of({ forwarded: text })).toBe("192.0.2.1");
    expect(address.of({ "x-forwarded-for": text })).toBe(text);
    expect(address.of({})).toBe("192.0.2.1");
  });

  it("is never one that stands left of an address that nobody trusts", () => {
    const ip = fc.oneof(fc.ipV4(), fc.ipV6().map(plainAddress));
    const forged = fc.array(fc.oneof(ip, fc.string({ maxLength: 20 })), { maxLength: 5 });
    const proxy = fc.nat(255).map((last) => `10.9.8.${last}`);
    const trusted = new TrustedProxies(["10.9.8.0/24"]);
    fc.assert(
      fc.property(forged, ip, fc.array(proxy, { maxLength: 4 }), proxy, (before, client, chain, peer) => {
        fc.pre(!client.startsWith("10.9.8."));
        const header = [...before, client, ...chain].join(", ");
        expect(new ClientAddress(trusted, peer).of({ "x-forwarded-for": header })).toBe(client);
        expect(new ClientAddress(trusted, client).of({ "x-forwarded-for": header })).toBe(client);
      }),
    );
  });
});

const engines = engineStarter();
afterEach(() => engines.closeAll());

const CHAIN = [
  { trusted: [], client: "127.0.0.1" },
  { trusted: ["10.0.0.0/8", "unix", "198.51.100.0/24"], client: "127.0.0.1" },
  { trusted: ["127.0.0.0/8"], client: "198.51.100.7" },
  { trusted: ["127.0.0.1", "198.51.100.7"], client: "2001:db8::9" },
];

describe.each(lanes)("over HTTP/1.1 ($title)", (lane) => {
  it.each(CHAIN)("it is $client where $trusted are trusted", async ({ trusted, client }) => {
    const { port, application } = await engines.start(lane.engine, { trustedProxies: new TrustedProxies(trusted) });
    const connection = (await enterLane(lane, port)).client;
    application.heads.length = 0;
    // Two lines are one list, and the next request of the connection says something else.
    const lines = ["X-Forwarded-For: 203.0.113.1, 2001:DB8::9", "X-Forwarded-For: 198.51.100.7"].join("\r\n");
    for (const header of [`${lines}\r\n`, "", "X-Forwarded-For: 203.0.113.5\r\n", `${lines}\r\n`]) {
      connection.send(`GET / HTTP/1.1\r\nHost: a\r\n${header}\r\n`);
      await connection.next();
    }
    const isTrusted = client !== "127.0.0.1";
    expect(application.heads.map(({ remoteAddress }) => remoteAddress)).toEqual([
      client,
      "127.0.0.1",
      isTrusted ? "203.0.113.5" : "127.0.0.1",
      client,
    ]);
  });
});

describe.each(["fastify", "bounded"] as const)("over HTTP/2 (%s)", (name) => {
  it.each(CHAIN)("it is $client where $trusted are trusted", async ({ trusted, client }) => {
    const { port, application } = await engines.start(name, { trustedProxies: new TrustedProxies(trusted) });
    const session = await http2Session(`http://127.0.0.1:${port}`);
    await ask(session, { "x-forwarded-for": "203.0.113.1, 2001:db8::9, 198.51.100.7" });
    await ask(session, { forwarded: 'for=203.0.113.1, for="[2001:DB8::9]", for=198.51.100.7' });
    session.close();
    expect(application.heads.map(({ remoteAddress }) => remoteAddress)).toEqual([client, client]);
  });
});

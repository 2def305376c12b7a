/** Where the gateway may connect to: kinds of addresses, their spellings, names that change their answer, and redirects. */
import type { LookupAddress } from "node:dns";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAddressGuard, type GuardPolicy, type Resolve } from "../../../../gateway/upstreams/guard/index.ts";
import { closing } from "../../../harness/closing.ts";
import { holder, legacyLife, message, room, rpc, send, serve, target } from "../harness.ts";

const POLICY: GuardPolicy = {
  enabled: true,
  blockedNetworks: ["169.254.0.0/16", "fe80::/10", "100.64.0.0/10"],
  blockedHosts: ["metadata.google.internal"],
  allowLocalhost: false,
  allowPrivate: false,
  allowedNetworks: [],
  dnsFailClosed: true,
};
const OPEN = { ...POLICY, allowLocalhost: true, allowPrivate: true };
const METADATA = "its address is one of a metadata service";
const OWN = "its address is this machine's own (SSRF_ALLOW_LOCALHOST)";
const PRIVATE = "its address is private (SSRF_ALLOW_PRIVATE_NETWORKS, SSRF_ALLOWED_NETWORKS)";
const BLOCKED = "its address is blocked (SSRF_BLOCKED_NETWORKS)";
const NOBODY = "its address belongs to no server";

const refusal = (url: string, policy: Partial<GuardPolicy> = {}, trust: "user" | "operator" = "user") =>
  createAddressGuard({ ...POLICY, ...policy }).refusal(new URL(url), trust);

/** A name server that gives its answers one after the other, the last one for good. */
function answering(...answers: readonly (readonly string[])[]): Resolve {
  let asked = 0;
  return (_, done) => {
    const addresses = answers[Math.min(asked++, answers.length - 1)] ?? [];
    const found = addresses.map((address): LookupAddress => ({ address, family: address.includes(":") ? 6 : 4 }));
    if (found.length > 0) done(null, found);
    else done(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), []);
  };
}

const closers = closing();

describe("what a user may set", () => {
  it.each([
    ["http://8.8.8.8/", undefined],
    ["https://[2606:4700::1111]/", undefined],
    ["http://127.0.0.1:8080/", OWN],
    ["http://[::1]/", OWN],
    ["http://0.0.0.0/", OWN],
    ["http://[::]/", OWN],
    ["http://10.1.2.3/", PRIVATE],
    ["http://172.16.0.1/", PRIVATE],
    ["http://192.168.1.1/", PRIVATE],
    ["http://[fd12:3456::1]/", PRIVATE],
    ["http://198.18.0.1/", NOBODY],
    ["http://169.254.1.1/", BLOCKED],
    ["http://[fe80::1]/", BLOCKED],
    ["http://100.64.0.1/", BLOCKED],
    ["http://169.254.169.254/latest/meta-data/", METADATA],
    ["http://[fd00:ec2::254]/", METADATA],
    ["http://100.100.100.200/", METADATA],
    ["http://224.0.0.1/", NOBODY],
    ["http://255.255.255.255/", NOBODY],
    ["http://240.0.0.1/", NOBODY],
    ["http://[ff02::1]/", NOBODY],
    // IPv6 addresses that stand for IPv4 ones.
    ["http://[::ffff:127.0.0.1]/", OWN],
    ["http://[::ffff:a9fe:a9fe]/", METADATA],
    ["http://[::127.0.0.1]/", OWN],
    ["http://[::ffff:0:10.0.0.1]/", PRIVATE],
    ["http://[64:ff9b::169.254.169.254]/", METADATA],
    ["http://[64:ff9b::8.8.8.8]/", undefined],
    ["http://[64:ff9b:1::10.0.0.1]/", PRIVATE],
    ["http://[2002:7f00:1::]/", OWN],
    ["http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", OWN],
    ["http://metadata.google.internal/", "its host is blocked (SSRF_BLOCKED_HOSTS)"],
    ["http://METADATA.google.internal./", "its host is blocked (SSRF_BLOCKED_HOSTS)"],
    ["http://8.8.8.8:25/", "port 25 belongs to another protocol"],
  ])("%s: %s", (url, expected) => {
    expect(refusal(url)).toBe(expected);
  });

  it("is this machine and private networks where that is allowed, and never what is blocked", () => {
    const urls = ["http://127.0.0.1/", "http://10.0.0.1/", "http://169.254.169.254/", "http://169.254.1.1/"];
    expect(urls.map((url) => refusal(url, OPEN))).toEqual([undefined, undefined, METADATA, BLOCKED]);
    expect(urls.map((url) => refusal(url, { allowedNetworks: ["10.0.0.0/8", "169.254.0.0/16"] }))).toEqual([
      OWN,
      undefined,
      METADATA,
      BLOCKED,
    ]);
    expect(urls.map((url) => refusal(url, {}, "operator"))).toEqual([undefined, undefined, METADATA, BLOCKED]);
    expect(urls.map((url) => refusal(url, { enabled: false }))).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("is found in every spelling of an IPv4 address", () => {
    const part = fc.constantFrom("decimal", "octal", "hex");
    fc.assert(
      fc.property(fc.nat(255), fc.nat(255), fc.nat(255), part, fc.constantFrom(4, 3, 2, 1), (b, c, d, base, parts) => {
        const bytes = [127, b, c, d];
        const rest = bytes.slice(parts - 1).reduce((sum, byte) => sum * 256 + byte, 0);
        const numbers = [...bytes.slice(0, parts - 1), rest];
        const spelled = numbers.map((one) =>
          base === "octal" ? `0${one.toString(8)}` : base === "hex" ? `0x${one.toString(16)}` : String(one),
        );
        expect(refusal(`http://${spelled.join(".")}/`)).toBe(OWN);
        const plain = bytes.join(".");
        for (const six of [`::ffff:${plain}`, `64:ff9b::${plain}`, `::ffff:0:${plain}`])
          expect(refusal(`http://[${six}]/`)).toBe(OWN);
      }),
    );
  });

  it("cannot be read wrongly into something public", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        if (!URL.canParse(`http://[${address}]/`)) return;
        const found = refusal(`http://[${address}]/`, { allowedNetworks: ["::/0", "0.0.0.0/0"] });
        expect([undefined, METADATA, BLOCKED]).toContain(found);
      }),
    );
  });

  it("needs networks that are some", () => {
    expect(() => createAddressGuard({ ...POLICY, allowedNetworks: ["10.0.0.0/99"] })).toThrow(
      new RangeError('"10.0.0.0/99" is no network: an address, or one with a prefix such as 10.0.0.0/8'),
    );
  });
});

describe("a name", () => {
  const checked = (resolve: Resolve, policy: Partial<GuardPolicy> = {}) =>
    createAddressGuard({ ...POLICY, ...policy }, resolve).check(new URL("http://upstream.example/mcp"), "user");

  it("is resolved before it is stored", async () => {
    expect(await checked(answering(["8.8.8.8"]))).toBeUndefined();
    expect(await checked(answering(["8.8.8.8", "10.0.0.1"]))).toBe(PRIVATE);
    expect(await checked(answering([]))).toBe("its name cannot be resolved (SSRF_DNS_FAIL_CLOSED)");
    expect(await checked(answering([]), { dnsFailClosed: false })).toBeUndefined();
  });

  it("that answers with another address later is refused when it is connected to", async () => {
    const resolve = answering(["8.8.8.8"], ["127.0.0.1"]);
    const guard = createAddressGuard(POLICY, resolve);
    expect(await guard.check(new URL("http://rebinding.example/mcp"), "user")).toBeUndefined();
    let connections = 0;
    const server = createServer().on("connection", () => connections++);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    closers.push(() => new Promise<void>((done) => server.close(() => done())));
    const { port } = server.address() as AddressInfo;
    const upstreams = room({ guard });
    closers.push(() => upstreams.close());
    for (const scheme of ["http", "https"]) {
      const to = target(`${scheme}://rebinding.example:${port}/mcp`, { id: scheme });
      const { fault } = await send(upstreams, to, holder(), message(1, "tools/list"));
      expect(fault?.message).toBe(`Upstream sample cannot be reached: ${OWN}`);
    }
    expect(connections).toBe(0);
  });

  it("is connected to at the address that was checked", async () => {
    const server = await serve((seen, response) => {
      if (!legacyLife(seen, response)) rpc(response, seen, { tools: [] });
    });
    closers.push(server.close);
    const guard = createAddressGuard(OPEN, answering(["127.0.0.1"]));
    const upstreams = room({ guard });
    closers.push(() => upstreams.close());
    const to = target(`http://upstream.example:${new URL(server.url).port}/mcp`);
    expect((await send(upstreams, to, holder(), message(1, "tools/list"))).fault).toBeUndefined();
  });
});

describe("an upstream", () => {
  it("at a forbidden address is asked nothing", async () => {
    const server = await serve((_, response) => response.end());
    closers.push(server.close);
    const upstreams = room({ guard: createAddressGuard(POLICY) });
    closers.push(() => upstreams.close());
    const { fault } = await send(upstreams, target(server.url), holder(), message(1, "tools/list"));
    expect(fault?.message).toBe(`Upstream sample cannot be reached: ${OWN}`);
    const declared = target(server.url, { id: "up-2", trust: "operator" });
    await send(upstreams, declared, holder(), message(1, "tools/list"));
    expect(server.seen.length).toBeGreaterThan(0);
  });

  it("that redirects to a metadata service is not followed", async () => {
    const server = await serve((_, response) => {
      response.writeHead(307, { location: "http://169.254.169.254/latest/meta-data/?secret=1" }).end();
    });
    closers.push(server.close);
    const upstreams = room({ guard: createAddressGuard(OPEN) });
    closers.push(() => upstreams.close());
    const { fault } = await send(upstreams, target(server.url), holder(), message(1, "tools/list"));
    expect(fault?.message).toBe(
      "Upstream sample broke the protocol: it redirects (HTTP 307) to http://169.254.169.254/latest/meta-data/; redirects are not followed",
    );
  });
});

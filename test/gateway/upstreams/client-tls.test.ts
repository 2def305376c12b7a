/** TLS towards upstreams: a private authority, a certificate of the gateway's own, and what is said when one of them is wrong. */
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAddressGuard, type UpstreamTarget } from "../../../gateway/upstreams/index.ts";
import { closing } from "../../harness/closing.ts";
import { type Certificates, makeCertificates } from "../../harness/index.ts";
import { holder, message, resultOf, room, send, target } from "./harness.ts";

const OPEN = {
  enabled: true,
  blockedNetworks: [],
  blockedHosts: [],
  allowLocalhost: true,
  allowPrivate: true,
  allowedNetworks: [],
  dnsFailClosed: true,
};

let ours: Certificates;
let theirs: Certificates;
let misnamed: Certificates;
const pem = (path: string) => readFileSync(path, "utf8");
beforeAll(async () => {
  [ours, theirs, misnamed] = await Promise.all([
    makeCertificates(),
    makeCertificates(),
    makeCertificates("DNS:elsewhere.example"),
  ]);
});
afterAll(() => Promise.all([ours, theirs, misnamed].map((one) => one?.remove())));

const closers = closing();

/** Answers who the client is by its certificate; with `asks` nobody without one is let in. */
async function secure(own: Certificates, asks: boolean): Promise<string> {
  const server = createServer(
    {
      cert: pem(own.certificate),
      key: pem(own.key),
      ca: pem(ours.authority),
      requestCert: asks,
      rejectUnauthorized: asks,
    },
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { id } = JSON.parse(Buffer.concat(chunks).toString() || "{}") as { id?: unknown };
        const peer = (request.socket as TLSSocket).getPeerCertificate();
        const result = {
          protocolVersion: "2025-11-25",
          capabilities: {},
          serverInfo: { name: "s", version: "1" },
          client: peer.subject?.CN ?? null,
        };
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
      });
    },
  );
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  closers.push(
    () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  );
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

async function ask(url: string, tls: UpstreamTarget["tls"], guarded = true) {
  const upstreams = room(guarded ? { guard: createAddressGuard(OPEN) } : {});
  closers.push(() => upstreams.close());
  const to = target(url, { era: "legacy", ...(tls === undefined ? {} : { tls }) });
  return send(upstreams, to, holder(), { ...message(1, "ping"), era: "legacy" });
}

const failure = async (url: string, tls: UpstreamTarget["tls"]) => (await ask(url, tls)).fault?.message;

describe("TLS towards an upstream", () => {
  it.each([true, false])(
    "believes the authority it is given and shows its certificate (guarded: %s)",
    async (guarded) => {
      const url = await secure(ours, true);
      const tls = { ca: pem(ours.authority), certificate: pem(ours.certificate), key: pem(ours.key) };
      expect(resultOf(await ask(url, tls, guarded))).toMatchObject({ client: "redis" });
    },
  );

  it("believes nobody else", async () => {
    const said = "Upstream sample cannot be reached: its certificate is signed by an authority that is not believed";
    expect(await failure(await secure(ours, false), undefined)).toContain(said);
    expect(await failure(await secure(theirs, false), { ca: pem(ours.authority) })).toContain(said);
  });

  it("names a certificate of another host", async () => {
    expect(await failure(await secure(misnamed, false), { ca: pem(misnamed.authority) })).toBe(
      "Upstream sample cannot be reached: its certificate is for another host (ERR_TLS_CERT_ALTNAME_INVALID)",
    );
  });

  it("names a certificate that the upstream asks for or does not take", async () => {
    const url = await secure(ours, true);
    const missing = await failure(url, { ca: pem(ours.authority) });
    expect(missing).toMatch(/it (?:wants a certificate of the gateway|closed)|the connection was (?:reset|closed)/);
  });

  it("keeps the connections of one client from another", async () => {
    const url = await secure(ours, false);
    const upstreams = room();
    closers.push(() => upstreams.close());
    const tls = { ca: pem(ours.authority) };
    const what = { ...message(1, "ping"), era: "legacy" as const };
    const first = await send(upstreams, target(url, { era: "legacy", tls }), holder(), what);
    expect(first.fault).toBeUndefined();
    const second = await send(upstreams, target(url, { id: "up-2", era: "legacy" }), holder(), what);
    expect(second.fault?.code).toBe("MCPS_UPSTREAM_UNREACHABLE");
  });
});

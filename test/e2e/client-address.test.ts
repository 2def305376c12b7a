/** Whose address counts, and is written down, for requests that come through proxies and past them: both engines, both versions of HTTP. */
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { ask } from "../gateway/engine/http2-client.ts";
import { type Gateway, LEGACY, MCP_HEADERS, message, register, rest, send, startGateway } from "../harness/index.ts";

/** The peer that is believed, and one that is not. */
const PROXY = "127.0.0.1";
const STRANGER = "127.0.0.2";
const CLIENT = "203.0.113.9";

type Said = { readonly status: number; readonly headers: Readonly<Record<string, unknown>>; readonly text: string };
type Asked = {
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
};
type Speak = (url: string, method: string, path: string, asked?: Asked) => Promise<Said>;

const bytesOf = (body: unknown) => (body === undefined ? undefined : Buffer.from(JSON.stringify(body)));
const speakers: Readonly<Record<string, Speak>> = {
  "HTTP/1.1": (url, method, path, { from = PROXY, headers = {}, body } = {}) =>
    send(method, `${url}${path}`, { "content-type": "application/json", ...headers }, bytesOf(body), from),
  async "HTTP/2"(url, method, path, { from = PROXY, headers = {}, body } = {}) {
    const createConnection = () => connect({ host: "127.0.0.1", port: Number(new URL(url).port), localAddress: from });
    const session = connectHttp2(url, { createConnection });
    const head = { ":method": method, ":path": path, "content-type": "application/json", ...headers };
    try {
      return await ask(session, head, bytesOf(body));
    } finally {
      session.close();
    }
  },
};

const on = {
  TRUSTED_PROXIES: `${PROXY}/32,198.51.100.0/24,2001:db8:ffff::/48`,
  AUDIT_TRAIL_ENABLED: "true",
  AUDIT_TRAIL_CALLS: "true",
  SECURITY_LOGGING_ENABLED: "true",
  DISABLE_ACCESS_LOG: "false",
  LOG_FORMAT: "json",
  MAX_FAILED_LOGINS_PER_ADDRESS: "2",
  FAILED_LOGIN_MIN_RESPONSE_MS: "0",
  RATE_LIMITS: "address:192.0.2.201=2/h,address:192.0.2.202=2/h",
};

describe.each(["fastify", "bounded"])("the client's address (%s)", (engine) => {
  let fixture: Everything;
  let gateway: Gateway;
  beforeAll(async () => {
    fixture = await startEverything({ mode: "legacy" });
    gateway = await startGateway({ env: { ...on, HTTP_SERVER: engine }, deadlineMs: 120_000 });
    await register(gateway, { name: "up", url: fixture.url });
  }, 150_000);
  afterAll(async () => {
    await gateway?.stop();
    await fixture?.close();
  });

  type Rows = readonly Readonly<Record<string, unknown>>[];
  const rowsOf = async (path: string): Promise<Rows> => (await rest(gateway, "GET", path)).body.rows as Rows;
  /** Lines of the access log with the correlation id. */
  const linesOf = (id: string): Rows =>
    gateway
      .stderr()
      .split("\n")
      .filter((line) => line.includes(`"${id}"`) && line.includes('"request"'))
      .map((line) => JSON.parse(line));

  describe.each(Object.entries(speakers))("over %s", (version, speak) => {
    const id = (name: string) => `${name}-${version.replace("/", "")}`;
    const asAdmin = (headers: Readonly<Record<string, string>>) => ({ ...gateway.headers, ...headers });

    it.each([
      ["one proxy", PROXY, { "x-forwarded-for": CLIENT }, CLIENT],
      ["a chain", PROXY, { "x-forwarded-for": `10.0.0.1, ${CLIENT}, 198.51.100.4` }, CLIENT],
      ["IPv6", PROXY, { "x-forwarded-for": "2001:DB8:0::7, 2001:db8:ffff::1" }, "2001:db8::7"],
      ["mapped IPv4", PROXY, { "x-forwarded-for": `::ffff:${CLIENT}` }, CLIENT],
      ["Forwarded", PROXY, { forwarded: `for=10.0.0.1, for="${CLIENT}:4711";proto=https` }, CLIENT],
      ["a proxy that says nothing", PROXY, {}, PROXY],
      ["a stranger who forges", STRANGER, { "x-forwarded-for": CLIENT, forwarded: `for=${CLIENT}` }, STRANGER],
    ] as const)("is in audit and access log, with one id: %s", async (name, from, said, client) => {
      const correlation = id(name.replaceAll(" ", "-"));
      const headers = asAdmin({ ...said, "x-correlation-id": correlation });
      const answer = await speak(gateway.url, "DELETE", "/tools/none", { from, headers });
      expect([answer.status, answer.headers["x-correlation-id"]]).toEqual([404, correlation]);
      const rows = await rowsOf(`/admin/audit?correlation_id=${correlation}`);
      expect(rows.map(({ remote, action }) => [remote, action])).toEqual([[client, "tools.delete"]]);
      await expect
        .poll(() => linesOf(correlation).map(({ remote, path, status }) => [remote, path, status]))
        .toEqual([[client, "/tools/none", 404]]);
    });

    it("is in the audit trail's rows of calls, with the id of the access log also where the client gave none", async () => {
      const path = "/rpc";
      const call = {
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "up__echo", arguments: { text: id("x") } },
      };
      const client = version === "HTTP/2" ? "203.0.113.21" : "203.0.113.11";
      const headers = asAdmin({ "x-forwarded-for": client });
      expect((await speak(gateway.url, "POST", path, { headers, body: call })).status).toBe(200);
      const calls = async () =>
        (await rowsOf("/admin/audit?action=tools/call")).filter(({ remote }) => remote === client);
      await expect.poll(async () => (await calls()).length, { timeout: 20_000, interval: 100 }).toBe(1);
      const [row] = await calls();
      expect(linesOf(String(row?.correlationId)).map(({ remote, path: shown }) => [remote, shown])).toEqual([
        [client, path],
      ]);
    });

    it("is of each request of a session, whatever was remembered of the one before", async () => {
      const addresses = ["203.0.113.31", "203.0.113.32", "203.0.113.31"];
      const hello = { protocolVersion: LEGACY, capabilities: {}, clientInfo: { name: "t", version: "1" } };
      const open = asAdmin({ ...MCP_HEADERS, "x-forwarded-for": "203.0.113.30" });
      const opened = await speak(gateway.url, "POST", "/mcp", {
        headers: open,
        body: JSON.parse(message(0, "initialize", hello)),
      });
      const session = { "mcp-session-id": String(opened.headers["mcp-session-id"]), "mcp-protocol-version": LEGACY };
      for (const [at, address] of addresses.entries()) {
        const headers = asAdmin({
          ...MCP_HEADERS,
          ...session,
          "x-forwarded-for": address,
          "x-correlation-id": id(`s${at}`),
        });
        const body = JSON.parse(message(at + 1, "tools/call", { name: "up__echo", arguments: { text: "x" } }));
        expect((await speak(gateway.url, "POST", "/mcp", { headers, body })).status).toBe(200);
      }
      const seen = () =>
        Promise.all(
          addresses.map(async (_, at) =>
            (await rowsOf(`/admin/audit?correlation_id=${id(`s${at}`)}`)).map(({ remote }) => remote),
          ),
        );
      await expect.poll(seen, { timeout: 20_000, interval: 100 }).toEqual(addresses.map((address) => [address]));
    });

    it("is what an API token is narrowed to: whole, by network, IPv4 and IPv6", async () => {
      const scope = { ip_restrictions: ["203.0.113.0/28", "2001:db8::7", STRANGER] };
      const made = await rest(gateway, "POST", "/tokens", { name: id("narrow"), scope });
      expect(made).toMatchObject({ status: 201 });
      const authorization = `Bearer ${String(made.body.access_token)}`;
      const status = async (from: string, forwarded?: string) => {
        const headers = { authorization, ...(forwarded === undefined ? {} : { "x-forwarded-for": forwarded }) };
        return (await speak(gateway.url, "GET", "/version", { from, headers })).status;
      };
      expect(await status(PROXY, "203.0.113.15")).toBe(200);
      expect(await status(PROXY, "203.0.113.16")).toBe(403);
      expect(await status(PROXY, "2001:db8:0:0::7")).toBe(200);
      // Of the same /64: as one customer they share limits, and no token.
      expect(await status(PROXY, "2001:db8::8")).toBe(403);
      expect(await status(PROXY, "203.0.113.1, 192.0.2.1")).toBe(403);
      expect(await status(PROXY)).toBe(403);
      expect(await status(STRANGER)).toBe(200);
      expect(await status("127.0.0.3", "203.0.113.1")).toBe(403);
      const refused = async () => (await rowsOf("/admin/security?kind=auth.forbidden")).map(({ remote }) => remote);
      await expect
        .poll(refused, { timeout: 20_000, interval: 100 })
        .toEqual(expect.arrayContaining(["2001:db8::8", "192.0.2.1"]));
    });

    it("is what failed logins are counted by", async () => {
      const last = version === "HTTP/2" ? 2 : 1;
      const login = async (from: string, forwarded: string) => {
        const body = { email: `nobody-${id("x")}@example.com`.toLowerCase(), password: "wrong-password" };
        const headers = { "x-forwarded-for": forwarded };
        return (await speak(gateway.url, "POST", "/auth/login", { from, headers, body })).status;
      };
      const guesser = `192.0.2.${100 + last}`;
      expect([await login(PROXY, guesser), await login(PROXY, guesser)]).toEqual([401, 401]);
      expect(await login(PROXY, guesser)).toBe(429);
      expect(await login(PROXY, `192.0.2.${110 + last}`)).toBe(401);
      // A new address in each header is of no use to whom nobody believes.
      const stranger = `127.0.1.${last}`;
      expect([await login(stranger, "192.0.2.121"), await login(stranger, "192.0.2.122")]).toEqual([401, 401]);
      expect(await login(stranger, "192.0.2.123")).toBe(429);
    });

    it("is what limits of addresses count by", async () => {
      const last = version === "HTTP/2" ? 2 : 1;
      const status = async (from: string, client: string) => {
        const headers = asAdmin({ "x-forwarded-for": client });
        return (await speak(gateway.url, "GET", "/version", { from, headers })).status;
      };
      const client = `192.0.2.20${last}`;
      expect([await status(PROXY, client), await status(PROXY, client)]).toEqual([200, 200]);
      expect(await status(PROXY, client)).toBe(429);
      expect(await status(PROXY, "192.0.2.203")).toBe(200);
      expect(await status(STRANGER, client)).toBe(200);
    });
  });

  it("and the token of an invitation: the access log shows the route in place of it", async () => {
    const secret = "s3cr3t-invitation";
    const headers = { ...gateway.headers, "x-correlation-id": "invited" };
    await send("POST", `${gateway.url}/teams/invitations/${secret}/accept`, headers);
    await send("GET", `${gateway.url}/teams/invitations/${secret}/accept?x=1`, headers);
    await expect
      .poll(() => linesOf("invited").map(({ path }) => path))
      .toEqual(["/teams/invitations/{token}/accept", "/teams/invitations/{token}"]);
    expect(gateway.stderr()).not.toContain(secret);
  });
});

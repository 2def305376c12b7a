/**
 * No check is left out on any way into the gateway. Each is shown by a request that is served twice, on a connection that is kept, so
 * that whatever is remembered of it is; and by what becomes of it then: the same answer everywhere, counted and logged alike.
 */
import { describe, expect, it } from "vitest";
import { closing } from "../harness/closing.ts";
import { catalogue, checks, initialize, SECRET, type World } from "./checks.ts";
import { http1Client } from "./engine/http1-client.ts";
import { engineNames, type Served, type ServedOptions, served } from "./transports/harness.ts";
import { type Conversation, type Way, ways } from "./ways.ts";

const closers = closing();

async function enter(way: Way, options: Partial<ServedOptions> = {}): Promise<World & { talk: Conversation }> {
  const script = { era: "legacy" as const, answer: () => undefined };
  const gateway: Served = await served({
    engine: way.engine,
    catalogue,
    scripts: { one: script, two: script },
    ...options,
    auth: { secret: SECRET, required: true, anonymousIsAdmin: false, ...options.auth },
  });
  closers.push(() => gateway.close());
  const bearer = async (username: string, admin: boolean) =>
    `Bearer ${await gateway.auth.mint({ username, expMinutes: 60, admin })}`;
  const [admin, user] = await Promise.all([bearer("ann@example.com", true), bearer("bob@example.com", false)]);
  const talk = await way.connect(gateway.port);
  closers.push(() => talk.close());
  const opened = await talk.ask(initialize({ user }));
  expect(opened.status).toBe(200);
  return { gateway, admin, user, session: opened.headers["mcp-session-id"] ?? "", talk };
}

describe.each(ways)("checks ($title)", (way) => {
  it.each(checks)("$title", async ({ options, request, served: status, change, refused, records }) => {
    const { talk, ...world } = await enter(way, options);
    const asked = request(world);
    for (let count = 0; count < 2; count++) expect((await talk.ask(asked)).status).toBe(status);
    const changed = (await change(world, asked)) ?? asked;
    world.gateway.records.length = 0;
    expect(await talk.ask(changed)).toEqual(refused);
    expect(world.gateway.records).toEqual(records);
  });

  it("what is served is counted and logged", async () => {
    const { talk, gateway, user, session } = await enter(way);
    gateway.records.length = 0;
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const body = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
    const own = { ...headers, authorization: user, "mcp-session-id": session };
    expect(await talk.ask({ method: "POST", path: "/mcp?secret=x", headers: own, body })).toEqual({
      status: 200,
      headers: { "content-type": "application/json" },
      body: '{"jsonrpc":"2.0","id":1,"result":{}}',
    });
    expect(gateway.records).toEqual(["http call 200", "log request POST /mcp 200"]);
  });
});

describe("the ways", () => {
  it("of the strict reader and of node:http are told apart by how they spell the length of an answer", async () => {
    const spelled: Record<string, string | undefined> = {};
    for (const way of ways.filter(({ title }) => !title.includes("HTTP/2"))) {
      const { talk } = await enter(way);
      spelled[way.title] = talk
        .raw?.()
        .match(/content-length/gi)
        ?.at(-1);
    }
    expect(spelled).toEqual({
      fastify: "content-length",
      "fastify, body in chunks": "content-length",
      bounded: "Content-Length",
      "bounded, handed over": "content-length",
      "bounded, handed over because it waits to be asked for its body": "content-length",
    });
  });
});

describe.each(engineNames)("checks of an upgrade (%s)", (engine) => {
  const HANDSHAKE = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  const opening = ways.find((way) => way.engine === engine);

  type Changed = {
    readonly headers?: Readonly<Record<string, string | undefined>>;
    readonly path?: string;
    readonly world?: (gateway: Served) => void;
  };

  async function upgrade({ headers = {}, path = "/ws", world = () => undefined }: Changed) {
    if (opening === undefined) throw new Error(`no way into ${engine}`);
    const { gateway, user } = await enter(opening, { maxStreams: 1, allowedOrigins: ["https://app.example.com"] });
    world(gateway);
    gateway.records.length = 0;
    const client = await http1Client(gateway.port);
    closers.push(() => client.raw.socket.destroy());
    const own = { host: "127.0.0.1", origin: "https://app.example.com", authorization: user, ...HANDSHAKE };
    const lines = Object.entries({ ...own, ...headers }).map(([name, value]) =>
      value === undefined ? "" : `${name}: ${value}\r\n`,
    );
    client.send(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
    const { status, body } = await client.next();
    return { answer: [status, /MCPS_\w+/.exec(body)?.[0]], records: gateway.records };
  }

  it("is granted where nothing is held against it", async () => {
    expect(await upgrade({})).toEqual({
      answer: [101, undefined],
      records: ["http stream 101", "log request GET /ws 101"],
    });
  });

  it.each<[string, number, string, Changed]>([
    ["no token", 401, "MCPS_UNAUTHENTICATED", { headers: { authorization: undefined } }],
    [
      "an expired token",
      401,
      "MCPS_UNAUTHENTICATED",
      { world: ({ clock }) => Object.assign(clock, { now: Infinity }) },
    ],
    ["a foreign Origin", 403, "MCPS_ORIGIN", { headers: { origin: "https://evil.example.com" } }],
    ["a foreign Host", 403, "MCPS_HOST", { headers: { host: "evil.example.com" } }],
    ["a full house", 503, "MCPS_OVERLOADED", { world: ({ admission }) => void admission.enterNow("stream") }],
    ["a gateway that drains", 503, "MCPS_DRAINING", { world: ({ admission }) => admission.drain() }],
    ["a server that is not shown", 404, "MCPS_ITEM_UNKNOWN", { path: "/servers/none/ws" }],
  ])("is refused for %s", async (_, status, code, changed) => {
    const path = changed.path ?? "/ws";
    expect(await upgrade(changed)).toEqual({
      answer: [status, code],
      records: [`error ${code}`, `http stream ${status}`, `log request GET ${path} ${status}`],
    });
  });

  it("that is no handshake is answered and counted as such", async () => {
    expect(await upgrade({ headers: { "sec-websocket-key": undefined } })).toEqual({
      answer: [400, undefined],
      records: ["http stream 400", "log request GET /ws 400"],
    });
  });
});

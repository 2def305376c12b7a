/**
 * No check is left out on any way into the gateway. Each is shown by a request that is served twice, on a connection that is kept, so
 * that whatever is remembered of it is; and by what becomes of it then: the same answer everywhere, counted and logged alike.
 */
import { afterEach, describe, expect, it } from "vitest";
import { catalogue, checks, initialize, SECRET, type World } from "./checks.ts";
import { type Served, type ServedOptions, served } from "./transports/harness.ts";
import { type Conversation, type Way, ways } from "./ways.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

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

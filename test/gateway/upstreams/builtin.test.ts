/** The upstream that is answered inside the gateway, through the room's door. */
import { expect, it } from "vitest";
import { fault } from "../../../contract/errors.ts";
import type { BuiltinServer } from "../../../gateway/upstreams/index.ts";
import { Collector, counted, holder, message, open, room, send, target } from "./harness.ts";

const profile = {
  era: "legacy",
  protocolVersion: "2025-11-25",
  sessionless: true,
  capabilities: Buffer.from('{"prompts":{}}'),
  serverInfo: Buffer.from("{}"),
} as const;
const to = target("", { transport: "builtin" });

const server: BuiltinServer = {
  profile,
  async answer({ method, params, shows }) {
    if (method === "refuse") throw fault("MCPS_PROMPT_UNKNOWN", { name: "x" });
    if (method === "away") throw fault("MCPS_DATABASE", { reason: "gone" });
    if (method === "broken") throw new Error("a secret");
    return Buffer.from(JSON.stringify({ params, seen: shows("prompt", "a") }));
  },
};

it("answers with the id it was asked with; what is not said to be shown is not", async () => {
  const metrics = counted();
  const upstreams = room({ builtin: server, metrics });
  expect(await upstreams.profile(to)).toBe(profile);
  const asked = message("x", "any", { a: 1 });
  expect((await send(upstreams, to, holder(), asked)).messages).toEqual([
    '{"jsonrpc":"2.0","id":"x","result":{"params":{"a":1},"seen":false}}',
  ]);
  const shown = await send(upstreams, to, holder(), {
    ...asked,
    shows: (kind, name) => `${kind} ${name}` === "prompt a",
  });
  expect(shown.messages).toEqual(['{"jsonrpc":"2.0","id":"x","result":{"params":{"a":1},"seen":true}}']);
  expect(metrics.events).toEqual(["sample ok", "sample ok"]);
  await upstreams.close();
});

it("gives refusals as answers, and failures as those of the upstream", async () => {
  const upstreams = room({ builtin: server });
  const refused = await send(upstreams, to, holder(), message(1, "refuse"));
  expect(JSON.parse(refused.messages[0] ?? "")).toMatchObject({ id: 1, error: { code: -32602 } });
  expect((await send(upstreams, to, holder(), message(1, "away"))).fault).toMatchObject({ code: "MCPS_DATABASE" });
  const { fault: broken } = await send(upstreams, to, holder(), message(1, "broken"));
  expect(broken?.message).not.toContain("secret");
  expect((await send(room(), to, holder(), message(1, "any"))).fault).toMatchObject({
    code: "MCPS_UPSTREAM_UNREACHABLE",
  });
  await upstreams.close();
});

it("drops the answer of a cancelled request, takes no subscription, and its stream ends at once", async () => {
  const metrics = counted();
  const upstreams = room({ builtin: server, metrics });
  const { sink, exchange } = open(upstreams, to, holder(), message(1, "any"));
  exchange.cancel();
  await send(upstreams, to, holder(), message(2, "any"));
  expect([sink.messages, sink.endings, metrics.events]).toEqual([[], 0, ["sample cancelled", "sample ok"]]);
  await expect(upstreams.setSubscription(to, holder(), "a:b", true)).rejects.toMatchObject({ code: "MCPS_METHOD" });
  const listening = new Collector();
  upstreams.listen(to, holder(), listening);
  expect(await listening.done).toEqual({ messages: [], statuses: [], fault: undefined });
  await upstreams.notify(to, holder(), message(3, "notifications/roots/list_changed"));
  await upstreams.close();
});

/** Two clients at once with equal ids: answers, questions, progress and cancellations reach the one they belong to. */

import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engines } from "../../gateway/engine/index.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  connectV1,
  connectV2,
  eventData,
  type Gateway,
  modernRequest,
  openLegacySession,
  openStream,
  type Registered,
  register,
  startGateway,
  unregister,
  waitFor,
} from "../harness/index.ts";

type Mode = "dual" | "modern" | "legacy";

const cases = Object.keys(engines).flatMap((engine) =>
  (["dual", "modern", "legacy"] as const).map((mode: Mode) => ({ engine, mode })),
);

let gateway: Gateway;
let running: string | undefined;
afterAll(() => gateway?.stop());

/** One gateway for all upstreams, until the engine changes. */
async function useEngine(HTTP_SERVER: string): Promise<void> {
  if (running === HTTP_SERVER) return;
  await gateway?.stop();
  gateway = await startGateway({ env: { HTTP_SERVER } });
  running = HTTP_SERVER;
}

describe.each(cases)("two clients of the $engine engine in front of a $mode upstream", ({ engine, mode }) => {
  let fixture: Everything;
  let upstream: Registered;

  beforeAll(async () => {
    await useEngine(engine);
    fixture = await startEverything({ mode });
    upstream = await register(gateway, { name: mode, url: fixture.url });
  });
  afterAll(async () => {
    await unregister(gateway, upstream);
    await fixture?.close();
  });

  it("equal ids never cross", async () => {
    const [one, two] = await Promise.all([
      openLegacySession(gateway.mcpUrl, gateway.headers),
      openLegacySession(gateway.mcpUrl, gateway.headers),
    ]);
    const rounds = Array.from({ length: 20 }, (_, index) => index + 1);
    const answers = await Promise.all(
      rounds.flatMap((id) =>
        [one, two].map(async (session, index) => {
          const text = `client ${index} call ${id}`;
          const answer = await session.call(id, "tools/call", { name: `${mode}__echo`, arguments: { text } });
          return { answer: answer.json(), id, text };
        }),
      ),
    );
    for (const { answer, id, text } of answers)
      expect(answer).toMatchObject({ id, result: { content: [{ type: "text", text }] } });
  });

  it('the type of an id survives: "1" is not 1', async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const [text, number] = await Promise.all([
      session.call("1", "tools/call", { name: `${mode}__echo`, arguments: { text: "a" } }),
      session.call(1, "tools/call", { name: `${mode}__echo`, arguments: { text: "b" } }),
    ]);
    expect(text?.json()).toMatchObject({ id: "1", result: { content: [{ text: "a" }] } });
    expect(number?.json()).toMatchObject({ id: 1, result: { content: [{ text: "b" }] } });
  });

  it("legacy clients: an elicitation is asked of the client whose call it belongs to", async () => {
    const names = ["Ada", "Grace", "Edsger", "Barbara"];
    const clients = await Promise.all(
      names.map(async (name) => {
        const asked: string[] = [];
        const client = await connectV1(gateway.mcpUrl, gateway, { elicitation: {} });
        client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
          asked.push(params.message);
          return { action: "accept", content: { name } };
        });
        return { name, asked, client };
      }),
    );
    await Promise.all(
      clients.map(async ({ name, asked, client }) => {
        const result = await client.callTool({ name: `${mode}__elicit_name`, arguments: { tag: `tag of ${name}` } });
        await client.close();
        expect(result.content).toEqual([{ type: "text", text: `tag of ${name}: Hello, ${name}!` }]);
        expect(asked).toEqual([`tag of ${name}: your name?`]);
      }),
    );
  });

  it("modern clients: input_required round trips do not cross either", async () => {
    const names = ["Ada", "Grace", "Edsger"];
    await Promise.all(
      names.map(async (name) => {
        const client = await connectV2(gateway.mcpUrl, gateway, "modern", { elicitation: { form: {} } });
        client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: { name } }));
        const result = await client.callTool({ name: `${mode}__elicit_name`, arguments: { tag: name } });
        await client.close();
        expect(result.content).toEqual([{ type: "text", text: `${name}: Hello, ${name}!` }]);
      }),
    );
  });

  it("a legacy client's cancellation reaches the upstream's call, and only that one", async () => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const keys = [`keep-${mode}`, `cancel-${mode}`];
    const [kept] = keys.map((key, index) =>
      session.call(100 + index, "tools/call", { name: `${mode}__wait`, arguments: { key, ms: 30_000 } }),
    );
    await waitFor(() => keys.every((key) => fixture.observed.waiting.includes(key)), 60_000, "both calls upstream");
    const accepted = await session.notify("notifications/cancelled", { requestId: 101, reason: "enough" });
    expect(accepted.status).toBe(202);
    await waitFor(() => fixture.observed.cancellations.length > 0, 60_000, "the cancellation upstream");
    fixture.release(`keep-${mode}`);
    expect((await kept)?.json()).toMatchObject({ id: 100, result: { content: [{ text: "waited" }] } });
    expect(fixture.observed.cancellations.map(({ key }) => key)).toEqual([`cancel-${mode}`]);
  });

  it("a modern client cancels by closing its stream", async () => {
    const key = `closed-${mode}`;
    const { headers, body } = modernRequest(7, "tools/call", {
      name: `${mode}__wait`,
      arguments: { key, ms: 30_000 },
      _meta: { progressToken: "p" },
    });
    const stream = await openStream("POST", gateway.mcpUrl, { ...headers, ...gateway.headers }, body);
    await waitFor(() => fixture.observed.waiting.includes(key), 60_000, "the call upstream");
    stream.close();
    await waitFor(
      () => fixture.observed.cancellations.some((one) => one.key === key),
      60_000,
      "the cancellation upstream",
    );
  });

  it("progress comes in order, before the result, with the client's own token", async () => {
    const session = await openLegacySession(upstream.mcpUrl, gateway.headers);
    const results = await Promise.all(
      ["same token", 5].map((progressToken, index) =>
        session.call(index, "tools/call", { name: "test_tool_with_progress", arguments: {}, _meta: { progressToken } }),
      ),
    );
    for (const [index, progressToken] of ["same token", 5].entries()) {
      const messages = eventData(results[index]?.text ?? "").map((data) => JSON.parse(data));
      expect(messages.map((one) => one.params?.progress ?? one.id)).toEqual([0, 50, 100, index]);
      for (const one of messages.slice(0, 3)) expect(one.params).toMatchObject({ progressToken, total: 100 });
    }
  });

  it("resources/updated goes to the subscriber alone", async () => {
    const [subscriber, other] = await Promise.all([
      openLegacySession(gateway.mcpUrl, gateway.headers),
      openLegacySession(gateway.mcpUrl, gateway.headers),
    ]);
    const uri = `${mode}+test://watched-resource`;
    const streams = await Promise.all(
      [subscriber, other].map(({ headers }) =>
        openStream("GET", gateway.mcpUrl, { ...headers, accept: "text/event-stream" }),
      ),
    );
    expect(streams.map(({ status }) => status)).toEqual([200, 200]);
    expect((await subscriber.call(1, "resources/subscribe", { uri })).json()).toEqual({
      jsonrpc: "2.0",
      id: 1,
      result: {},
    });
    const updates = (index: number) =>
      (streams[index]?.events ?? []).filter(({ data }) => data.includes("notifications/resources/updated"));
    await waitFor(
      async () => {
        await other.call(2, "tools/call", {
          name: `${mode}__touch_resource`,
          arguments: { uri: "test://watched-resource" },
        });
        return updates(0).length > 0;
      },
      60_000,
      "the update",
    );
    expect(JSON.parse(updates(0)[0]?.data ?? "")).toMatchObject({
      method: "notifications/resources/updated",
      params: { uri },
    });
    expect(updates(1)).toEqual([]);
    for (const stream of streams) stream.close();
  });

  it("subscriptions/listen: acknowledged first, filtered, tagged with the id of the request", async () => {
    const { headers, body } = modernRequest("listen-1", "subscriptions/listen", {
      notifications: { toolsListChanged: true, resourceSubscriptions: [`${mode}+test://watched-resource`] },
    });
    const stream = await openStream("POST", gateway.mcpUrl, { ...headers, ...gateway.headers }, body);
    await waitFor(() => stream.events.length > 0, 60_000, "the acknowledgement");
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const touch = { name: `${mode}__touch_resource`, arguments: { uri: "test://watched-resource" } };
    await waitFor(
      async () => {
        await session.call(1, "tools/call", touch);
        await session.call(2, "tools/call", { name: `${mode}__test_trigger_prompt_change`, arguments: {} });
        await session.call(3, "tools/call", { name: `${mode}__test_trigger_tool_change`, arguments: {} });
        const text = stream.events.map(({ data }) => data).join("\n");
        return text.includes("resources/updated") && text.includes("tools/list_changed");
      },
      60_000,
      "both notifications",
    );
    stream.close();
    const messages = stream.events.map(({ data }) => JSON.parse(data));
    expect(messages[0]?.method).toBe("notifications/subscriptions/acknowledged");
    for (const one of messages) expect(one.params._meta["io.modelcontextprotocol/subscriptionId"]).toBe("listen-1");
    expect(messages.filter(({ method }) => method === "notifications/prompts/list_changed")).toEqual([]);
    const update = messages.find(({ method }) => method === "notifications/resources/updated");
    expect(update?.params.uri).toBe(`${mode}+test://watched-resource`);
  });

  it("an upstream session belongs to one client session; a modern upstream has none", async () => {
    const one = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const two = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const counts: unknown[] = [];
    for (const [index, session] of [one, one, two, one].entries()) {
      const answer = await session.call(index, "tools/call", { name: `${mode}__count`, arguments: {} });
      counts.push(answer.json().result);
    }
    // An upstream of both eras is spoken to in the era of the caller, so it keeps a session for these legacy clients.
    const expected = mode === "modern" ? ["1", "1", "1", "1"] : ["1", "2", "1", "3"];
    expect(counts).toMatchObject(expected.map((text) => ({ content: [{ type: "text", text }] })));
  });
});

/** Questions to the client across two replicas: asked by one, answered through the other, whatever era client and upstream speak. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  callModern,
  type Gateway,
  type LegacySession,
  message,
  missing,
  openStream,
  send,
  titled,
} from "../harness/index.ts";
import { messageWith, type ReplicaPair, startReplicaPair } from "./replica-pair.ts";

const ADA = { action: "accept", content: { name: "Ada" } };

describe.each([
  { title: "questions with Redis", withRedis: true },
  { title: "questions without Redis", withRedis: false },
])("$title", ({ withRedis }) => {
  const absent = missing("postgres", ...(withRedis ? (["redis-server"] as const) : []));
  describe.skipIf(absent !== undefined)(titled("over two replicas", absent), () => {
    let pair: ReplicaPair;
    beforeAll(async () => {
      pair = await startReplicaPair(withRedis);
    });
    afterAll(() => pair?.stop());

    it.each([
      { slug: "up", era: "legacy" },
      { slug: "mod", era: "modern" },
    ])("a legacy client of a $era upstream answers through the other replica", async ({ slug }) => {
      const session = await pair.openOnBoth({ elicitation: {} });
      const params = { name: `${slug}__elicit_name`, arguments: { tag: "crossing" } };
      const stream = await openStream("POST", pair.one.mcpUrl, session.headers, message(60, "tools/call", params));
      const { id } = object(await messageWith(stream, "elicitation/create"));
      expect(await reply(pair.two, session, id)).toBe(202);
      expect(await messageWith(stream, '"result"')).toMatchObject({
        id: 60,
        result: { content: [{ text: "crossing: Hello, Ada!" }] },
      });
      stream.close();
    });

    it.each([
      { slug: "up", era: "legacy" },
      { slug: "mod", era: "modern" },
    ])("a modern client of a $era upstream retries its call at the other replica", async ({ slug }) => {
      await pair.openOnBoth();
      const call = (gateway: Gateway, id: number, more: object) =>
        callModern(
          gateway,
          gateway.mcpUrl,
          id,
          "tools/call",
          { name: `${slug}__elicit_name`, arguments: { tag: "again" }, ...more },
          { elicitation: { form: {} } },
        );
      const asked = object((await call(pair.one, 1, {})).json().result);
      expect(asked).toMatchObject({ resultType: "input_required" });
      const inputResponses = Object.fromEntries(Object.keys(object(asked.inputRequests)).map((key) => [key, ADA]));
      const done = await call(pair.two, 2, { inputResponses, requestState: asked.requestState });
      expect(done.json()).toMatchObject({ id: 2, result: { content: [{ text: "again: Hello, Ada!" }] } });
    });
  });
});

/** The status of a legacy client's answer to a question. */
async function reply(gateway: Gateway, session: LegacySession, id: unknown): Promise<number> {
  const body = JSON.stringify({ jsonrpc: "2.0", id, result: ADA });
  return (await send("POST", gateway.mcpUrl, session.headers, body)).status;
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new Error(`not an object: ${JSON.stringify(value)}`);
  return { ...value };
}

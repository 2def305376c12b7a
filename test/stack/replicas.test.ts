/** Two gateway processes on one PostgreSQL, with and without Redis: no client has to know which of them answers. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errors } from "../../contract/errors.ts";
import {
  type EventStream,
  message,
  missing,
  openStream,
  register,
  rest,
  send,
  titled,
  unregister,
  waitFor,
} from "../harness/index.ts";
import { callAt, listenAt, messageWith, type ReplicaPair, startReplicaPair } from "./replica-pair.ts";

const RESULT = '"result"';

describe.each([
  { title: "two replicas with Redis", withRedis: true },
  { title: "two replicas without Redis", withRedis: false },
])("$title", ({ title, withRedis }) => {
  const absent = missing("postgres", ...(withRedis ? (["redis-server"] as const) : []));
  describe.skipIf(absent !== undefined)(titled("on one PostgreSQL", absent), () => {
    let pair: ReplicaPair;
    beforeAll(async () => {
      pair = await startReplicaPair(withRedis);
    });
    afterAll(() => pair?.stop());

    it("one session is answered by both in turn and counts in one upstream session", async () => {
      const session = await pair.openOnBoth();
      const counts: unknown[] = [];
      for (const [index, gateway] of [pair.one, pair.two, pair.one, pair.two].entries()) {
        const answer = await callAt(gateway, session, index + 1, "tools/call", { name: "up__count", arguments: {} });
        counts.push(answer.json().result);
      }
      expect(counts).toEqual(["1", "2", "3", "4"].map((text) => ({ content: [{ type: "text", text }] })));
    });

    it("a stream broken on one is resumed on the other by Last-Event-ID", async () => {
      const session = await pair.openOnBoth();
      const key = `resume ${title}`;
      const params = { name: "up__wait", arguments: { key, ms: 30_000 }, _meta: { progressToken: "p" } };
      const stream = await openStream("POST", pair.one.mcpUrl, session.headers, message(50, "tools/call", params));
      await messageWith(stream, "progress");
      const last = stream.events.at(-1)?.id;
      stream.close();
      const resumed = await listenAt(pair.two, session, last);
      expect(resumed.status).toBe(200);
      pair.legacy.release(key);
      const answer = await messageWith(resumed, RESULT);
      expect(answer).toMatchObject({ id: 50, result: { content: [{ type: "text", text: "waited" }] } });
      expect(pair.legacy.observed.cancellations).toEqual([]);
      resumed.close();
    });

    it("a subscription made on one is delivered through the other", async () => {
      const session = await pair.openOnBoth();
      const uri = "up+test://watched-resource";
      const stream = await listenAt(pair.two, session);
      expect((await callAt(pair.one, session, 1, "resources/subscribe", { uri })).json()).toMatchObject({ result: {} });
      await touchUntilSeen(stream, session, "up");
      stream.close();
    });

    it("a subscription goes on when its stream moves to the other replica", async () => {
      const session = await pair.openOnBoth();
      const uri = "up+test://watched-resource";
      const first = await listenAt(pair.one, session);
      await callAt(pair.two, session, 1, "resources/subscribe", { uri });
      await touchUntilSeen(first, session, "up");
      first.close();
      const second = await listenAt(pair.two, session);
      await touchUntilSeen(second, session, "up");
      second.close();
    });

    it("a cancellation sent to one reaches the call that runs on the other", async () => {
      const session = await pair.openOnBoth();
      const key = `cancel ${title}`;
      const params = { name: "up__wait", arguments: { key, ms: 30_000 } };
      const stream = openStream("POST", pair.one.mcpUrl, session.headers, message(70, "tools/call", params));
      const { observed } = pair.legacy;
      await waitFor(() => observed.waiting.includes(key), 60_000, "the call upstream");
      const cancel = message(undefined, "notifications/cancelled", { requestId: 70 });
      await send("POST", pair.two.mcpUrl, session.headers, cancel);
      await waitFor(() => observed.cancellations.some((seen) => seen.key === key), 60_000, "the cancellation");
      stream.then(({ close }) => close()).catch(() => {});
    });

    it("a session ended on one is unknown on the other", async () => {
      const session = await pair.openOnBoth();
      expect((await send("DELETE", pair.one.mcpUrl, session.headers)).status).toBe(200);
      const late = await waitFor(
        async () => {
          const answer = await callAt(pair.two, session, 1, "ping");
          return answer.status === 404 ? answer : undefined;
        },
        60_000,
        "the end on the other",
      );
      expect(late.json()).toMatchObject({ error: { code: errors.MCPS_SESSION_UNKNOWN.rpc } });
    });

    it("what is registered on one is listed, called and deleted through the other", async () => {
      const session = await pair.openOnBoth();
      const third = await register(pair.one, { name: "third", url: pair.legacy.url });
      const listed = async () => (await callAt(pair.two, session, 1, "tools/list")).text.includes("third__echo");
      await waitFor(listed, 60_000, "the tools on the other");
      const echo = { name: "third__echo", arguments: { text: "across" } };
      expect((await callAt(pair.two, session, 2, "tools/call", echo)).json()).toMatchObject({
        result: { content: [{ text: "across" }] },
      });
      expect((await rest(pair.two, "GET", `/gateways/${third.id}`)).body).toMatchObject({ slug: "third" });
      await unregister(pair.two, third);
      const gone = async () => !(await callAt(pair.one, session, 3, "tools/list")).text.includes("third__echo");
      await waitFor(gone, 60_000, "the end on the first");
    });

    it("an HTTP+SSE stream on one takes messages posted to the other", async () => {
      await pair.openOnBoth();
      const stream = await openStream("GET", `${pair.one.url}/sse`, pair.one.headers);
      const endpoint = await waitFor(() => stream.events[0]?.data, 60_000, "the endpoint");
      const post = async (id: number | undefined, method: string, params?: object) => {
        const headers = { ...pair.two.headers, "content-type": "application/json" };
        const answer = await send("POST", pair.two.url + endpoint, headers, message(id, method, params));
        expect(answer.status).toBe(202);
      };
      const clientInfo = { name: "by hand", version: "1" };
      await post(1, "initialize", { protocolVersion: "2024-11-05", capabilities: {}, clientInfo });
      expect(await messageWith(stream, '"id":1')).toMatchObject({ result: { protocolVersion: "2024-11-05" } });
      await post(undefined, "notifications/initialized");
      await post(2, "tools/call", { name: "up__echo", arguments: { text: "posted elsewhere" } });
      expect(await messageWith(stream, '"id":2')).toMatchObject({
        result: { content: [{ text: "posted elsewhere" }] },
      });
      stream.close();
    });

    it("a call whose replica is killed -9 ends with MCPS_CALL_LOST on the other, where its stream is resumed", async () => {
      const session = await pair.openOnBoth();
      const key = `lost ${title}`;
      const params = { name: "up__wait", arguments: { key, ms: 60_000 }, _meta: { progressToken: "p" } };
      const stream = await openStream("POST", pair.one.mcpUrl, session.headers, message(80, "tools/call", params));
      await messageWith(stream, "progress");
      const last = stream.events.at(-1)?.id;
      // What the client has is stored a moment later; a replica that dies before cannot be told from one that never had the call.
      const early = await listenAt(pair.two, session, stream.events[0]?.id);
      await messageWith(early, "progress");
      early.close();
      try {
        await pair.one.kill("SIGKILL");
        await stream.ended;
        const resumed = await listenAt(pair.two, session, last);
        const answer = await messageWith(resumed, '"error"', 60_000);
        expect(answer).toMatchObject({ id: 80, error: { code: errors.MCPS_CALL_LOST.rpc } });
        // The stream of an answered request is over.
        await resumed.ended;
      } finally {
        pair.legacy.release(key);
        pair.one = await pair.startReplica();
      }
    });

    it("either is killed and the client goes on with the other", async () => {
      const session = await pair.openOnBoth();
      for (const victim of ["one", "two"] as const) {
        const alive = victim === "one" ? "two" : "one";
        await pair[victim].kill("SIGKILL");
        const echo = { name: "up__echo", arguments: { text: `after ${victim}` } };
        const answer = await callAt(pair[alive], session, 1, "tools/call", echo);
        expect(answer.json()).toMatchObject({
          id: 1,
          result: { content: [{ type: "text", text: `after ${victim}` }] },
        });
        const back = await pair.startReplica();
        pair[victim] = back;
        const listed = async () => (await callAt(back, session, 2, "tools/list")).text.includes("up__echo");
        await waitFor(listed, 60_000, "its return");
      }
    });

    /** The subscription may still be on its way upstream, so the resource is touched until an update arrives. */
    async function touchUntilSeen(
      stream: EventStream,
      session: Awaited<ReturnType<ReplicaPair["openOnBoth"]>>,
      slug: string,
    ): Promise<void> {
      const touch = { name: `${slug}__touch_resource`, arguments: { uri: "test://watched-resource" } };
      await waitFor(
        async () => {
          await callAt(pair.one, session, 2, "tools/call", touch);
          return stream.events.some(({ data }) => data.includes("notifications/resources/updated"));
        },
        60_000,
        "the update",
      );
    }
  });
});

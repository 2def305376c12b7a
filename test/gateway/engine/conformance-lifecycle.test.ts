/** Both engines from their start to their end: what runs is answered, what comes late is told so, nothing is left behind. */
import { afterEach, describe, expect, it } from "vitest";
import type { ResponseSink } from "../../../contract/http.ts";
import { waitFor } from "../../harness/index.ts";
import { engineStarter, type Running, rawConnection } from "./harness.ts";
import { http1Client } from "./http1-client.ts";
import { ask, http2Session } from "./http2-client.ts";
import { enterLane, lanes } from "./lanes.ts";

const engines = engineStarter();
afterEach(() => engines.closeAll());

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

/** Requests for /slow, to be answered by the test. */
function slow({ application }: Running): ResponseSink[] {
  const sinks: ResponseSink[] = [];
  application.handlers.set("/slow", (_, sink) => sinks.push(sink));
  return sinks;
}

describe.each(lanes)("an engine ($title)", (lane) => {
  it("drains: answers what runs, serves what comes meanwhile for the last time, closes what is idle", async () => {
    const running = await engines.start(lane.engine);
    const sinks = slow(running);
    const [{ client: busy }, { client: idle }, { client: late }] = await Promise.all([
      enterLane(lane, running.port),
      enterLane(lane, running.port),
      enterLane(lane, running.port),
    ]);
    busy.send(get("/slow"));
    await waitFor(() => sinks.length === 1);
    let report: unknown;
    const drained = running.engine.drain(60_000).then((found) => {
      report = found;
    });

    late.send(get("/late"));
    expect((await late.next()).headers.connection).toBe("close");
    expect(await late.rest()).toBe("");
    // An answer that a running call waits for may come on a new connection.
    const fresh = await http1Client(running.port);
    fresh.send(get("/fresh"));
    expect((await fresh.next()).headers.connection).toBe("close");
    expect(report).toBeUndefined();

    sinks[0]?.respond(200, {}, "slow");
    expect(await busy.next()).toMatchObject({ headers: { connection: "close" }, body: "slow" });
    expect([await busy.rest(), await idle.rest()]).toEqual(["", ""]);
    await drained;
    expect(report).toEqual({ cut: 0 });
    await expect(rawConnection(running.port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("refuses while it drains, and ends the connection with that", async () => {
    const running = await engines.start(lane.engine);
    const sinks = slow(running);
    const [{ client: busy }, { client: late }] = await Promise.all([
      enterLane(lane, running.port),
      enterLane(lane, running.port),
    ]);
    busy.send(get("/slow"));
    await waitFor(() => sinks.length === 1);
    const drained = running.engine.drain(60_000);
    running.application.refused = true;
    late.send(`POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc${get("/later")}`);
    expect(await late.next()).toEqual({
      status: 503,
      headers: { connection: "close", "content-length": "16", "retry-after": "1" },
      body: '{"refused":true}',
    });
    expect(await late.rest()).toBe("");
    sinks[0]?.respond(200, {}, "");
    expect(await drained).toEqual({ cut: 0 });
  });

  it("says how many requests the deadline cut, and cuts them as it closes, as often as it is told to", async () => {
    const running = await engines.start(lane.engine);
    const sinks = slow(running);
    const { client } = await enterLane(lane, running.port);
    client.send(get("/slow"));
    await waitFor(() => sinks.length === 1);
    let gone = 0;
    sinks[0]?.onClose(() => void gone++);
    expect(await running.engine.drain(1)).toEqual({ cut: 1 });
    await Promise.all([running.engine.close(), running.engine.close()]);
    await running.engine.close();
    expect(await client.rest()).toBe("");
    await waitFor(() => gone === 1 && running.application.inside === 0);
  });

  it("closes without having drained, whatever its connections are at", async () => {
    const running = await engines.start(lane.engine);
    const sinks = slow(running);
    const opened = await Promise.all(Array.from({ length: 4 }, () => enterLane(lane, running.port)));
    const [idle, head, body, answer] = opened.map(({ client }) => client);
    head?.send("GET / HTTP");
    body?.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx");
    answer?.send(get("/slow"));
    await waitFor(() => running.application.inside === 2);
    expect(sinks).toHaveLength(1);
    await running.engine.close();
    expect(await Promise.all([idle, head, body, answer].map((one) => one?.rest()))).toEqual(["", "", "", ""]);
    await waitFor(() => running.application.inside === 0);
    expect(running.application.bodyRefusals).toEqual(["aborted"]);
  });

  it("goes on behind an application that throws", async () => {
    const running = await engines.start(lane.engine);
    running.application.handlers.set("/bad", () => {
      throw new Error("a defect");
    });
    const [{ client: bad }, { client: good }] = await Promise.all([
      enterLane(lane, running.port),
      enterLane(lane, running.port),
    ]);
    bad.send(get("/bad"));
    expect(await bad.rest()).toBe("");
    good.send(get("/a"));
    expect((await good.next()).status).toBe(200);
    await waitFor(() => running.application.inside === 0);
  });

  it("serves HTTP/2 beside it", async () => {
    const running = await engines.start(lane.engine);
    const { client } = await enterLane(lane, running.port);
    const session = await http2Session(`http://127.0.0.1:${running.port}`);
    const [two] = await Promise.all([ask(session, { ":path": "/a" }), client.send(get("/a"))]);
    const one = await client.next();
    const pathOf = (text: string): unknown => JSON.parse(text).path;
    expect([two.status, pathOf(two.text), one.status, pathOf(one.body)]).toEqual([200, "/a", 200, "/a"]);
    session.close();
  });
});

/** A client that cannot keep up: its stream is no longer read from the upstream, which stops sending. */
import type { ServerResponse } from "node:http";
import { buildConnector } from "undici";
import { expect, it } from "vitest";
import type { Exchange } from "../../../gateway/upstreams/index.ts";
import { closing } from "../../harness/closing.ts";
import { waitFor } from "../../harness/index.ts";
import { Collector, holder, json, legacyLife, message, room, serve, target } from "./harness.ts";

const closers = closing();

const EVENT = `data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params: { data: "a".repeat(1000) } })}\n\n`;
/** Far more than the sockets between the two hold. */
const EVENTS = 16_000;

/** Sends as fast as it is read. */
function pour(response: ServerResponse, last: string): void {
  let sent = 0;
  const more = (): void => {
    while (sent < EVENTS) {
      sent++;
      if (!response.write(EVENT)) {
        response.once("drain", more);
        return;
      }
    }
    response.end(last);
  };
  response.writeHead(200, { "content-type": "text/event-stream" });
  more();
}

class Slow extends Collector {
  exchange: Exchange | undefined;
  override message(raw: Buffer, status: number): void {
    super.message(raw, status);
    if (this.messages.length === 1) this.exchange?.pause?.();
  }
}

async function pouring() {
  const responses: ServerResponse[] = [];
  const upstream = await serve((seen, response) => {
    if (seen.method === "GET" || seen.json?.method === "tools/call") {
      responses.push(response);
      pour(response, 'data: {"jsonrpc":"2.0","id":5,"result":"done"}\n\n');
    } else if (!legacyLife(seen, response)) json(response, 404, {});
  });
  closers.push(upstream.close);
  return { upstream, responses };
}

it.each([
  ["the lean client", {}],
  ["undici", { connect: buildConnector({ allowH2: false }) }],
])("holds a call's stream back until it goes on (%s)", async (_, options) => {
  const { upstream, responses } = await pouring();
  const made = room(options);
  closers.push(() => made.close());
  const sink = new Slow();
  const to = target(upstream.url);
  await made.profile(to, "legacy");
  sink.exchange = made.request(to, holder(), { ...message(5, "tools/call"), era: "legacy" }, sink);
  await waitFor(async () => responses[0]?.writableNeedDrain === true && sink.messages.length > 0);
  expect(sink.messages.length).toBeLessThan(1000);
  sink.exchange.resume?.();
  expect((await sink.done).fault).toBeUndefined();
  expect(sink.messages.length).toBe(EVENTS + 1);
});

it("holds the stream of a session back", async () => {
  const { upstream, responses } = await pouring();
  const made = room();
  closers.push(() => made.close());
  const sink = new Slow();
  sink.exchange = made.listen(target(upstream.url, { era: "legacy" }), holder(), sink);
  await waitFor(async () => responses[0]?.writableNeedDrain === true && sink.messages.length > 0);
  expect(sink.messages.length).toBeLessThan(1000);
  sink.exchange.resume?.();
  await sink.until(EVENTS);
  sink.exchange.cancel();
});

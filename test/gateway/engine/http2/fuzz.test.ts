/** HTTP/2 connections of any bytes in any pieces: never the end of the process, never a place that is not given back. */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../../../harness/index.ts";
import { engineStarter, type Running, rawConnection } from "../harness.ts";
import {
  ask,
  END_HEADERS,
  END_STREAM,
  frame,
  frames,
  headerBlock,
  http2Session,
  PREFACE,
  parseFrames,
} from "../http2-client.ts";

const engines = engineStarter();
afterEach(() => engines.closeAll());

const POST = headerBlock([
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/x"],
  [":authority", "a.example"],
]);
const opening = Buffer.concat([PREFACE, frame(frames.settings, 0, 0)]);
const goodbye = frame(frames.goaway, 0, 0, Buffer.alloc(8));

/** What came back by the time the connection ended, its dates left out. */
async function exchanged({ port }: Running, pieces: readonly Buffer[]) {
  const raw = await rawConnection(port);
  raw.socket.setNoDelay(true);
  for (const piece of pieces) await new Promise((sent) => raw.socket.write(piece, sent));
  raw.socket.end();
  await raw.closed;
  return parseFrames(raw.bytes()).map(({ type, streamId, payload }) => {
    const text = payload.toString("latin1").replace(/\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT/, "DATE");
    return [type, streamId, text];
  });
}

describe("an HTTP/2 connection", () => {
  it("means the same wherever its bytes are cut", async () => {
    const running = await engines.start("bounded");
    const conversation = Buffer.concat([
      opening,
      frame(frames.headers, 0, 1, POST.subarray(0, 20)),
      frame(frames.continuation, END_HEADERS, 1, POST.subarray(20)),
      frame(frames.data, 0, 1, Buffer.from("one")),
      frame(frames.ping, 0, 0, Buffer.alloc(8, 7)),
      frame(frames.data, END_STREAM, 1, Buffer.from("two")),
      frame(frames.headers, END_HEADERS | END_STREAM, 3, POST),
      goodbye,
    ]);
    const whole = await exchanged(running, [conversation]);
    expect(whole.filter(([type]) => type === frames.data)).toHaveLength(2);
    for (let at = PREFACE.length; at < conversation.length; at++) {
      const cut = await exchanged(running, [conversation.subarray(0, at), conversation.subarray(at)]);
      // Where the pieces are read apart, answers may come in another order.
      expect([at, cut.toSorted()]).toEqual([at, whole.toSorted()]);
    }
    expect(running.application.inside).toBe(0);
  });

  it("of any frames gives every place back, and leaves others alone", async () => {
    const running = await engines.start("bounded");
    const { application } = running;
    application.handlers.set("/x", (request, sink) => {
      if (request.body.length % 2 === 1) sink.respond(200, {}, request.body);
      else {
        sink.open(200, {});
        sink.write(request.body);
        sink.end();
      }
    });
    const session = await http2Session(`http://127.0.0.1:${running.port}`);
    const streamId = fc.constantFrom(0, 1, 1, 1, 2, 3, 3, 5, 7, 2 ** 31 - 1);
    const payload = fc.oneof(
      fc.constant(POST),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    );
    const any = fc
      .tuple(fc.integer({ min: 0, max: 11 }), fc.nat(255), streamId, payload)
      .map(([type, flags, id, bytes]) => frame(type, flags, id, bytes));
    const request = streamId.map((id) => frame(frames.headers, END_HEADERS, id, POST));
    const data = fc
      .tuple(streamId, fc.nat(1), payload)
      .map(([id, flags, bytes]) => frame(frames.data, flags, id, bytes));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(any, request, data), { maxLength: 20 }), fc.nat(), async (sent, cutAt) => {
        const bytes = Buffer.concat([opening, ...sent]);
        const at = cutAt % bytes.length;
        const raw = await rawConnection(running.port, bytes.subarray(0, at));
        raw.socket.end(bytes.subarray(at));
        await raw.closed;
        expect((await ask(session, { ":path": "/healthy" })).status).toBe(200);
        await waitFor(() => application.inside === 0);
      }),
      { numRuns: 300 },
    );
    session.close();
  });
});

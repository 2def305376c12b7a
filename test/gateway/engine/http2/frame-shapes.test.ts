/** What is wrong with a frame by itself, against RFC 9113 §6 read as a table. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentOf, dependsOnItself, shapeError } from "../../../../gateway/engine/http2/frame-shapes.ts";
import { ERROR, FLAG, FRAME } from "../../../../gateway/engine/http2/frames.ts";

const { none, protocol, frameSize } = ERROR;

describe("the shape of a frame", () => {
  it.each([
    // type, flags, stream, length → error; §6.1 to §6.10 in turn
    ["DATA", FRAME.data, 0, 1, 0, none],
    ["DATA of the connection", FRAME.data, 0, 0, 5, protocol],
    ["HEADERS", FRAME.headers, 0, 1, 9, none],
    ["HEADERS of the connection", FRAME.headers, 0, 0, 9, protocol],
    ["PRIORITY", FRAME.priority, 0, 1, 5, none],
    ["PRIORITY, short", FRAME.priority, 0, 1, 4, frameSize],
    ["PRIORITY, long", FRAME.priority, 0, 1, 6, frameSize],
    ["PRIORITY of the connection", FRAME.priority, 0, 0, 5, protocol],
    ["RST_STREAM", FRAME.rstStream, 0, 1, 4, none],
    ["RST_STREAM, short", FRAME.rstStream, 0, 1, 3, frameSize],
    ["RST_STREAM, long", FRAME.rstStream, 0, 1, 5, frameSize],
    ["RST_STREAM of the connection", FRAME.rstStream, 0, 0, 4, protocol],
    ["SETTINGS, none", FRAME.settings, 0, 0, 0, none],
    ["SETTINGS, two", FRAME.settings, 0, 0, 12, none],
    ["SETTINGS, one and a half", FRAME.settings, 0, 0, 9, frameSize],
    ["SETTINGS of a stream", FRAME.settings, 0, 1, 0, protocol],
    ["acknowledged SETTINGS", FRAME.settings, FLAG.ack, 0, 0, none],
    ["acknowledged SETTINGS with some", FRAME.settings, FLAG.ack, 0, 6, frameSize],
    ["PUSH_PROMISE", FRAME.pushPromise, 0, 1, 4, protocol],
    ["PING", FRAME.ping, 0, 0, 8, none],
    ["PING, short", FRAME.ping, 0, 0, 7, frameSize],
    ["PING, long", FRAME.ping, FLAG.ack, 0, 9, frameSize],
    ["PING of a stream", FRAME.ping, 0, 1, 8, protocol],
    ["GOAWAY", FRAME.goaway, 0, 0, 8, none],
    ["GOAWAY with a reason", FRAME.goaway, 0, 0, 80, none],
    ["GOAWAY, short", FRAME.goaway, 0, 0, 7, frameSize],
    ["GOAWAY of a stream", FRAME.goaway, 0, 1, 8, protocol],
    ["WINDOW_UPDATE", FRAME.windowUpdate, 0, 0, 4, none],
    ["WINDOW_UPDATE of a stream", FRAME.windowUpdate, 0, 1, 4, none],
    ["WINDOW_UPDATE, short", FRAME.windowUpdate, 0, 1, 3, frameSize],
    ["CONTINUATION", FRAME.continuation, 0, 1, 0, none],
    ["CONTINUATION of the connection", FRAME.continuation, 0, 0, 0, protocol],
    ["a type that nobody knows", 0x42, 0xff, 0, 3, none],
  ])("%s", (_, type, flags, streamId, length, error) => {
    expect(shapeError(type, flags, streamId, length)).toBe(error);
  });
});

describe("what DATA and HEADERS carry", () => {
  const field = fc.uint8Array({ maxLength: 40 });

  it("is what was put between priority and padding", () => {
    fc.assert(
      fc.property(
        field,
        field,
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        (content, padding, isPadded, asked, isHead) => {
          const hasPriority = asked && isHead;
          const frame = Buffer.concat([
            Buffer.from("before"),
            Buffer.from(isPadded ? [padding.length] : []),
            Buffer.alloc(hasPriority ? 5 : 0, 0xff),
            content,
            isPadded ? padding : Buffer.alloc(0),
          ]);
          const bytes = Buffer.concat([frame, Buffer.from("behind")]);
          // DATA knows no priority: the bit means nothing there.
          const flags = (isPadded ? FLAG.padded : 0) | (asked ? FLAG.priority : 0);
          const type = isHead ? FRAME.headers : FRAME.data;
          expect(contentOf(type, flags, bytes, 6, frame.length)).toEqual(Buffer.from(content));
        },
      ),
    );
  });

  it.each([
    ["DATA that is padded, of no bytes", FRAME.data, FLAG.padded, []],
    ["DATA with more padding than there are bytes", FRAME.data, FLAG.padded, [3, 1, 2]],
    ["HEADERS shorter than their priority", FRAME.headers, FLAG.priority, [0, 0, 0, 3]],
    [
      "HEADERS whose padding reaches into their priority",
      FRAME.headers,
      FLAG.priority | FLAG.padded,
      [1, 0, 0, 0, 3, 9],
    ],
  ])("is nothing in %s", (_, type, flags, frame) => {
    const bytes = Buffer.from([...frame, 0, 0, 0, 0]);
    expect(contentOf(type, flags, bytes, 0, frame.length)).toBeUndefined();
  });
});

describe("a stream that depends on itself", () => {
  it.each([
    ["PRIORITY", FRAME.priority, 0, [0x80, 0, 0, 3, 9], true],
    ["PRIORITY on another one", FRAME.priority, 0, [0, 0, 0, 5, 9], false],
    ["HEADERS", FRAME.headers, FLAG.priority, [0, 0, 0, 3, 9], true],
    ["padded HEADERS", FRAME.headers, FLAG.priority | FLAG.padded, [0, 0, 0, 0, 3, 9], true],
    ["HEADERS without priority", FRAME.headers, 0, [0, 0, 0, 3, 9], false],
  ])("in %s", (_, type, flags, frame, isSo) => {
    expect(dependsOnItself(type, flags, 3, Buffer.from(frame), 0)).toBe(isSo);
  });
});

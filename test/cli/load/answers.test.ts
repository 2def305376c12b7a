import { describe, expect, it } from "vitest";
import { judge } from "../../../cli/load/answers.ts";
import { answerOf } from "./fake.ts";

const STREAM = { "content-type": "text/event-stream; charset=utf-8" };
const good = '{"jsonrpc":"2.0","id":7,"result":{"content":[]}}';

describe("judging answers", () => {
  it.each([
    ["JSON", answerOf(200, good)],
    [
      "a stream with messages before the answer",
      answerOf(200, `: hi\n\ndata: {"method":"notifications/message"}\n\nid: 3\ndata: ${good}\n\n`, STREAM),
    ],
    [
      "a stream whose event has several lines, with CRLF",
      answerOf(200, `data: {"jsonrpc":"2.0","id":7,\r\ndata: "result":{"content":[]}}\r\n\r\n`, STREAM),
    ],
  ])("takes %s", (_, answer) => {
    expect(judge(answer, 7)).toEqual({ result: { content: [] } });
  });

  it.each([
    ["HTTP 503, JSON-RPC -32000", answerOf(503, '{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"full"}}')],
    ["HTTP 502", answerOf(502, "<html>Bad Gateway</html>")],
    ["HTTP 307", answerOf(307, good)],
    ["JSON-RPC -32602", answerOf(200, '{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no"}}')],
    [
      "JSON-RPC -32602",
      answerOf(200, 'data: {"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no"}}\n\n', STREAM),
    ],
    ["tool error", answerOf(200, '{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":true}}')],
    ["wrong id", answerOf(200, '{"jsonrpc":"2.0","id":8,"result":{}}')],
    ["wrong id", answerOf(200, '{"jsonrpc":"2.0","id":"7","result":{}}')],
    ["wrong id", answerOf(200, 'data: {"jsonrpc":"2.0","id":6,"result":{}}\n\n', STREAM)],
    ["not a JSON-RPC answer", answerOf(200, "")],
    ["not a JSON-RPC answer", answerOf(202, "")],
    ["not a JSON-RPC answer", answerOf(200, "[]")],
    ["not a JSON-RPC answer", answerOf(200, '{"jsonrpc":"2.0","id":7}')],
    ["not a JSON-RPC answer", answerOf(200, "event: ping\n\n", STREAM)],
  ])("counts as %s", (failure, answer) => {
    expect(judge(answer, 7)).toEqual({ failure });
  });
});

/** Lists without an end and other trouble with lists. */
import { describe, expect, it } from "vitest";
import { closing } from "../../harness/closing.ts";
import { type Handler, json, legacyLife, methodsOf, room, rpc, serve, target } from "./harness.ts";

const closers = closing();

async function inspected(handler: Handler, sessionId?: string) {
  const upstream = await serve((seen, response, request) => {
    if (!legacyLife(seen, response, sessionId)) handler(seen, response, request);
  });
  const made = room();
  closers.push(upstream.close, () => made.close());
  const found = await made.inspect(target(upstream.url));
  return { found, upstream };
}

const page = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `t${from + index}` }));

describe("inspect", () => {
  it("reads all pages in order and keeps the bytes of each item", async () => {
    const { found, upstream } = await inspected((seen, response) => {
      const { method, id, params } = seen.json ?? {};
      const result =
        method !== "tools/list"
          ? "{}"
          : params?.cursor === undefined
            ? '{"tools":[{"name":"b","x":1.0,"y":9007199254740993}],"nextCursor":""}'
            : '{"tools":[ {"name":"a"} ,{"title":"none"}]}';
      json(response, 200, `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`);
    }, "sid");
    expect(found.tools.map((tool) => [tool.name, tool.raw.toString()])).toEqual([
      ["b", '{"name":"b","x":1.0,"y":9007199254740993}'],
      ["a", '{"name":"a"}'],
    ]);
    expect(found.incomplete).toEqual([{ list: "tools", reason: "1 item(s) without name" }]);
    expect(methodsOf(upstream).slice(-6)).toEqual([
      "notifications/initialized",
      "tools/list",
      "tools/list",
      "resources/list",
      "resources/templates/list",
      "DELETE",
    ]);
  });

  it("stops after 1000 pages", async () => {
    const { found, upstream } = await inspected((seen, response) => {
      const at = Number(seen.json?.params?.cursor ?? 0);
      if (seen.json?.method === "tools/list") rpc(response, seen, { tools: page(at, 1), nextCursor: `${at + 1}` });
      else rpc(response, seen, {});
    });
    expect(found.tools.length).toBe(1000);
    expect(found.incomplete).toEqual([{ list: "tools", reason: "more than 1000 pages" }]);
    expect(upstream.seen.length).toBe(2 + 1000 + 2);
  });

  it("stops when a cursor repeats", async () => {
    const { found } = await inspected((seen, response) => {
      if (seen.json?.method !== "tools/list") rpc(response, seen, {});
      else rpc(response, seen, { tools: page(0, 1), nextCursor: seen.json.params?.cursor === "a" ? "b" : "a" });
    });
    expect(found.incomplete).toEqual([{ list: "tools", reason: "a cursor came a second time" }]);
    expect(found.tools.length).toBe(3);
  });

  it("stops at 100 000 items", async () => {
    const { found } = await inspected((seen, response) => {
      const at = Number(seen.json?.params?.cursor ?? 0);
      if (seen.json?.method !== "tools/list") rpc(response, seen, {});
      else rpc(response, seen, { tools: page(at, 30_000), nextCursor: `${at + 30_000}` });
    });
    expect(found.tools.length).toBe(100_000);
    expect(found.incomplete).toEqual([{ list: "tools", reason: "more than 100000 items" }]);
  });

  it("goes on with the other lists when one cannot be read, and knows that templates are optional", async () => {
    const { found } = await inspected((seen, response) => {
      const error = (code: number, text: string) =>
        json(response, 200, { jsonrpc: "2.0", id: seen.json?.id, error: { code, message: text } });
      if (seen.json?.method === "tools/list") error(-32603, "broken");
      else if (seen.json?.method === "resources/list") rpc(response, seen, { resources: [{ uri: "a:b", name: "n" }] });
      else error(-32601, "unknown");
    });
    expect(found.resources.map((item) => item.name)).toEqual(["a:b"]);
    expect(found.incomplete).toEqual([
      { list: "tools", reason: "Upstream sample refused tools/list: broken (-32603)" },
    ]);
  });
});

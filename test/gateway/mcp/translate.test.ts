import { describe, expect, it } from "vitest";
import {
  type Edit,
  legacyEdits,
  legacyResultEdits,
  META,
  modernEdits,
  modernResultEdits,
  requestEdits,
  resultUriEdits,
  scanMessage,
  splice,
  withModernMeta,
} from "../../../gateway/mcp/index.ts";

const identity = {
  protocolVersion: "2026-07-28",
  clientCapabilities: Buffer.from('{"roots":{}}'),
  clientInfo: Buffer.from('{"name":"c","version":"1"}'),
};

function requestOf(params: string): Buffer {
  return Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"m","params":${params}}`);
}

describe("requests between the eras", () => {
  it("gain the modern _meta and keep their own", () => {
    const params = withModernMeta(Buffer.from('{"name":"t","big":9007199254740993,"_meta":{"progressToken":7}}'), {
      ...identity,
      logLevel: "info",
    });
    expect(params.toString()).toContain("9007199254740993");
    expect(JSON.parse(params.toString())).toEqual({
      name: "t",
      big: 9007199254740992,
      _meta: {
        progressToken: 7,
        [META.protocolVersion]: "2026-07-28",
        [META.clientCapabilities]: { roots: {} },
        [META.clientInfo]: { name: "c", version: "1" },
        [META.logLevel]: "info",
      },
    });
    expect(JSON.parse(withModernMeta(undefined, identity).toString())).toHaveProperty(
      ["_meta", META.protocolVersion],
      "2026-07-28",
    );
  });

  it("lose what only the modern era knows, and a _meta that is empty then", () => {
    const legacy = (params: string) => {
      const modern = requestOf(withModernMeta(Buffer.from(params), identity).toString());
      return splice(modern, legacyEdits(modern, scanMessage(modern))).toString();
    };
    expect(legacy('{"name":"t","requestState":"s","inputResponses":{}}')).toBe(requestOf('{"name":"t"}').toString());
    expect(legacy('{"inputResponses":{},"name":"t","requestState":"s"}')).toBe(requestOf('{"name":"t"}').toString());
    expect(legacy('{"_meta":{"progressToken":"x"}}')).toBe(requestOf('{"_meta":{"progressToken":"x"}}').toString());
    expect(legacy('{"_meta":{"own":1,"progressToken":"x"},"name":"t"}')).toBe(
      requestOf('{"_meta":{"own":1,"progressToken":"x"},"name":"t"}').toString(),
    );
    expect(legacy("{}")).toBe(requestOf("{}").toString());
  });

  it("gain in place what withModernMeta gives their params, whatever these hold", () => {
    const info = { ...identity, logLevel: "info" };
    const paramsOf = (text: string) => {
      const bytes = requestOf(text);
      return JSON.parse(splice(bytes, modernEdits(bytes, scanMessage(bytes), info)).toString()).params;
    };
    for (const text of [
      "{}",
      '{"name":"t"}',
      '{"_meta":{}}',
      '{"_meta":7,"a":1}',
      '{"a":1,"_meta":{"progressToken":7}}',
      `{"_meta":{"${META.protocolVersion}":"x","own":1,"${META.logLevel}":"debug"}}`,
    ])
      expect(paramsOf(text)).toEqual(JSON.parse(withModernMeta(Buffer.from(text), info).toString()));
    const bare = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"m"}');
    expect(JSON.parse(splice(bare, modernEdits(bare, scanMessage(bare), identity)).toString()).params).toEqual(
      JSON.parse(withModernMeta(undefined, identity).toString()),
    );
  });

  it("are edited at id, name and progress token only", () => {
    const body = Buffer.from(
      '{"jsonrpc":"2.0","id":"01","method":"tools/call","params":{"name":"a__b","arguments":{"x":1.0},"_meta":{"progressToken":"p"}}}',
    );
    const edited = splice(body, requestEdits(body, scanMessage(body), "12", { key: "name", text: '"b"' }));
    expect(edited.toString()).toBe(
      '{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"b","arguments":{"x":1.0},"_meta":{"progressToken":12}}}',
    );
  });
});

function edited(text: string, edits: (bytes: Buffer, whole: { start: number; end: number }) => Edit[]): string {
  const bytes = Buffer.from(text);
  return splice(bytes, edits(bytes, { start: 0, end: bytes.length })).toString();
}

describe("results between the eras", () => {
  it("become modern: type, caching fields of what may be cached, who answered", () => {
    const info = Buffer.from('{"name":"s","version":"1"}');
    const modern = (text: string, method: string) =>
      JSON.parse(edited(text, (bytes, span) => modernResultEdits(bytes, span, method, info)));
    expect(modern('{"tools":[]}', "tools/list")).toEqual({
      tools: [],
      resultType: "complete",
      ttlMs: 0,
      cacheScope: "private",
      _meta: { [META.serverInfo]: { name: "s", version: "1" } },
    });
    const bare = { resultType: "complete", _meta: { [META.serverInfo]: { name: "s", version: "1" } } };
    expect(modern('{"content":[]}', "tools/call")).toEqual({ content: [], ...bare });
    expect(modern("{ }", "tools/call")).toEqual(bare);
    expect(modern('{"_meta":{"own":1},"resultType":"task"}', "tools/call")).toEqual({
      _meta: { own: 1 },
      resultType: "task",
    });
  });

  it("become legacy: without the modern members, byte for byte otherwise", () => {
    const legacy = (text: string, method: string) =>
      edited(text, (bytes, span) => legacyResultEdits(bytes, span, method));
    expect(legacy('{"resultType":"complete","tools":[1.0],"ttlMs":5,"cacheScope":"public"}', "tools/list")).toBe(
      '{"tools":[1.0]}',
    );
    expect(legacy('{"content":[],"ttlMs":5}', "tools/call")).toBe('{"content":[],"ttlMs":5}');
  });

  it("URIs are rewritten where a result carries them and nowhere else", () => {
    const raw = Buffer.from(
      '{"content":[{"type":"text","text":"a:b","uri":"no"},{"type":"resource_link","uri":"a:b"},{"type":"resource","resource":{"uri":"a:c","text":""}}]}',
    );
    const edits = resultUriEdits(raw, { start: 0, end: raw.length }, "tools/call", (uri) => `s+${uri}`);
    expect(splice(raw, edits).toString()).toBe(
      '{"content":[{"type":"text","text":"a:b","uri":"no"},{"type":"resource_link","uri":"s+a:b"},{"type":"resource","resource":{"uri":"s+a:c","text":""}}]}',
    );
  });
});

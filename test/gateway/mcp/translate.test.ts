import { describe, expect, it } from "vitest";
import {
  legacyResult,
  META,
  modernResult,
  requestEdits,
  resultUriEdits,
  scanMessage,
  splice,
  withModernMeta,
  withoutModernMeta,
} from "../../../gateway/mcp/index.ts";

const identity = {
  protocolVersion: "2026-07-28",
  clientCapabilities: Buffer.from('{"roots":{}}'),
  clientInfo: Buffer.from('{"name":"c","version":"1"}'),
};

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
    const modern = withModernMeta(Buffer.from('{"name":"t","requestState":"s","inputResponses":{}}'), identity);
    expect(withoutModernMeta(modern).toString()).toBe('{"name":"t"}');
    const kept = withModernMeta(Buffer.from('{"_meta":{"progressToken":"x"}}'), identity);
    expect(JSON.parse(withoutModernMeta(kept).toString())).toEqual({ _meta: { progressToken: "x" } });
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

describe("results between the eras", () => {
  it("become modern: type, caching fields of what may be cached, who answered", () => {
    const info = Buffer.from('{"name":"s","version":"1"}');
    expect(JSON.parse(modernResult(Buffer.from('{"tools":[]}'), "tools/list", info).toString())).toEqual({
      tools: [],
      resultType: "complete",
      ttlMs: 0,
      cacheScope: "private",
      _meta: { [META.serverInfo]: { name: "s", version: "1" } },
    });
    expect(JSON.parse(modernResult(Buffer.from('{"content":[]}'), "tools/call", info).toString())).toEqual({
      content: [],
      resultType: "complete",
      _meta: { [META.serverInfo]: { name: "s", version: "1" } },
    });
  });

  it("become legacy: without the modern members, byte for byte otherwise", () => {
    expect(
      legacyResult(
        Buffer.from('{"resultType":"complete","tools":[1.0],"ttlMs":5,"cacheScope":"public"}'),
        "tools/list",
      ).toString(),
    ).toBe('{"tools":[1.0]}');
    expect(legacyResult(Buffer.from('{"content":[],"ttlMs":5}'), "tools/call").toString()).toBe(
      '{"content":[],"ttlMs":5}',
    );
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

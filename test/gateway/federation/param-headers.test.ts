/** Mcp-Param-* against the arguments, where the gateway has to look because a legacy upstream does not. */
import { describe, expect, it } from "vitest";
import { checkParamHeaders, headerParamsOf } from "../../../gateway/federation/param-headers.ts";
import { scanMessage } from "../../../gateway/mcp/index.ts";

const definition = (properties: object) => JSON.stringify({ name: "t", inputSchema: { type: "object", properties } });
const params = headerParamsOf(
  definition({ text: { type: "string", "x-mcp-header": "Text" }, count: { "x-mcp-header": "Count" }, free: {} }),
);

function check(args: object | undefined, headers: Record<string, string>): string {
  const body = Buffer.from(
    JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "t", arguments: args } }),
  );
  try {
    checkParamHeaders(params, body, scanMessage(body), headers);
    return "fits";
  } catch (error) {
    return error instanceof Error && "rpc" in error ? String(error.rpc) : String(error);
  }
}

describe("arguments in headers", () => {
  it("are found in the schema, and only under legal names", () => {
    expect([...params]).toEqual([
      ["text", "Text"],
      ["count", "Count"],
    ]);
    expect(headerParamsOf(definition({ a: { "x-mcp-header": "a b" }, b: { "x-mcp-header": 5 }, c: 7 })).size).toBe(0);
    for (const broken of ["{", "null", "[]", '{"inputSchema":{"properties":null}}'])
      expect(headerParamsOf(broken).size, broken).toBe(0);
  });

  it.each([
    [{ text: "Hello" }, { "mcp-param-text": "Hello" }, "fits"],
    [{ text: "Hello" }, { "mcp-param-text": " Hello " }, "fits"],
    [{ text: "Hello" }, { "mcp-param-text": "=?base64?SGVsbG8=?=" }, "fits"],
    [{ text: "Hello" }, { "mcp-param-text": "=?base64?SGVsbG8?=" }, "-32020"],
    [{ text: "Hello" }, { "mcp-param-text": "=?base64?SGVs!!!bG8=?=" }, "-32020"],
    [{ text: "=?base64?SGVsbG8=" }, { "mcp-param-text": "=?base64?SGVsbG8=" }, "fits"],
    [{ text: "Hello" }, {}, "-32020"],
    [{ text: "Hello" }, { "mcp-param-text": "hello" }, "-32020"],
    [{}, { "mcp-param-text": "Hello" }, "-32020"],
    [{ text: null }, {}, "fits"],
    [undefined, {}, "fits"],
    [{ count: 42 }, { "mcp-param-count": "42.0" }, "fits"],
    [{ count: 42 }, { "mcp-param-count": "43" }, "-32020"],
    [{ count: true }, { "mcp-param-count": "true" }, "fits"],
    [{ free: "x" }, { "mcp-param-free": "y" }, "fits"],
  ] as const)("%j with %j: %s", (args, headers, outcome) => {
    expect(check(args, headers)).toBe(outcome);
  });
});

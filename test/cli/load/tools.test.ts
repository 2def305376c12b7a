import { describe, expect, it } from "vitest";
import { chooseTool, type ListedTool, toolsOf } from "../../../cli/load/tools.ts";

const tool = (name: string, schema: object = {}): ListedTool => ({ name, schema: { ...schema } });
const NONE_KNOWN =
  "none of the 2 tools is known to be cheap and harmless (echo, convert_time): name one with --tool and --arguments";

describe("choosing a tool", () => {
  it.each([
    [["drop_table", "time__convert_time", "my__echo", "echo2"], "my__echo"],
    [["drop_table", "echo"], "echo"],
    [["drop_table", "time__convert_time"], "time__convert_time"],
  ])("of %j takes %s", (names, wanted) => {
    expect(
      chooseTool(
        names.map((name) => tool(name)),
        {},
      ).name,
    ).toBe(wanted);
  });

  it("takes none that may do something", () => {
    expect(() => chooseTool([tool("drop_table"), tool("reecho")], {})).toThrow(NONE_KNOWN);
  });

  it("takes the one that was named, with its arguments", () => {
    const tools = [tool("echo"), tool("add", { required: ["a"], properties: { a: { type: "integer" } } })];
    expect(chooseTool(tools, { name: "add" })).toEqual({ name: "add", arguments: { a: 1 } });
    expect(chooseTool(tools, { name: "add", arguments: { a: 5, b: 6 } })).toEqual({
      name: "add",
      arguments: { a: 5, b: 6 },
    });
    expect(() => chooseTool(tools, { name: "ad" })).toThrow('there is no tool "ad"; the nearest is add');
  });

  it("fills in what a schema requires, and no more", () => {
    const properties = {
      text: { type: "string" },
      least: { type: "number", minimum: 7 },
      flag: { type: "boolean" },
      list: { type: "array" },
      object: { type: "object" },
      one: { enum: ["b", "a"] },
      fixed: { const: 0 },
      optional: { type: "string" },
    };
    const required = ["text", "least", "flag", "list", "object", "one", "fixed", "unknown"];
    expect(chooseTool([tool("echo", { properties, required })], {}).arguments).toEqual({
      text: "load",
      least: 7,
      flag: false,
      list: [],
      object: {},
      one: "b",
      fixed: 0,
      unknown: "load",
    });
  });

  it("knows how to ask for a time", () => {
    expect(chooseTool([tool("a__convert_time")], {}).arguments).toEqual({
      source_timezone: "Europe/Berlin",
      target_timezone: "Asia/Tokyo",
      time: "09:00",
    });
  });

  it("reads a list whatever stands in it", () => {
    expect(toolsOf({ tools: [{ name: "a", inputSchema: { x: 1 } }, { name: 5 }, null, { name: "b" }] })).toEqual([
      { name: "a", schema: { x: 1 } },
      { name: "b", schema: {} },
    ]);
    expect(toolsOf({})).toEqual([]);
  });
});

/** Arguments and results of tools against sizes and schemas, through a real gateway. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Gateway, MCP_HEADERS, register, send, startGateway } from "../harness/index.ts";
import { startChangingUpstream } from "./federation/changing-upstream.ts";

const ADD = {
  name: "add",
  inputSchema: {
    type: "object",
    properties: { a: { type: "integer" }, note: { type: "string" } },
    required: ["a"],
    additionalProperties: false,
  },
  outputSchema: { type: "object", properties: { sum: { type: "integer" } }, required: ["sum"] },
};
/** A schema that no compiler takes checks nothing. */
const ODD = { name: "odd", inputSchema: { type: "object", properties: { a: { $ref: "#/nowhere" } } } };

describe.each(["warn", "enforce"])("with the checks %s", (mode) => {
  let upstream: Awaited<ReturnType<typeof startChangingUpstream>>;
  let gateway: Gateway;
  beforeAll(async () => {
    upstream = await startChangingUpstream([ADD, ODD]);
    gateway = await startGateway({
      env: {
        TOOL_ARGUMENTS_CHECK: mode,
        TOOL_RESULTS_CHECK: mode,
        ...(mode === "enforce" ? { VALIDATION_MAX_RPC_PARAM_SIZE: "2000", MAX_PARAM_LENGTH: "100" } : {}),
      },
    });
    await register(gateway, { name: "sums", url: upstream.url });
  });
  afterAll(async () => {
    await gateway?.stop();
    await upstream?.close();
  });
  async function call(given: unknown, structuredContent: unknown = { sum: 3 }, tool = "add"): Promise<string> {
    upstream.state.result = { content: [], ...(structuredContent === "none" ? {} : { structuredContent }) };
    const params = { name: `sums__${tool}`, ...(given === undefined ? {} : { arguments: given }) };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params });
    const answer = await send("POST", `${gateway.url}/rpc`, { ...gateway.headers, ...MCP_HEADERS }, body);
    const { error } = answer.json() as { error?: { message: string } };
    return error?.message ?? "ok";
  }
  const enforced = (text: string) => (mode === "enforce" ? text : "ok");
  const ofAdd = "Invalid arguments of tool add of upstream sums: ";

  it("arguments pass or are refused before they are sent", async () => {
    expect(await call({ a: 1 })).toBe("ok");
    const before = upstream.state.calls.length;
    expect(await call({ a: "1" })).toBe(enforced(`${ofAdd}/a: "1" has to be integer`));
    expect(await call({ a: 1, b: 2 })).toBe(enforced(`${ofAdd}/: b is not known; allowed: a, note`));
    expect(await call(undefined)).toBe(enforced(`${ofAdd}/: a is needed`));
    expect(upstream.state.calls.length - before).toBe(mode === "enforce" ? 0 : 3);
    expect(await call({ a: true }, {}, "odd")).toBe("ok");
  });

  it("results pass or are answered by an error", async () => {
    const ofResult = "The result of tool add of upstream sums does not fit its outputSchema: ";
    expect(await call({ a: 1 }, { sum: 0.5 })).toBe(enforced(`${ofResult}/sum: 0.5 has to be integer`));
    expect(await call({ a: 1 }, "none")).toBe(enforced(`${ofResult}structuredContent is missing`));
    expect(await call({ a: 1 }, "none", "odd")).toBe("ok");
  });

  it("sizes are counted only where they are limited", async () => {
    expect(await call({ a: 1, note: "x".repeat(100) })).toBe("ok");
    expect(await call({ a: 1, note: "x".repeat(101) })).toBe(
      enforced(`${ofAdd}a text has 101 characters, 100 at most (MAX_PARAM_LENGTH)`),
    );
    expect(await call({ a: 1, note: "x".repeat(2000) })).toBe(
      enforced(`${ofAdd}they have 2017 bytes, 2000 at most (VALIDATION_MAX_RPC_PARAM_SIZE)`),
    );
  });

  it("are told in the log without the values", () => {
    const told = gateway.stderr().includes("arguments do not fit the tool's schema");
    expect([told, gateway.stderr().includes("x".repeat(50))]).toEqual([true, false]);
  });
});

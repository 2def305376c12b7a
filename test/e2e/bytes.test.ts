/** What nobody has to parse stays byte for byte: numbers beyond 2^53, `1.0`, key order, escapes, unknown members. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engines } from "../../gateway/engine/index.ts";
import { RAW_RESULT } from "../fixtures/everything/raw.ts";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  eventData,
  type Gateway,
  modernRequest,
  openLegacySession,
  type Registered,
  register,
  send,
  startGateway,
} from "../harness/index.ts";

const VALUE = '{"z":1,"a":9007199254740993,"f":1.0,"e":1E2,"s":"\\u00e9\\/","deep":[[],{}],"  ":null}';

describe.each(Object.keys(engines))("raw bytes (%s)", (HTTP_SERVER) => {
  let gateway: Gateway;
  const fixtures: Everything[] = [];
  const upstreams: Record<string, Registered> = {};
  beforeAll(async () => {
    gateway = await startGateway({ env: { HTTP_SERVER } });
    for (const mode of ["modern", "legacy"] as const) {
      const fixture = await startEverything({ mode });
      fixtures.push(fixture);
      upstreams[mode] = await register(gateway, { name: mode, url: fixture.url });
    }
  }, 90_000);
  afterAll(async () => {
    await gateway?.stop();
    await Promise.all(fixtures.map((fixture) => fixture.close()));
  });

  const withId = (id: string, mode: string): string => (mode === "modern" ? id : `"${id}"`);
  const final = (answer: { headers: { "content-type"?: string | undefined }; text: string }): string =>
    answer.headers["content-type"]?.startsWith("text/event-stream")
      ? (eventData(answer.text).at(-1) ?? "")
      : answer.text;

  it.for(["modern", "legacy"])("a result of a %s upstream reaches a modern client", async (mode) => {
    const { headers, body } = modernRequest(1, "tools/call", { name: `${mode}__raw_result`, arguments: {} });
    const answer = await send("POST", gateway.mcpUrl, { ...headers, ...gateway.headers }, body);
    // Without the braces: a result of the other era gets members of its own (serverInfo) before or after these.
    expect(final(answer)).toContain(RAW_RESULT.slice(1, -1));
  });

  it.for(["modern", "legacy"])("a result of a %s upstream reaches a legacy client", async (mode) => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const answer = await session.call(1, "tools/call", { name: `${mode}__raw_result`, arguments: {} });
    const expected = mode === "modern" ? RAW_RESULT.replace('"resultType":"complete",', "") : RAW_RESULT;
    const text = final(answer);
    expect(text.includes(expected) || text.includes(RAW_RESULT)).toBe(true);
  });

  it.for(["modern", "legacy"])("arguments reach a %s upstream", async (mode) => {
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const body = `{"params":{"arguments":{"value":${VALUE}},"name":"${mode}__raw_request","x-unknown":1.0},"method":"tools/call","id":${withId("7", mode)},"jsonrpc":"2.0"}`;
    const answer = await send("POST", gateway.mcpUrl, session.headers, body);
    const parsed = JSON.parse(final(answer));
    expect(parsed.id).toBe(mode === "modern" ? 7 : "7");
    const received: string = parsed.result.content[0].text;
    expect(received).toContain(`"arguments":{"value":${VALUE}}`);
    expect(received).toContain('"name":"raw_request"');
    expect(received).toContain('"x-unknown":1.0');
  });
});

/** The bench's programs in C: what the upstream answers, and what the arrivals count. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { arrive } from "../../bench/arrivals.ts";
import { compiled } from "../../bench/native.ts";
import { call, legacyShot, posted } from "../../bench/requests.ts";
import { EVENTS, echoed, startUpstream, type Upstream } from "../../bench/upstream.ts";

const directory = await mkdtemp(join(tmpdir(), "mcp-stack-bench-test-"));
const program = await compiled(directory, "arrivals");
afterAll(() => rm(directory, { recursive: true, force: true }));

const reason = program === undefined ? " (skipped, not installed: cc, or no Linux)" : "";
describe.skipIf(program === undefined)(`programs in C${reason}`, () => {
  let upstream: Upstream;
  beforeAll(async () => {
    upstream = await startUpstream(directory, 3);
  });
  afterAll(() => upstream?.stop());

  const ask = async (url: string, message: object) => {
    const answer = await fetch(url, { method: "POST", body: JSON.stringify({ jsonrpc: "2.0", ...message }) });
    return { status: answer.status, session: answer.headers.get("mcp-session-id"), text: await answer.text() };
  };

  it("the upstream answers 200 bytes with the id it was asked with, and nothing to a notification", async () => {
    const { text } = await ask(upstream.url("legacy"), { id: 1, ...call("echo", "x") });
    expect(JSON.parse(text)).toEqual({
      jsonrpc: "2.0",
      id: 1,
      result: { content: [{ type: "text", text: "b".repeat(111) }], isError: false },
    });
    expect(text).toHaveLength(200);
    expect(text).toContain(echoed(upstream));
    const other = await ask(upstream.url("session"), { id: "a,}", ...call("large", "x") });
    expect(JSON.parse(other.text).id).toBe("a,}");
    expect(other.text).toContain(`"text":"${"b".repeat(65_536)}"`);
    expect(await ask(upstream.url("legacy"), { method: "notifications/initialized" })).toEqual({
      status: 202,
      session: null,
      text: "",
    });
  });

  it("opens sessions, is of the modern era, or neither, by its path", async () => {
    const initialize = { id: 1, method: "initialize", params: {} };
    expect((await ask(upstream.url("legacy"), initialize)).session).toBeNull();
    expect((await ask(upstream.url("session"), initialize)).session).toBe("1868a90c-2f6d");
    const codes = await Promise.all(
      (["legacy", "modern"] as const).map(async (variant) => {
        const { text } = await ask(upstream.url(variant), { id: 1, method: "server/discover" });
        return JSON.parse(text).error?.code ?? JSON.parse(text).result.supportedVersions;
      }),
    );
    expect(codes).toEqual([-32601, ["2026-07-28"]]);
  });

  it("lists as many tools as it is told, in pages of a thousand, on each of its ports", async () => {
    const url = upstream.url("legacy", 1002, upstream.ports[2]);
    const first = JSON.parse((await ask(url, { id: 1, method: "tools/list" })).text).result;
    const params = { cursor: first.nextCursor };
    const second = JSON.parse((await ask(url, { id: 2, method: "tools/list", params })).text).result;
    const names = [...first.tools, ...second.tools].map(({ name }) => name);
    expect([first.tools.length, second.tools.length, second.nextCursor, new Set(names).size]).toEqual([
      1000,
      2,
      undefined,
      1002,
    ]);
    expect(names.slice(0, 6)).toEqual(["echo", "large", "slow", "events", "ticks", "tool-5"]);
  });

  it.each(["events", "ticks"])("sends %s before the result", async (tool) => {
    const { text } = await ask(upstream.url("legacy"), { id: 7, ...call(tool, "x") });
    const messages = text
      .split("\n\n")
      .filter((event) => event !== "")
      .map((event) => JSON.parse(event.slice(6)));
    expect(messages.map(({ id }) => id)).toEqual([...Array(EVENTS).fill(undefined), 7]);
  });

  it("arrivals tell answers, refusals and failures apart and lose none", async () => {
    let asked = 0;
    const statuses = [200, 503, 200, 500];
    const server = createServer((request, response) => {
      request.resume();
      request.once("end", () => response.writeHead(statuses[asked++ % 4] ?? 0, { "content-length": "2" }).end("{}"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/mcp`;
    const requests = posted(url, [legacyShot(call("echo", "x"))]);
    const { good, goodInTime, refused, failed } = await arrive(directory, {
      url,
      requests,
      connections: 4,
      rate: 200,
      seconds: 1,
    });
    server.close();
    server.closeAllConnections();
    expect({ good, refused, failed }).toEqual({
      good: Math.ceil(asked / 4) + Math.ceil((asked - 2) / 4),
      refused: Math.ceil((asked - 1) / 4),
      failed: Math.floor(asked / 4),
    });
    expect(asked).toBeGreaterThan(0);
    expect(goodInTime).toBeLessThanOrEqual(good);
  });
});

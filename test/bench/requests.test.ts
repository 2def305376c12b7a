/** What the bench sends: that varied requests are right ones, and that what generators are told is what was meant. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { call, legacyShot, modernShot, posted, varied } from "../../bench/requests.ts";
import { wrkScript } from "../../bench/wrk.ts";

const legacy = legacyShot(call("echo", "b".repeat(64)), "token", "session");

describe("requests", () => {
  it("a legacy call names its session, a modern one says in headers what it asks", () => {
    expect(legacyShot(call("echo", "hello"), "t", "s")).toEqual({
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        authorization: "Bearer t",
        "mcp-session-id": "s",
        "mcp-protocol-version": "2025-11-25",
      },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}',
    });
    expect(modernShot(call("echo", "hello")).headers).toEqual({
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "echo",
    });
  });

  it("are written with the length of their body in bytes", () => {
    const shot = { headers: { accept: "*/*" }, body: '{"text":"ü"}' };
    expect(posted("http://127.0.0.1:4444/mcp?x=1", [shot])).toEqual([
      'POST /mcp?x=1 HTTP/1.1\r\nhost: 127.0.0.1:4444\r\naccept: */*\r\ncontent-length: 13\r\n\r\n{"text":"ü"}',
    ]);
  });
});

describe("varied requests", () => {
  it("are all different, in their ids too, and ask the same with the same headers", () => {
    const shots = varied([legacy, modernShot(call("echo", "text"), "token")], 256);
    expect(new Set(shots.map(({ body }) => body)).size).toBe(256);
    expect(new Set(shots.map(({ body }) => JSON.stringify(JSON.parse(body).id))).size).toBe(256);
    for (const [index, { headers, body }] of shots.entries()) {
      const message = JSON.parse(body);
      expect(message.method).toBe("tools/call");
      expect(message.params.name).toBe("echo");
      const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
      expect(lower.authorization).toBe("Bearer token");
      expect(lower["mcp-session-id"]).toBe(index % 2 === 0 ? "session" : undefined);
      expect(lower["mcp-name"]).toBe(index % 2 === 0 ? undefined : "echo");
      expect(lower.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    }
  });

  it("have the same headers in different orders and letters", () => {
    const orders = new Set(varied([legacy], 40).map(({ headers }) => Object.keys(headers).join()));
    expect(orders.size).toBeGreaterThan(10);
  });

  it("are the same in every run", () => {
    expect(varied([legacy], 20)).toEqual(varied([legacy], 20));
  });
});

/** What Lua reads between the quotes of a string of our script (Lua 5.1 §2.1: decimal escapes of three digits). */
function read(literal: string): string {
  const bytes = [...literal.matchAll(/\\(\d{3})|([^\\])/g)].map(([, code, letter = ""]) =>
    code === undefined ? letter.charCodeAt(0) : Number(code),
  );
  return Buffer.from(bytes).toString();
}

describe("the script for wrk", () => {
  it("holds every request byte for byte, one per line", () => {
    const texts = fc.array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(texts, (requests) => {
        const lines = wrkScript(requests)
          .split("\n")
          .slice(1, 1 + requests.length);
        expect(lines.map((line) => read(/^ {2}"(.*)",$/.exec(line)?.[1] ?? "?"))).toEqual(requests);
      }),
    );
  });
});

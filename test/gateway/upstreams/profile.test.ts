/** What counts as evidence of an era, and how long a verdict is kept. */
import { describe, expect, it } from "vitest";
import {
  type Handler,
  holder,
  json,
  legacyLife,
  message,
  methodsOf,
  opening,
  resultOf,
  rpc,
  send,
  target,
} from "./harness.ts";

const { server, upstreams } = opening();

const DISCOVERED = {
  supportedVersions: ["2026-07-28"],
  capabilities: { tools: {} },
  instructions: "be kind",
  resultType: "complete",
  _meta: { "io.modelcontextprotocol/serverInfo": { name: "m", version: "1" } },
};

/** A server that answers server/discover in its own way and everything else as a legacy server without sessions. */
function discovering(answer: Handler) {
  return server((seen, response, request) => {
    if (seen.json?.method === "server/discover") answer(seen, response, request);
    else if (!legacyLife(seen, response)) rpc(response, seen, "ok");
  });
}

function errorAnswer(status: number, code: number, data?: unknown): Handler {
  return (seen, response) =>
    json(response, status, { jsonrpc: "2.0", id: seen.json?.id, error: { code, message: "no", data } });
}

describe("the era of an upstream", () => {
  it("is asked for with everything a modern request needs", async () => {
    const upstream = await discovering((seen, response) => rpc(response, seen, DISCOVERED));
    const profile = await upstreams().profile(target(upstream.url));
    expect(profile).toMatchObject({
      era: "modern",
      protocolVersion: "2026-07-28",
      sessionless: false,
      instructions: "be kind",
    });
    const seen = upstream.seen[0];
    expect(seen?.headers).toMatchObject({
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "server/discover",
      accept: "application/json, text/event-stream",
    });
    expect(seen?.json?.params).toEqual({
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "room-test", version: "1.0.0" },
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    });
  });

  it.each<[string, Handler]>([
    ["method not found", errorAnswer(200, -32601)],
    ["method not found with 404", errorAnswer(404, -32601)],
    ["an old error with 400", errorAnswer(400, -32000)],
    ["-32022 without a list", errorAnswer(400, -32022)],
    ["-32022 with legacy versions", errorAnswer(400, -32022, { supported: ["2025-11-25"] })],
    ["a web page with 404", (_, response) => response.writeHead(404, { "content-type": "text/html" }).end("<html>")],
    ["a web page with 200", (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>")],
    ["202", (_, response) => response.writeHead(202).end()],
    ["a result of another shape", (seen, response) => rpc(response, seen, {})],
    [
      "a result with legacy versions",
      (seen, response) => rpc(response, seen, { ...DISCOVERED, supportedVersions: ["2025-06-18"] }),
    ],
  ])("is legacy after %s", async (_, answer) => {
    const upstream = await discovering(answer);
    expect(await upstreams().profile(target(upstream.url))).toMatchObject({
      era: "legacy",
      protocolVersion: "2025-11-25",
    });
  });

  it.each<[string, Handler, string]>([
    ["401", (_, response) => response.writeHead(401).end(), "answered server/discover with HTTP 401"],
    ["403", (_, response) => response.writeHead(403).end(), "answered server/discover with HTTP 403"],
    ["500", (_, response) => response.writeHead(500).end(), "answered server/discover with HTTP 500"],
    ["503", (_, response) => response.writeHead(503).end(), "answered server/discover with HTTP 503"],
    [
      "a closed connection",
      (_, __, request) => request.socket.destroy(),
      "cannot be reached: the connection was closed (UND_ERR_SOCKET)",
    ],
    [
      "other versions only",
      errorAnswer(400, -32022, { supported: ["2027-01-01"] }),
      "broke the protocol: it speaks protocol versions 2027-01-01 only",
    ],
    [
      "a missing capability",
      errorAnswer(400, -32021),
      "broke the protocol: it answers server/discover with error -32021",
    ],
    ["a header mismatch", errorAnswer(400, -32020), "broke the protocol: it answers server/discover with error -32020"],
  ])("is not decided by %s", async (_, answer, expected) => {
    const upstream = await discovering(answer);
    await expect(upstreams().profile(target(upstream.url))).rejects.toThrow(`Upstream sample ${expected}`);
    expect(methodsOf(upstream)).toEqual(["server/discover"]);
  });

  it("is not asked for where it is given", async () => {
    const upstream = await discovering((seen, response) => rpc(response, seen, DISCOVERED));
    expect((await upstreams().profile(target(upstream.url, { era: "legacy" }))).era).toBe("legacy");
    expect(methodsOf(upstream)).toEqual(["initialize"]);
    const old = await discovering(errorAnswer(200, -32601));
    await expect(upstreams().profile(target(old.url, { era: "modern" }))).rejects.toThrow(
      "it does not answer server/discover as a modern server does",
    );
  });

  it("is asked for once by many, kept per revision, renewed in the background, and forgotten on request", async () => {
    const upstream = await discovering((seen, response) => rpc(response, seen, DISCOVERED));
    let now = 1_000_000;
    const made = upstreams({ now: () => now });
    const to = target(upstream.url);
    await Promise.all([made.profile(to), made.profile({ ...to }), made.profile(to)]);
    now += 599_000;
    await made.profile(to);
    expect(upstream.seen.length).toBe(1);
    await made.profile({ ...to, revision: "r2" });
    expect(upstream.seen.length).toBe(2);
    made.forget("up-1");
    await made.profile(to);
    expect(upstream.seen.length).toBe(3);
    now += 601_000;
    const renewed = new Promise((resolve) => upstream.server.once("request", resolve));
    await made.profile(to);
    await renewed;
  });

  it("remembers a failure for a second only", async () => {
    let down = true;
    const upstream = await discovering((seen, response) =>
      down ? response.writeHead(500).end() : rpc(response, seen, DISCOVERED),
    );
    let now = 0;
    const made = upstreams({ now: () => now });
    await expect(made.profile(target(upstream.url))).rejects.toThrow("HTTP 500");
    down = false;
    now = 999;
    await expect(made.profile(target(upstream.url))).rejects.toThrow("HTTP 500");
    expect(upstream.seen.length).toBe(1);
    now = 1000;
    expect((await made.profile(target(upstream.url))).era).toBe("modern");
  });

  it("refuses a version that initialize cannot agree on", async () => {
    const upstream = await server((seen, response) => {
      if (seen.json?.method === "server/discover") response.writeHead(400).end();
      else rpc(response, seen, { protocolVersion: "1999-01-01", capabilities: {} });
    });
    await expect(upstreams().profile(target(upstream.url))).rejects.toThrow(
      "it wants protocol version 1999-01-01, which initialize cannot agree on",
    );
  });

  it.each(["", "no url", "ftp://host/x", "file:///etc/passwd"])("refuses the URL %j", async (url) => {
    await expect(upstreams().profile(target(url))).rejects.toThrow(
      "Upstream sample cannot be reached: it has no http or https URL",
    );
  });
});

describe("a modern request", () => {
  it("carries its headers, encoded where they are unsafe", async () => {
    const upstream = await discovering((seen, response) => rpc(response, seen, DISCOVERED));
    const plain = await server((seen, response) =>
      rpc(response, seen, seen.json?.method === "server/discover" ? DISCOVERED : 1),
    );
    expect(upstream.seen.length).toBe(0);
    const made = upstreams();
    const to = target(plain.url, { headers: { "X-Key": "k" } });
    const names = ["plain name", "grüße", " lead", "=?base64?eA==?=", ""];
    for (const [index, name] of names.entries()) {
      const what = { ...message(index, "tools/call"), name, paramHeaders: { "mcp-param-region": "eu", other: "x" } };
      resultOf(
        await send(made, to, holder(), {
          ...what,
          headers: { traceparent: "00-1", "x-key": "mine", "Mcp-Session-Id": "s" },
        }),
      );
    }
    const calls = plain.seen.slice(1);
    expect(calls.map((seen) => seen.headers["mcp-name"])).toEqual([
      "plain name",
      "=?base64?Z3LDvMOfZQ==?=",
      "=?base64?IGxlYWQ=?=",
      "=?base64?PT9iYXNlNjQ/ZUE9PT89?=",
      "=?base64??=",
    ]);
    expect(calls[0]?.headers).toMatchObject({
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-param-region": "eu",
      traceparent: "00-1",
      "x-key": "k",
    });
    expect(calls[0]?.headers["mcp-session-id"]).toBeUndefined();
    expect(calls[0]?.headers.other).toBeUndefined();
  });
});

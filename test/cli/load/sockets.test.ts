/** The load test over real sockets, against a server of this process. Counts must agree with the server's own; no figure of time is asserted. */
import type { ConnectionOptions } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../cli/load/clock.ts";
import { SocketLink } from "../../../cli/load/link.ts";
import { metricsProbe } from "../../../cli/load/probe.ts";
import { type LoadOrder, runLoad } from "../../../cli/load/run.ts";
import { answer, type Behaviour, startServer } from "./server.ts";

const servers: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function load(
  url: URL,
  more: Partial<LoadOrder> = {},
  link: { timeoutMs?: number; tls?: ConnectionOptions } = {},
) {
  return await runLoad(
    {
      profile: "smoke",
      seconds: 0.3,
      era: "legacy",
      mix: new Map([["tools/call", 1]]),
      wanted: {},
      seed: 1,
      endpoint: { url, token: "secret" },
      ...more,
    },
    {
      clock: systemClock,
      wallClock: () => new Date(0),
      open: () => new SocketLink({ url, timeoutMs: 5000, ...link }),
      probe: metricsProbe,
      ownCpuSeconds: () => 0,
      machine: { cpu: "", cores: 1, memoryMiB: 1, runtime: "" },
      signal: new AbortController().signal,
      progress: () => undefined,
    },
  );
}

async function started(behaviour?: Behaviour) {
  const server = await startServer(behaviour);
  servers.push(server);
  return server;
}

describe("over sockets", () => {
  it("speaks the legacy era: sessions are opened, used and ended", async () => {
    const used = new Set<unknown>();
    const versions = new Set<unknown>();
    const server = await started(({ headers, id }, response) => {
      used.add(headers["mcp-session-id"]);
      versions.add(headers["mcp-protocol-version"]);
      answer(response, id, { result: { content: [] } });
    });
    const report = await load(server.url, { sessions: 3 });
    expect(server.seen).toMatchObject({ opened: 3, initialized: 3, lists: 1 });
    expect([...server.seen.ended].sort()).toEqual(["session-1", "session-2", "session-3"]);
    expect([[...used].sort(), [...versions]]).toEqual([["session-1", "session-2", "session-3"], ["2025-11-25"]]);
    expect([report.total.failed, report.outcome, report.gateway]).toEqual([0, "completed", undefined]);
    expect(report.workers).toEqual({ unreachable: "/metrics was answered with HTTP 404" });
    expect(report.notes).toEqual([
      "CPU and memory of the workers cannot be reached: /metrics was answered with HTTP 404. --pid names processes of this machine, --serve starts a gateway of its own.",
    ]);
  });

  it("speaks the modern era: no session, headers and _meta in each request", async () => {
    const seen = new Set<string>();
    const server = await started(({ headers, body, id }, response) => {
      const { params } = body as { params: { _meta: object } };
      seen.add(
        JSON.stringify([
          headers["mcp-session-id"],
          headers["mcp-protocol-version"],
          headers["mcp-method"],
          headers["mcp-name"],
          params._meta,
        ]),
      );
      answer(response, id, { result: { content: [] } });
    });
    expect((await load(server.url, { era: "modern" })).total.failed).toBe(0);
    expect(server.seen).toMatchObject({ opened: 0, ended: [] });
    expect([...seen].map((text) => JSON.parse(text))).toEqual([
      [
        null,
        "2026-07-28",
        "tools/call",
        "echo",
        {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": {},
          "io.modelcontextprotocol/clientInfo": { name: "mcp-stack load", version: "1" },
        },
      ],
    ]);
  });

  it("counts each failure by its kind, and goes on", async () => {
    const kinds: readonly Behaviour[] = [
      ({ id }, response) => answer(response, id, { result: { content: [] } }),
      ({ id }, response) => answer(response, id, { error: { code: -32000, message: "full" } }, 503),
      ({ id }, response) => answer(response, id, { error: { code: -32602, message: "no" } }),
      ({ id }, response) => answer(response, id, { result: { content: [], isError: true } }),
      (_, response) => answer(response, 1, { result: { content: [] } }),
      (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>"),
      (_, response) => void response.destroy(),
      (_, response) => void response.writeHead(302, { location: "/elsewhere" }).end(),
      ({ id }, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write('data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n');
        setImmediate(() => response.end(`data: {"jsonrpc":"2.0","id":${id},"result":{"content":[]}}\n\n`));
      },
      ({ id }, response) => {
        response.setHeader("connection", "close");
        answer(response, id, { result: { content: [] } });
      },
    ];
    const server = await started((call, response) => kinds[call.index % kinds.length]?.(call, response));
    const { total } = await load(server.url, { connections: 1, seconds: 1 });
    expect(Object.keys(total.failures).sort()).toEqual([
      "HTTP 302",
      "HTTP 503, JSON-RPC -32000",
      "JSON-RPC -32602",
      "not a JSON-RPC answer",
      "socket closed",
      "tool error",
      "wrong id",
    ]);
    expect(total.failed).toBe(Object.values(total.failures).reduce((sum, value) => sum + value, 0));
    expect(total.shed).toBe(total.failures["HTTP 503, JSON-RPC -32000"]);
    expect(total.good + total.failed).toBe(total.requests);
    // Every tenth of each kind, but for the places where the run began and ended.
    for (const times of Object.values(total.failures))
      expect(Math.abs(times - total.requests / 10)).toBeLessThanOrEqual(1);
  });

  it("counts what does not come in time", async () => {
    const server = await started(({ index, id }, response) => {
      if (index % 2 === 0) answer(response, id, { result: { content: [] } });
    });
    const { total } = await load(server.url, { connections: 1, seconds: 1 }, { timeoutMs: 200 });
    expect(Object.keys(total.failures)).toEqual(["timeout"]);
    expect(total.latencyMs.max).toBeGreaterThanOrEqual(199);
  });

  it("speaks HTTPS", async () => {
    const psk = { psk: Buffer.alloc(32, 7), identity: "test" };
    // Keys that both sides know spare the test a certificate (RFC 4279).
    const common = { ciphers: "PSK-AES256-GCM-SHA384", maxVersion: "TLSv1.2" } as const;
    const server = await startServer(undefined, { ...common, pskCallback: () => psk.psk });
    servers.push(server);
    const tls = { ...common, pskCallback: () => psk, checkServerIdentity: () => undefined };
    const report = await load(server.url, {}, { tls });
    expect([report.total.failed, report.outcome]).toEqual([0, "completed"]);
    // Nobody vouches for it without the keys.
    await expect(load(server.url)).rejects.toThrow(/^nothing can be reached at https:\/\/127\.0\.0\.1:\d+: socket /);
  });

  it("tells when the gateway refuses before the load, in its own words", async () => {
    const server = await started();
    await expect(load(server.url, { wanted: { name: "ecko" } })).rejects.toThrow(
      'there is no tool "ecko"; the nearest is echo',
    );
    await server.close();
    await expect(load(server.url)).rejects.toThrow(
      `nothing can be reached at ${server.url.origin}: socket ECONNREFUSED`,
    );
  });

  it("ends clearly when the server goes away", async () => {
    const server = await started(({ index, id }, response) => {
      answer(response, id, { result: { content: [] } });
      if (index === 300) void server.close();
    });
    const report = await load(server.url, { seconds: 60 });
    expect(report.outcome).toBe("gone");
    expect(report.verdict).toMatch(
      /^The gateway was gone after \d+\.\d s of load: socket ECONNREFUSED\. [\d,]+ of [\d,]+ requests failed/,
    );
  });
});

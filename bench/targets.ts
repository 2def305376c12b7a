/** What the bench sends through: nothing, nginx as a plain proxy, the gateway in either era. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { firstJson, type Part, start } from "./machine.ts";

export type Target = {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Events before the answer; 0 where the answer is all there is. */
  readonly events: number;
  /** The process under test; absent for direct. */
  readonly pid?: number;
};

export type Stage = {
  readonly targets: readonly Target[];
  readonly missing: readonly string[];
  close(): Promise<void>;
};

const ROOT = resolve(import.meta.dirname, "..");
const JSON_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const TEXT = "b".repeat(64);
/** As many as the upstream's tool `events` sends. */
const EVENTS = 200;
export const EXPECTED = `"text":"${TEXT}"`;

/** Core 0 is for the program under test, core 1 for the load generator and the upstream. */
export async function setStage(withGateway: boolean): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), "mcp-stack-bench-"));
  const parts: Part[] = [];
  const close = async (): Promise<void> => {
    for (const part of parts.reverse()) await part.stop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const upstream = start(1, process.execPath, [join(ROOT, "cli/load/upstream.ts")]);
    parts.push(upstream);
    const { url = "" } = await firstJson(upstream);
    const plain = { headers: JSON_HEADERS, body: callOf("echo"), events: 0 };
    const streamed = { headers: JSON_HEADERS, body: callOf("events"), events: EVENTS };
    const targets: Target[] = [{ name: "direct", url, ...plain }];
    const missing: string[] = [];
    const nginx = await startNginx(directory, url);
    if (nginx === undefined) missing.push("nginx");
    else {
      parts.push(nginx.part);
      targets.push({ name: "nginx", url: nginx.url, ...plain, pid: nginx.part.pid });
      targets.push({ name: "nginx, events", url: nginx.url, ...streamed, pid: nginx.part.pid });
    }
    if (!withGateway) return { targets, missing, close };
    const gateway = start(
      0,
      process.execPath,
      [join(ROOT, "cli/mcp-stack.js"), "serve", "--port", "0", "--json", "--first-run"],
      {
        DATA_DIR: join(directory, "gateway"),
        MCP_EXAMPLE_SERVER: "false",
      },
    );
    parts.push(gateway);
    targets.push(...(await gatewayTargets(gateway, url)));
    return { targets, missing, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function callOf(name: string, meta?: object): string {
  const params = { name, arguments: { text: TEXT }, ...(meta === undefined ? {} : { _meta: meta }) };
  return JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
}

/** The bench's upstream behind a gateway, under the name `bench`. */
export async function registerUpstream(gatewayUrl: string, authorization: string, upstream: string): Promise<void> {
  const answer = await fetch(`${gatewayUrl.replace(/\/$/, "")}/gateways`, {
    method: "POST",
    headers: { ...JSON_HEADERS, authorization },
    body: JSON.stringify({ name: "bench", url: upstream, transport: "STREAMABLEHTTP" }),
  });
  if (answer.status !== 201) throw new Error(`POST /gateways: ${answer.status} ${await answer.text()}`);
}

async function gatewayTargets(gateway: Part, upstream: string): Promise<Target[]> {
  const { url = "", mcpUrl = "", token = "" } = await firstJson(gateway);
  const authorization = `Bearer ${token}`;
  const post = (to: string, headers: object, body: object) =>
    fetch(to, { method: "POST", headers: { ...JSON_HEADERS, authorization, ...headers }, body: JSON.stringify(body) });
  await registerUpstream(url, authorization, upstream);
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "1" } };
  const opened = await post(mcpUrl, {}, { jsonrpc: "2.0", id: 0, method: "initialize", params });
  const session = opened.headers.get("mcp-session-id");
  if (session === null) throw new Error(`initialize: ${opened.status} ${await opened.text()}`);
  await opened.body?.cancel();
  const legacy = { "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" };
  await post(mcpUrl, legacy, { jsonrpc: "2.0", method: "notifications/initialized" });
  const modern = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "bench__echo" };
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
  };
  const common = { url: mcpUrl, pid: gateway.pid };
  return [
    {
      name: "gateway, legacy session",
      ...common,
      headers: { ...JSON_HEADERS, authorization, ...legacy },
      body: callOf("bench__echo"),
      events: 0,
    },
    {
      name: "gateway, modern",
      ...common,
      headers: { ...JSON_HEADERS, authorization, ...modern },
      body: callOf("bench__echo", meta),
      events: 0,
    },
    {
      name: "gateway, legacy session, events",
      ...common,
      headers: { ...JSON_HEADERS, authorization, ...legacy },
      body: callOf("bench__events"),
      events: EVENTS,
    },
  ];
}

async function startNginx(directory: string, upstream: string): Promise<{ url: string; part: Part } | undefined> {
  if (spawnSync("nginx", ["-v"]).error !== undefined) return undefined;
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${directory}/${kind};`,
  );
  const conf = `
daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
events { worker_connections 1024; }
http {
  access_log off; ${temporary.join(" ")}
  keepalive_requests 100000000;
  upstream node { server ${new URL(upstream).host}; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://node; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}`;
  const file = join(directory, "nginx.conf");
  await writeFile(file, conf);
  const part = start(0, "nginx", ["-p", directory, "-c", file]);
  const url = `http://127.0.0.1:${port}/mcp`;
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const ready = await fetch(url).then(
      (answer) => answer.status === 405,
      () => false,
    );
    if (ready) return { url, part };
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  await part.stop();
  throw new Error("nginx did not start");
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

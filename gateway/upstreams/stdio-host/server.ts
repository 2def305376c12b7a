/** The HTTP face of the stdio host on a Unix socket: definitions, status, and `/{id}/mcp`. Only this user may connect. */
import { chmod, mkdir, rm, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname } from "node:path";
import { asFault, type Fault, fault } from "../../../contract/errors.ts";
import { createServer } from "../../../contract/node-http.ts";
import { parseDefinition } from "./definition.ts";
import { type HostOptions, StdioHost } from "./host.ts";
import * as mcp from "./mcp-routes.ts";
import { errorBody, keepAlive } from "./reply.ts";

const MAX_DEFINITION_BYTES = 1_048_576;
/** Below the shortest read timeout a caller may have on an idle stream (undici's default is 300 s). */
const KEEP_ALIVE_MS = 15_000;

export type ListenOptions = HostOptions & {
  /** At most 100 bytes; its directory is made with mode 0700, or has it already. A left-over socket is replaced. */
  readonly socketPath: string;
};

export type ListeningHost = { readonly host: StdioHost; stop(): Promise<void> };

/** Reads a body up to a bound; throws MCPS_BODY_TOO_LARGE or MCPS_BODY_ABORTED. */
async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of request) {
      size += part.length;
      if (size > limit) throw fault("MCPS_BODY_TOO_LARGE", { limit });
      parts.push(part);
    }
  } catch (error) {
    throw size > limit ? error : fault("MCPS_BODY_ABORTED");
  }
  return Buffer.concat(parts, size);
}

function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { ...headers, "content-type": "application/json" }).end(JSON.stringify(value));
}

function sendFault(response: ServerResponse, error: Fault): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const close = error.code === "MCPS_BODY_TOO_LARGE" ? { connection: "close" } : {};
  const headers = { ...error.headers, ...close, "content-type": "application/json" };
  response.writeHead(error.status, headers).end(errorBody(error));
}

/** The last segments of a path, decoded; undefined when a segment cannot be decoded. */
function segments(url: string): string[] | undefined {
  try {
    return (url.split("?", 1)[0] ?? "").split("/").slice(1).map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

async function definitionRoute(host: StdioHost, id: string, request: IncomingMessage, response: ServerResponse) {
  if (request.method === "PUT") {
    const definition = parseDefinition(id, await readBody(request, MAX_DEFINITION_BYTES));
    const outcome = host.put(definition);
    return sendJson(response, outcome === "created" ? 201 : 200, { id, revision: definition.revision, outcome });
  }
  if (request.method === "DELETE") return sendJson(response, host.remove(id) ? 200 : 404, { id });
  throw fault("MCPS_HTTP_METHOD", { method: request.method ?? "", path: "/definitions/{id}", allowed: "PUT, DELETE" });
}

async function mcpRoute(host: StdioHost, id: string, request: IncomingMessage, response: ServerResponse) {
  const hosted = host.get(id);
  const revision = request.headers["x-mcp-stack-revision"];
  const stale = hosted !== undefined && revision !== undefined && revision !== hosted.definition.revision;
  if (hosted === undefined || stale) {
    const state = stale ? "stale" : "unknown";
    return sendJson(response, 404, { code: `definition_${state}` }, { "x-mcp-stack-definition": state });
  }
  const { maxMessageBytes, probeTimeoutMs } = host.options;
  const context = { hosted, maxMessageBytes, probeTimeoutMs };
  if (request.method === "POST") {
    return mcp.post(context, request, response, await readBody(request, maxMessageBytes));
  }
  if (request.method === "GET") return mcp.get(context, request, response);
  if (request.method === "DELETE") return mcp.end(context, request, response);
  throw fault("MCPS_HTTP_METHOD", { method: request.method ?? "", path: "/{id}/mcp", allowed: "POST, GET, DELETE" });
}

async function route(host: StdioHost, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = segments(request.url ?? "");
  const [first, second] = path ?? [];
  if (path?.length === 1 && first === "status" && request.method === "GET") {
    return sendJson(response, 200, host.status());
  }
  if (path?.length === 2 && first === "definitions" && second) return definitionRoute(host, second, request, response);
  if (path?.length === 2 && first && second === "mcp") return mcpRoute(host, first, request, response);
  throw fault("MCPS_NOT_FOUND", { path: request.url ?? "" });
}

/** Whoever can connect can run programs as us: nobody else may even enter the directory. */
async function privateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const mode = (await stat(path)).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw fault("MCPS_DATA_DIR", { path, reason: `others can enter it (mode ${mode.toString(8)}, needed 700)` });
}

/** Starts the host on its socket. Rejects when the directory or the socket cannot be made. */
export async function listenStdioHost(options: ListenOptions): Promise<ListeningHost> {
  const { socketPath, log } = options;
  const host = new StdioHost(options);
  const responses = new Set<ServerResponse>();
  const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, (request, response) => {
    responses.add(response);
    response.on("close", () => responses.delete(response));
    response.on("error", () => {});
    route(host, request, response).catch((error: unknown) => {
      const failure = asFault(error, "of the stdio host");
      if (failure.code === "MCPS_INTERNAL") {
        log.error("stdio.internal", {
          reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
      }
      sendFault(response, failure);
    });
  });
  await privateDirectory(dirname(socketPath));
  await rm(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  await chmod(socketPath, 0o600);
  const timer = setInterval(() => {
    for (const response of responses) keepAlive(response);
  }, KEEP_ALIVE_MS);
  timer.unref();
  return {
    host,
    async stop() {
      clearInterval(timer);
      server.close();
      await host.stop();
      server.closeAllConnections();
      await rm(socketPath, { force: true });
    },
  };
}

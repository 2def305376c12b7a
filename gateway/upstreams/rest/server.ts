/** A REST upstream as an MCP server without sessions: its lists come from the store, its calls become HTTP requests. */
import { Fault, fault } from "../../../contract/errors.ts";
import {
  errorMessage,
  isObject,
  memberAt,
  resultMessage,
  type Span,
  scanMessage,
  stringAt,
  valueAt,
} from "../../mcp/index.ts";
import { type Prepared, withMessageHeaders } from "../address.ts";
import type { UpstreamMetrics } from "../options.ts";
import type { Exchange, Inspection, OutboundMessage, ReplySink, UpstreamProfile, UpstreamTarget } from "../types.ts";
import { faultOf, rawIdOf, type Wire } from "../wire.ts";
import { RestExchange } from "./exchange.ts";
import { type RestRequest, requestOf } from "./request.ts";
import { errorResult, type HttpAnswer, redactor, resultOf } from "./result.ts";
import { ArgumentError } from "./serialize.ts";
import { type RestTool, type RestToolSet, type RestToolSource, RestTools } from "./tools.ts";

export type RestOptions = {
  readonly tools: RestToolSource;
  /** Characters shown of what is no JSON, and of failures (REST_RESPONSE_TEXT_MAX_LENGTH). */
  readonly maxTextLength: number;
};

export const REST_CAPABILITIES = '{"tools":{"listChanged":true}}';
const PAGE = 500;
const PROBE_MS = 10_000;
const NO_TOOLS: RestToolSource = async () => [];

export class RestServers {
  readonly #wire: Wire;
  readonly #tools: RestTools;
  readonly #now: () => number;
  readonly #metrics: UpstreamMetrics | undefined;
  readonly #profile: UpstreamProfile;
  readonly #maxTextLength: number;
  readonly #redactors = new WeakMap<UpstreamTarget, (text: string) => string>();

  constructor(wire: Wire, options: RestOptions | undefined, identity: object, now: () => number) {
    this.#wire = wire;
    this.#now = now;
    this.#metrics = wire.options.metrics;
    this.#maxTextLength = options?.maxTextLength ?? 5000;
    this.#tools = new RestTools(options?.tools ?? NO_TOOLS);
    this.#profile = {
      era: "legacy",
      protocolVersion: "2025-11-25",
      sessionless: true,
      capabilities: Buffer.from(REST_CAPABILITIES),
      serverInfo: Buffer.from(JSON.stringify(identity)),
    };
  }

  get profile(): UpstreamProfile {
    return this.#profile;
  }

  request(target: UpstreamTarget, message: OutboundMessage, sink: ReplySink): Exchange {
    return new Asked(this, target, message, sink, this.#metrics, this.#now).start();
  }

  toolsOf(target: UpstreamTarget): RestToolSet | Promise<RestToolSet> {
    return this.#tools.of(target);
  }

  prepared(target: UpstreamTarget): Prepared {
    return this.#wire.prepared(target);
  }

  exchange(
    prepared: Prepared,
    request: RestRequest,
    message: Pick<OutboundMessage, "headers">,
    timeoutMs: number,
    receiver: ConstructorParameters<typeof RestExchange>[6],
  ): RestExchange {
    const headers = headersOf(prepared, request, message);
    const pair = this.#wire.pair(prepared);
    return new RestExchange(this.#wire.limits, prepared, pair, request, headers, timeoutMs, receiver);
  }

  result(target: UpstreamTarget, tool: RestTool, answer: HttpAnswer): Buffer {
    let redact = this.#redactors.get(target);
    if (redact === undefined) {
      redact = redactor(target.headers);
      this.#redactors.set(target, redact);
    }
    const { method, path, wrapsResult = false } = tool.operation;
    return resultOf(answer, {
      operation: `${method} ${path}`,
      uri: `rest://${target.slug}/${tool.name}`,
      wrapsResult,
      maxTextLength: this.#maxTextLength,
      mismatch: tool.checkOutput,
      redact,
    });
  }

  /** Reachable is what answers HTTP at all. What it lists is known already: the registry keeps it. */
  async inspect(target: UpstreamTarget): Promise<Inspection> {
    const prepared = this.#wire.prepared(target);
    const request = { method: "HEAD", path: basePath(prepared) || "/", headers: [], cookies: [], body: null } as const;
    await new Promise<void>((resolve, reject) => {
      const receiver = { answered: () => resolve(), failed: reject };
      const timeoutMs = Math.min(PROBE_MS, target.requestTimeoutMs);
      this.exchange(prepared, request, {}, timeoutMs, receiver).start();
    });
    const nothing = { tools: [], prompts: [], resources: [], resourceTemplates: [], incomplete: [] };
    return { profile: this.#profile, ...nothing, kept: ["tools"] };
  }

  forget(targetId: string): void {
    this.#tools.forget(targetId);
  }
}

/** The path of the upstream's URL, without a slash at its end. */
export function basePath({ path }: Prepared): string {
  const end = path.indexOf("?");
  return (end < 0 ? path : path.slice(0, end)).replace(/\/+$/, "");
}

/** The upstream's own headers go before: no argument replaces a credential. */
function headersOf(prepared: Prepared, request: RestRequest, message: Pick<OutboundMessage, "headers">): string[] {
  const all: string[] = [];
  const own = prepared.plain;
  const cookies = [...request.cookies];
  for (let at = 0; at < own.length; at += 2) {
    if (own[at] === "cookie") cookies.unshift(own[at + 1] ?? "");
    else all.push(own[at] ?? "", own[at + 1] ?? "");
  }
  for (let at = 0; at < request.headers.length; at += 2) {
    const name = (request.headers[at] ?? "").toLowerCase();
    if (OWN.has(name) || !prepared.names.has(name)) all.push(name, request.headers[at + 1] ?? "");
  }
  if (cookies.length > 0) all.push("cookie", cookies.join("; "));
  return [...withMessageHeaders(all, prepared, message)];
}

/** Set by requestOf, though a target may not set them. */
const OWN = new Set(["accept", "accept-encoding", "content-type"]);

/** One request to the server, from its message to its answer. */
class Asked implements Exchange {
  readonly #server: RestServers;
  readonly #target: UpstreamTarget;
  readonly #message: OutboundMessage;
  readonly #sink: ReplySink;
  readonly #metrics: UpstreamMetrics | undefined;
  readonly #now: () => number;
  readonly #startedAt: number;
  #exchange: RestExchange | undefined;
  #over = false;

  constructor(
    server: RestServers,
    target: UpstreamTarget,
    message: OutboundMessage,
    sink: ReplySink,
    metrics: UpstreamMetrics | undefined,
    now: () => number,
  ) {
    this.#server = server;
    this.#target = target;
    this.#message = message;
    this.#sink = sink;
    this.#metrics = metrics;
    this.#now = now;
    this.#startedAt = now();
  }

  start(): this {
    const tools = this.#server.toolsOf(this.#target);
    if (tools instanceof Promise) {
      const later = (set: RestToolSet) => {
        if (!this.#over) this.#answer(set);
      };
      tools.then(later, (error: unknown) => this.#fail(faultOf(this.#target, error)));
    } else this.#answer(tools);
    return this;
  }

  cancel(): void {
    if (!this.#finish("cancelled")) return;
    this.#exchange?.cancel();
  }

  pause(): void {
    this.#exchange?.pause();
  }

  resume(): void {
    this.#exchange?.resume();
  }

  #answer(tools: RestToolSet): void {
    const { method, body } = this.#message;
    try {
      const { params } = scanMessage(body);
      if (method === "tools/call") this.#call(tools, params);
      else if (method === "tools/list") this.#soon(listOf(tools, stringAt(body, memberAt(body, params, "cursor"))));
      else throw fault("MCPS_METHOD", { method });
    } catch (error) {
      this.#failWith(error);
    }
  }

  #call(tools: RestToolSet, params: Span | undefined): void {
    const { body, timeoutMs = this.#target.requestTimeoutMs } = this.#message;
    const name = stringAt(body, memberAt(body, params, "name")) ?? "";
    const tool = tools.get(name);
    if (tool === undefined) throw fault("MCPS_TOOL_UNKNOWN", { name: name.slice(0, 200) });
    const given = memberAt(body, params, "arguments");
    const wrong =
      given !== undefined && !isObject(body, given)
        ? "/: arguments have to be an object"
        : tool.checkInput(given === undefined ? {} : valueAt(body, given));
    if (wrong !== undefined) {
      this.#soon(errorResult(`Nothing was sent: the arguments of ${name} are not valid. ${wrong}`));
      return;
    }
    const prepared = this.#server.prepared(this.#target);
    let request: RestRequest;
    try {
      request = requestOf(tool.operation, basePath(prepared), body, given);
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      this.#soon(errorResult(`Nothing was sent: /${error.argument}: ${error.message}`));
      return;
    }
    const own = tool.operation.timeoutMs;
    const limitMs = own === undefined ? timeoutMs : timeoutMs === 0 ? own : Math.min(own, timeoutMs);
    this.#exchange = this.#server.exchange(prepared, request, this.#message, limitMs, {
      answered: (answer) => this.#deliver(this.#server.result(this.#target, tool, answer)),
      failed: (failure) => this.#fail(failure),
    });
    this.#exchange.start();
  }

  /** Whoever asked has the exchange in hand before its answer comes. */
  #soon(result: Buffer): void {
    queueMicrotask(() => this.#deliver(result));
  }

  #deliver(result: Buffer): void {
    if (this.#over) return;
    const raw = resultMessage(this.#message.id ?? rawIdOf(this.#message.body) ?? "null", result);
    this.#tell(raw);
  }

  #tell(raw: Buffer): void {
    let envelope: ReturnType<typeof scanMessage>;
    try {
      envelope = scanMessage(raw);
    } catch (error) {
      this.#fail(faultOf(this.#target, error));
      return;
    }
    if (!this.#finish("ok")) return;
    this.#sink.message(raw, 200, envelope);
    this.#sink.end();
  }

  /** Below 500 it is an answer to the caller, otherwise the upstream's failure. */
  #failWith(error: unknown): void {
    if (!(error instanceof Fault) || error.status >= 500) {
      this.#fail(faultOf(this.#target, error));
      return;
    }
    const id = this.#message.id ?? rawIdOf(this.#message.body) ?? "null";
    queueMicrotask(() => this.#tell(errorMessage(id, error)));
  }

  #fail(failure: Fault): void {
    if (this.#finish(failure.code)) this.#sink.fail(failure);
  }

  #finish(outcome: Parameters<UpstreamMetrics["requestEnded"]>[1]): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#metrics?.requestEnded(this.#target.slug, outcome, this.#now() - this.#startedAt);
    return true;
  }
}

/** Definitions pass as they were stored. Throws MCPS_CURSOR. */
function listOf({ definitions }: RestToolSet, cursor = "0"): Buffer {
  if (!/^\d{1,9}$/.test(cursor)) throw fault("MCPS_CURSOR", { reason: "not one of this gateway" });
  const start = Number(cursor);
  const page = definitions.slice(start, start + PAGE).map((one) => one.definition);
  const more = start + PAGE < definitions.length ? `,"nextCursor":"${start + PAGE}"` : "";
  return Buffer.from(`{"tools":[${page.join(",")}]${more}}`);
}

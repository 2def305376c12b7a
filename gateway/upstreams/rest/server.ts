/** A REST upstream as an MCP server without sessions: its lists come from the store, its calls become HTTP requests. */
import { type Prepared, withMessageHeaders } from "../address.ts";
import type { Circuits } from "../circuits.ts";
import { redirectFault, statusFault, tooLargeFault } from "../failures.ts";
import type { Retries } from "../retries.ts";
import type { Exchange, Inspection, OutboundMessage, ReplySink, UpstreamProfile, UpstreamTarget } from "../types.ts";
import type { Wire } from "../wire.ts";
import { Asked } from "./asked.ts";
import { RestExchange, type RestReceiver } from "./exchange.ts";
import { basePath, type RestRequest, withOwnQuery } from "./request.ts";
import { type HttpAnswer, redactor, resultOf } from "./result.ts";
import { type RestTool, type RestToolSet, type RestToolSource, RestTools } from "./tools.ts";

export type RestOptions = {
  readonly tools: RestToolSource;
  /** Characters shown of what is no JSON, and of failures (REST_RESPONSE_TEXT_MAX_LENGTH). */
  readonly maxTextLength: number;
};

/** What the room's requests share. */
export type RestContext = {
  readonly wire: Wire;
  readonly circuits: Circuits;
  readonly retries: Retries;
  readonly now: () => number;
};

export const REST_CAPABILITIES = '{"tools":{"listChanged":true}}';
const PROBE_MS = 10_000;
const NO_TOOLS: RestToolSource = async () => [];

export class RestServers {
  readonly #wire: Wire;
  readonly #tools: RestTools;
  readonly #context: RestContext;
  readonly #profile: UpstreamProfile;
  readonly #maxTextLength: number;
  readonly #redactors = new WeakMap<UpstreamTarget, (text: string) => string>();

  constructor(options: RestOptions | undefined, context: RestContext, identity: object) {
    this.#context = context;
    this.#wire = context.wire;
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
    return new Asked(this, this.#context, target, message, sink).start();
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
    receiver: RestReceiver,
    maxBytes = this.#wire.limits.maxMessageBytes,
  ): RestExchange {
    const headers = headersOf(prepared, request, message);
    const pair = this.#wire.pair(prepared);
    const { limits } = this.#wire;
    const parts = maxBytes === limits.maxMessageBytes ? limits : { ...limits, maxMessageBytes: maxBytes };
    return new RestExchange(parts, prepared, pair, request, headers, timeoutMs, receiver);
  }

  result(target: UpstreamTarget, tool: RestTool, answer: HttpAnswer): Buffer {
    let redact = this.#redactors.get(target);
    if (redact === undefined) {
      redact = redactor(secretsOf(target));
      this.#redactors.set(target, redact);
    }
    const { method, path, wrapsResult = false } = tool.operation;
    return resultOf(answer, {
      operation: `${method} ${path}`,
      uri: `rest://${target.slug}/${tool.name}`,
      wrapsResult,
      isStructured: tool.isStructured,
      maxTextLength: this.#maxTextLength,
      mismatch: tool.checkOutput,
      redact,
    });
  }

  /** Reachable is what answers HTTP at all. What it lists is known already: the registry keeps it. */
  async inspect(target: UpstreamTarget): Promise<Inspection> {
    const prepared = this.#wire.prepared(target);
    const request = {
      method: "HEAD",
      path: withOwnQuery(basePath(prepared.path) || "/", prepared.path),
      headers: [],
      cookies: [],
      body: null,
    } as const;
    await new Promise<void>((resolve, reject) => {
      const receiver = { answered: () => resolve(), failed: reject };
      const timeoutMs = Math.min(PROBE_MS, target.requestTimeoutMs);
      this.exchange(prepared, request, {}, timeoutMs, receiver).start();
    });
    const nothing = { tools: [], prompts: [], resources: [], resourceTemplates: [], incomplete: [] };
    return { profile: this.#profile, ...nothing, kept: ["tools"] };
  }

  /** Some document of the web, with the same guards as every upstream. Rejects with a Fault, for a redirect as well. */
  async fetchDocument(url: string, maxBytes: number, timeoutMs: number): Promise<Buffer> {
    const target: UpstreamTarget = {
      ...{ id: `document:${url}`, slug: "document", revision: "", transport: "rest", url, headers: {}, era: "legacy" },
      requestTimeoutMs: timeoutMs,
    };
    const prepared = this.#wire.prepared(target);
    const accept = "application/json, application/yaml, */*;q=0.8";
    const headers = ["accept", accept, "accept-encoding", "identity"];
    const request = { method: "GET", path: prepared.path, headers, cookies: [], body: null } as const;
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        const answered = ({ status, body, location }: HttpAnswer) => {
          if (status >= 300 && status < 400) reject(redirectFault(target, status, location));
          else if (status >= 300) reject(statusFault(target, "GET", status));
          else if (body.length > maxBytes) reject(tooLargeFault(target, maxBytes));
          else resolve(body);
        };
        this.exchange(prepared, request, {}, timeoutMs, { answered, failed: reject }, maxBytes).start();
      });
    } finally {
      this.#wire.forget(target.id);
    }
  }

  forget(targetId: string): void {
    this.#tools.forget(targetId);
  }
}

function secretsOf({ headers, query }: UpstreamTarget): Readonly<Record<string, string>> {
  return query === undefined ? headers : { ...headers, [`?${query.name}`]: query.value };
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

/** One request to a REST upstream, from its message to its answer: checked, sent, sent again where that is safe. */
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
import { isUnsent, statusFault, timeoutFault } from "../failures.ts";
import type { UpstreamMetrics } from "../options.ts";
import type { Exchange, OutboundMessage, ReplySink, UpstreamTarget } from "../types.ts";
import { faultOf, rawIdOf } from "../wire.ts";
import { duplicateAt } from "./duplicates.ts";
import type { RestExchange } from "./exchange.ts";
import { isIdempotent } from "./operation.ts";
import { basePath, type RestRequest, requestOf, withOwnQuery } from "./request.ts";
import { errorResult, type HttpAnswer } from "./result.ts";
import { ArgumentError } from "./serialize.ts";
import type { RestContext, RestServers } from "./server.ts";
import type { RestTool, RestToolSet } from "./tools.ts";

/** Tools of one page of a list. */
const PAGE = 500;

/** What is sent, and under which limits. */
type Sent = { readonly tool: RestTool; readonly request: RestRequest; readonly limitMs: number };

export class Asked implements Exchange {
  readonly #server: RestServers;
  readonly #context: RestContext;
  readonly #target: UpstreamTarget;
  readonly #message: OutboundMessage;
  readonly #sink: ReplySink;
  readonly #startedAt: number;
  #exchange: RestExchange | undefined;
  #sent: Sent | undefined;
  #attempt = 1;
  /** Others wait for what comes of this request. */
  #probes = false;
  #retryTimer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(
    server: RestServers,
    context: RestContext,
    target: UpstreamTarget,
    message: OutboundMessage,
    sink: ReplySink,
  ) {
    this.#server = server;
    this.#context = context;
    this.#target = target;
    this.#message = message;
    this.#sink = sink;
    this.#startedAt = context.now();
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
      else if (method === "ping") this.#soon(Buffer.from("{}"));
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
    const wrong = problemOf(tool, body, given);
    if (wrong !== undefined) {
      this.#soon(errorResult(`Nothing was sent: the arguments of ${name} are not valid. ${wrong}`));
      return;
    }
    const own = tool.operation.timeoutMs;
    const limitMs = own === undefined ? timeoutMs : timeoutMs === 0 ? own : Math.min(own, timeoutMs);
    try {
      const { path: own } = this.#server.prepared(this.#target);
      const request = requestOf(tool.operation, basePath(own), body, given);
      this.#sent = { tool, request: { ...request, path: withOwnQuery(request.path, own) }, limitMs };
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      this.#soon(errorResult(`Nothing was sent: /${error.argument}: ${error.message}`));
      return;
    }
    this.#context.retries.began(this.#target.id);
    this.#send(this.#sent);
  }

  /** Throws MCPS_UPSTREAM_CIRCUIT while the upstream is left alone. */
  #send({ tool, request, limitMs }: Sent): void {
    const elapsedMs = this.#attempt === 1 ? 0 : this.#context.now() - this.#startedAt;
    if (limitMs > 0 && elapsedMs >= limitMs) throw timeoutFault(this.#target, "tools/call", limitMs);
    this.#probes = this.#context.circuits.enter(this.#target);
    const timeoutMs = limitMs > 0 ? limitMs - elapsedMs : 0;
    const prepared = this.#server.prepared(this.#target);
    this.#exchange = this.#server.exchange(prepared, request, this.#message, timeoutMs, {
      answered: (answer) => this.#answered(tool, answer),
      failed: (failure) => this.#failed(failure),
    });
    this.#exchange.start();
  }

  #answered(tool: RestTool, answer: HttpAnswer): void {
    if (this.#over) return;
    this.#probes = false;
    this.#context.circuits.settle(this.#target);
    const { status, retryAfter } = answer;
    if (status >= 400) {
      const refusal = statusFault(this.#target, "tools/call", status, undefined, retryAfter);
      // A token that is no longer good is replaced by whoever holds it.
      if (status === 401 && this.#target.oauth !== undefined) this.#fail(refusal);
      if (this.#over || this.#triesAgain(refusal)) return;
    }
    this.#deliver(this.#server.result(this.#target, tool, answer));
  }

  #failed(failure: Fault): void {
    if (this.#over) return;
    if (this.#probes || isUnsent(failure)) this.#context.circuits.settle(this.#target, failure);
    this.#probes = false;
    if (!this.#triesAgain(failure)) this.#fail(failure);
  }

  #triesAgain(failure: Fault): boolean {
    const sent = this.#sent;
    if (sent === undefined || this.#context.circuits.isOpen(this.#target)) return false;
    const elapsedMs = this.#context.now() - this.#startedAt;
    const waitMs = this.#context.retries.next({
      upstreamId: this.#target.id,
      failure,
      number: this.#attempt,
      unsent: isUnsent(failure),
      repeatable: isIdempotent(sent.request.method),
      remainingMs: sent.limitMs > 0 ? sent.limitMs - elapsedMs : Infinity,
    });
    if (waitMs === undefined) return false;
    this.#attempt++;
    this.#metrics?.retried(this.#target.slug);
    this.#retryTimer = setTimeout(() => {
      try {
        this.#send(sent);
      } catch (error) {
        this.#failWith(error);
      }
    }, waitMs);
    return true;
  }

  /** Whoever asked has the exchange in hand before its answer comes. */
  #soon(result: Buffer): void {
    queueMicrotask(() => this.#deliver(result));
  }

  #deliver(result: Buffer): void {
    if (!this.#over) this.#tell(resultMessage(this.#id, result));
  }

  get #id(): string {
    return this.#message.id ?? rawIdOf(this.#message.body) ?? "null";
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
    if (!(error instanceof Fault)) {
      const { log } = this.#context.wire.options;
      log.error("upstream.request_broken", { upstream: this.#target.slug, reason: String(error) });
    }
    if (!(error instanceof Fault) || error.status >= 500) {
      this.#fail(faultOf(this.#target, error));
      return;
    }
    queueMicrotask(() => this.#tell(errorMessage(this.#id, error)));
  }

  #fail(failure: Fault): void {
    if (this.#finish(failure.code)) this.#sink.fail(failure);
  }

  #finish(outcome: Parameters<UpstreamMetrics["requestEnded"]>[1]): boolean {
    if (this.#over) return false;
    this.#over = true;
    clearTimeout(this.#retryTimer);
    // Whoever gave up learned nothing of the upstream, so the next attempt waits its time.
    if (this.#probes) this.#context.circuits.settle(this.#target, timeoutFault(this.#target, "tools/call", 0));
    this.#metrics?.requestEnded(this.#target.slug, outcome, this.#context.now() - this.#startedAt);
    return true;
  }

  get #metrics(): UpstreamMetrics | undefined {
    return this.#context.wire.options.metrics;
  }
}

/** What is wrong with the arguments; checked is what is sent, so a name that stands twice is refused. */
function problemOf(tool: RestTool, body: Buffer, given: Span | undefined): string | undefined {
  if (given === undefined) return tool.checkInput({});
  if (!isObject(body, given)) return "/: arguments have to be an object";
  const wrong = tool.checkInput(valueAt(body, given));
  if (wrong !== undefined) return wrong;
  const twice = duplicateAt(body, given);
  return twice === undefined ? undefined : `${twice.slice(0, 200)}: stands there twice`;
}

/** Definitions pass as they were stored. Throws MCPS_CURSOR. */
function listOf({ definitions }: RestToolSet, cursor = "0"): Buffer {
  if (!/^\d{1,9}$/.test(cursor)) throw fault("MCPS_CURSOR", { reason: "not one of this gateway" });
  const start = Number(cursor);
  const page = definitions.slice(start, start + PAGE).map((one) => one.definition);
  const more = start + PAGE < definitions.length ? `,"nextCursor":"${start + PAGE}"` : "";
  return Buffer.from(`{"tools":[${page.join(",")}]${more}}`);
}

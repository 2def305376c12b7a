/**
 * Input that a server wants from a client in the middle of a call, carried between the eras: a modern upstream's
 * input_required becomes real requests to a legacy client; a legacy upstream's URL elicitation error becomes input_required.
 */
import { randomUUID } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import type { Caller } from "../federation/index.ts";
import {
  capabilityFor,
  type Envelope,
  elements,
  isObject,
  memberAt,
  members,
  notificationMessage,
  pathAt,
  removeMembers,
  requestMessage,
  resultMessage,
  setMember,
  splice,
  stringAt,
} from "../mcp/index.ts";
import type { Asks, ClientAnswer } from "./asks.ts";
import { clientError } from "./asks.ts";
import type { Call } from "./call.ts";
import type { ConversationParts } from "./types.ts";

/** The client capability a question needs; undefined for methods that no client can be asked. */
export function askedCapability(raw: Buffer, envelope: Envelope): string | undefined {
  const { params } = envelope;
  return capabilityOf(envelope.method, params === undefined ? undefined : raw.subarray(params.start, params.end));
}

function capabilityOf(method: string, params: Buffer | undefined): string | undefined {
  const capability = capabilityFor(method);
  if (capability !== "elicitation" || params === undefined) return capability;
  const mode = stringAt(params, memberAt(params, { start: 0, end: params.length }, "mode"));
  return mode === "url" ? "elicitation.url" : capability;
}

/** `a.b` as the object `{a: {b: {}}}`. */
function nested(path: string): object {
  return path.split(".").reduceRight<object>((inner, key) => ({ [key]: inner }), {});
}

/** Whether the caller declared it. `elicitation: {}` means the form mode only (MCP 2025-11-25 elicitation). */
export function declared(caller: Caller, capability: string): boolean {
  const bytes = caller.identity.clientCapabilities;
  return pathAt(bytes, { start: 0, end: bytes.length }, ...capability.split(".")) !== undefined;
}

/** More questions in one input_required are taken for an attack on the person who would have to answer. */
const MAX_QUESTIONS = 32;

export type Questions = ReturnType<typeof createQuestions>;

/** A raw input_required result; `requests` are raw `{method, params}` objects by key. */
export function inputRequired(requests: ReadonlyMap<string, string>, requestState: string): Buffer {
  const entries = [...requests].map(([key, request]) => `${JSON.stringify(key)}:${request}`);
  return Buffer.from(
    `{"resultType":"input_required","inputRequests":{${entries.join(",")}},"requestState":${JSON.stringify(requestState)}}`,
  );
}

/**
 * Params of a legacy server's request as an input request carries them: without the name that only the legacy era gives a URL
 * elicitation, and without the token of a progress that nobody reports on an input request.
 */
export function inputParams(params: Buffer): Buffer {
  const named = splice(params, removeMembers(params, { start: 0, end: params.length }, ["elicitationId"]));
  const meta = memberAt(named, { start: 0, end: named.length }, "_meta");
  if (meta === undefined || !isObject(named, meta)) return named;
  const kept = members(named, meta).filter(({ key }) => key !== "progressToken");
  if (kept.length === 0) return splice(named, removeMembers(named, { start: 0, end: named.length }, ["_meta"]));
  return splice(named, removeMembers(named, meta, ["progressToken"]));
}

export function createQuestions(parts: ConversationParts, asks: Asks, sealUrlState: (call: Call) => string) {
  /** Asks the client one question and resolves with its raw result. */
  function askOne(call: Call, key: string, method: string, params: Buffer | undefined): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let isOpen = true;
      const withdraw = (reason: string) => {
        if (!isOpen) return;
        isOpen = false;
        clearTimeout(timer);
        asked.drop();
        const about = `{"requestId":${asked.id},"reason":${JSON.stringify(reason)}}`;
        call.reply.message(notificationMessage("notifications/cancelled", about));
        reject(fault("MCPS_CLIENT_TIMEOUT", { method, ms: parts.clientTimeoutMs }));
      };
      const timer = setTimeout(() => withdraw("timeout"), parts.clientTimeoutMs).unref();
      call.whenOver(() => withdraw("the call is over"));
      const asked = asks.forWait(call.spec.caller, call.id, key, (answer: ClientAnswer) => {
        isOpen = false;
        clearTimeout(timer);
        if ("result" in answer) resolve(answer.result);
        else if (method === "elicitation/create") resolve(Buffer.from('{"action":"cancel"}'));
        else reject(fault("MCPS_CLIENT_REFUSED", { method, reason: clientError(answer.error).message }));
      });
      parts.counters.parked(1);
      call.reply.message(requestMessage(asked.id, method, params));
    }).finally(() => parts.counters.parked(-1)) as Promise<Buffer>;
  }

  return {
    mayAsk: declared,

    /** All questions of an input_required result, asked at once; the params for the retry of the original request. */
    async askAll(call: Call, result: Buffer): Promise<Buffer> {
      const root = { start: 0, end: result.length };
      const requests = memberAt(result, root, "inputRequests");
      const wanted = requests === undefined || !isObject(result, requests) ? [] : members(result, requests);
      if (wanted.length > MAX_QUESTIONS) {
        const reason = `it asked ${wanted.length} questions at once, at most ${MAX_QUESTIONS} are put to a client`;
        throw fault("MCPS_UPSTREAM_PROTOCOL", { upstream: call.spec.route.upstream.record.slug, reason });
      }
      const answers = await Promise.all(
        wanted.map(async ({ key, value }) => {
          const method = stringAt(result, memberAt(result, value, "method")) ?? "";
          const span = memberAt(result, value, "params");
          const params = span === undefined ? undefined : withElicitationId(result.subarray(span.start, span.end));
          const capability = capabilityOf(method, params);
          if (capability === undefined || !call.reply.canAsk || !declared(call.spec.caller, capability)) {
            throw fault(
              "MCPS_CAPABILITY",
              { capability: capability ?? method },
              { requiredCapabilities: nested(capability ?? method) },
            );
          }
          const answer = await askOne(call, key, method, params);
          return `${JSON.stringify(key)}:${answer.toString()}`;
        }),
      );
      const state = memberAt(result, root, "requestState");
      return retryParams(
        call,
        `{${answers.join(",")}}`,
        state === undefined ? undefined : result.subarray(state.start, state.end),
      );
    },

    /** -32042 of a legacy upstream as input_required for a modern client; false when the error names no elicitation. */
    urlElicitations(call: Call, raw: Buffer, envelope: Envelope): boolean {
      const requests = new Map<string, string>();
      for (const [index, span] of elements(raw, pathAt(raw, envelope.error, "data", "elicitations")).entries()) {
        const url = stringAt(raw, memberAt(raw, span, "url"));
        const message = stringAt(raw, memberAt(raw, span, "message")) ?? "";
        if (url === undefined) continue;
        requests.set(
          `url${index}`,
          JSON.stringify({ method: "elicitation/create", params: { mode: "url", message, url } }),
        );
      }
      if (requests.size === 0 || !declared(call.spec.caller, "elicitation.url")) return false;
      call.finish(resultMessage(call.clientId, inputRequired(requests, sealUrlState(call))), 200, "input_required");
      return true;
    },
  };
}

/** The legacy era names each URL elicitation; the modern one does not, so the name is made here. */
function withElicitationId(params: Buffer): Buffer {
  const root = { start: 0, end: params.length };
  if (stringAt(params, memberAt(params, root, "mode")) !== "url") return params;
  if (memberAt(params, root, "elicitationId") !== undefined) return params;
  return splice(params, [setMember(params, root, "elicitationId", JSON.stringify(randomUUID()))]);
}

function retryParams(call: Call, responses: string, state: Buffer | undefined): Buffer {
  const { body, envelope } = call.spec;
  let params: Buffer =
    envelope.params === undefined
      ? Buffer.from("{}")
      : Buffer.from(body.subarray(envelope.params.start, envelope.params.end));
  params = splice(params, [setMember(params, { start: 0, end: params.length }, "inputResponses", responses)]);
  if (state === undefined) return params;
  return splice(params, [setMember(params, { start: 0, end: params.length }, "requestState", state)]);
}

/**
 * Calls of modern clients whose legacy upstream asks something. The call stays open here, the client gets input_required with
 * a sealed requestState; when it comes back, to whichever worker, the answers go to the upstream and the rest of the call
 * flows to the new request. Bound to principal, method and params; ends with the call's deadline.
 */
import { createHash, randomUUID } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import type { Caller } from "../federation/index.ts";
import {
  type Envelope,
  errorMessage,
  INPUT_METHODS,
  memberAt,
  members,
  resultMessage,
  scanMessage,
  splice,
  stringAt,
} from "../mcp/index.ts";
import type { Asks } from "./asks.ts";
import type { Call, Parking } from "./call.ts";
import { inputParams, inputRequired } from "./questions.ts";
import type { ClientReply, ConversationParts } from "./types.ts";

const PURPOSE = "request-state";
/** Messages kept for a client between two of its requests. */
const MAX_BUFFERED = 256;
/** Parked calls of one worker; each keeps a request to its upstream open. */
const MAX_PARKED = 10_000;
/** How often a worker looks whether the one that runs a resumed call still lives. */
const OWNER_CHECK_MS = 2000;
const FREE_PARAMS = new Set(["_meta", "inputResponses", "requestState"]);

type State = {
  readonly k: "call" | "url";
  readonly w: string;
  readonly c: string;
  readonly p: string;
  readonly d: string;
  readonly x: number;
};
type Question = { readonly rawId: string; readonly request: string };
type Parked = {
  readonly call: Call;
  readonly open: Map<string, Question>;
  asked: number;
  readonly buffered: Buffer[];
  final?: { raw: Buffer; status: number };
};

/** What a retry has to repeat: method and params, without what every request carries anew. */
function digestOf(body: Buffer, envelope: Envelope): string {
  const hash = createHash("sha256").update(envelope.method);
  const found =
    envelope.params === undefined ? [] : members(body, envelope.params).filter(({ key }) => !FREE_PARAMS.has(key));
  for (const { key, value } of found.sort((a, b) => (a.key < b.key ? -1 : 1))) {
    hash.update(JSON.stringify(key)).update(body.subarray(value.start, value.end));
  }
  return hash.digest("base64url").slice(0, 22);
}

export type ParkedCalls = ReturnType<typeof createParkedCalls>;

export function createParkedCalls(parts: ConversationParts, asks: Asks) {
  const parked = new Map<string, Parked>();
  /** Replies of this worker's clients that a call on another worker writes to. */
  const remote = new Map<string, { readonly reply: ClientReply; readonly stop: () => void }>();

  function sealState(call: Call, kind: State["k"]): string {
    const { caller, body, envelope } = call.spec;
    const state: State = {
      k: kind,
      w: parts.workerId,
      c: call.id,
      p: caller.principal.id,
      d: digestOf(body, envelope),
      x: parts.now() + parts.clientTimeoutMs,
    };
    return parts.sealing.seal(PURPOSE, JSON.stringify(state));
  }

  const parking: Parking = {
    mayPark: (call) =>
      INPUT_METHODS.has(call.spec.envelope.method) && (parked.has(call.id) || parked.size < MAX_PARKED),
    park(call, rawId, method, params) {
      let entry = parked.get(call.id);
      if (entry === undefined) {
        entry = { call, open: new Map(), asked: 0, buffered: [] };
        parked.set(call.id, entry);
        parts.counters.parked(1);
      }
      entry.asked++;
      const request =
        params === undefined
          ? JSON.stringify({ method })
          : `{"method":${JSON.stringify(method)},"params":${inputParams(params).toString()}}`;
      entry.open.set(`q${entry.asked}`, { rawId, request });
      if (!isBuffering(entry)) askAgain(entry);
    },
    settled(call) {
      const entry = parked.get(call.id);
      // Ended while the client is away: the answer waits for it, as long as its requestState holds.
      if (entry !== undefined && isBuffering(entry)) setTimeout(() => forget(call), parts.clientTimeoutMs).unref();
      else forget(call);
    },
  };

  const bufferReplies = new WeakSet<ClientReply>();
  const isBuffering = (entry: Parked) => bufferReplies.has(entry.call.reply);

  /** Answers the client's present request with every open question and keeps what comes until it returns. */
  function askAgain(entry: Parked): void {
    const { call } = entry;
    const requests = new Map([...entry.open].map(([key, { request }]) => [key, request]));
    const result = inputRequired(requests, sealState(call, "call"));
    call.answerInterim(resultMessage(call.clientId, result));
    const buffer: ClientReply = {
      canAsk: true,
      streaming: () => undefined,
      message: (raw) => {
        if (entry.buffered.length < MAX_BUFFERED) entry.buffered.push(raw);
      },
      finish: (raw, status) => {
        entry.final = { raw, status };
      },
      abandon: () => undefined,
    };
    bufferReplies.add(buffer);
    call.reply = buffer;
  }

  function refusal(
    state: State,
    entry: Parked | undefined,
    principalId: string,
    body: Buffer,
    envelope: Envelope,
  ): string | undefined {
    if (entry === undefined) return "the call it names is over";
    if (state.p !== principalId) return "it belongs to another principal";
    if (state.d !== digestOf(body, envelope)) return "method or params differ from the request it was given for";
    return isBuffering(entry) ? undefined : "it has been used";
  }

  function resumeHere(state: State, principalId: string, body: Buffer, envelope: Envelope, reply: ClientReply): void {
    const id = envelope.id === undefined ? "null" : body.subarray(envelope.id.start, envelope.id.end);
    const entry = parked.get(state.c);
    const reason = refusal(state, entry, principalId, body, envelope);
    if (reason !== undefined || entry === undefined) {
      reply.finish(errorMessage(id, fault("MCPS_REQUEST_STATE", { reason: reason ?? "" })), 400);
      return;
    }
    const { call } = entry;
    const responses = memberAt(body, envelope.params, "inputResponses");
    for (const [key, question] of [...entry.open]) {
      const answer = memberAt(body, responses, key);
      if (answer === undefined) continue;
      entry.open.delete(key);
      deliver(call, resultMessage(question.rawId, body.subarray(answer.start, answer.end)));
    }
    call.clientId = Buffer.from(id);
    call.adoptProgress(body, envelope);
    call.reply = reply;
    for (const raw of entry.buffered.splice(0)) reply.message(raw);
    if (entry.final !== undefined) {
      forget(call);
      reply.finish(withId(entry.final.raw, call.clientId), entry.final.status);
    } else if (entry.open.size > 0) askAgain(entry);
  }

  function forget(call: Call): void {
    if (parked.delete(call.id)) parts.counters.parked(-1);
  }

  function deliver(call: Call, message: Buffer): void {
    const { caller, route } = call.spec;
    asks.deliver(route.upstream.record.id, caller.holder, message).catch((error: unknown) => {
      parts.log.warn("input did not reach the upstream", {
        upstream: route.upstream.record.slug,
        reason: String(error),
      });
      call.fail(
        fault("MCPS_UPSTREAM_UNREACHABLE", {
          upstream: route.upstream.record.slug,
          reason: "it did not take the client's input",
        }),
      );
    });
  }

  parts.post.handle("parked-resume", (payload) => {
    const wire = JSON.parse(payload) as {
      from: string;
      replyId: string;
      state: State;
      principalId: string;
      body: string;
    };
    const send = (message: Record<string, unknown>) =>
      void parts.post
        .send(wire.from, "parked-reply", JSON.stringify({ replyId: wire.replyId, ...message }))
        .catch((error: unknown) => {
          parts.log.warn("a parked call's answer did not reach the worker that asked", { reason: String(error) });
        });
    const body = Buffer.from(wire.body, "base64");
    resumeHere(wire.state, wire.principalId, body, scanMessage(body), {
      canAsk: true,
      streaming: () => undefined,
      message: (raw) => send({ type: "message", raw: raw.toString("base64") }),
      finish: (raw, status) => send({ type: "finish", raw: raw.toString("base64"), status }),
      abandon: () => send({ type: "abandon" }),
    });
  });
  function receiveReply(payload: string): void {
    const wire = JSON.parse(payload) as {
      replyId: string;
      type: "message" | "finish" | "abandon";
      raw?: string;
      status?: number;
    };
    const waiting = remote.get(wire.replyId);
    if (waiting === undefined) return;
    const { reply } = waiting;
    const raw = Buffer.from(wire.raw ?? "", "base64");
    if (wire.type === "message") {
      reply.message(raw);
      return;
    }
    waiting.stop();
    if (wire.type === "finish") reply.finish(raw, wire.status ?? 200);
    else reply.abandon();
  }
  parts.post.handle("parked-reply", receiveReply);
  parts.post.handle("parked-cancel", (payload) => parked.get(payload)?.call.cancel("the client closed its stream"));

  async function resumeElsewhere(
    state: State,
    caller: Caller,
    body: Buffer,
    envelope: Envelope,
    reply: ClientReply,
  ): Promise<void> {
    const id = envelope.id === undefined ? "null" : body.subarray(envelope.id.start, envelope.id.end);
    if (!(await parts.post.isAlive(state.w))) {
      reply.finish(errorMessage(id, fault("MCPS_CALL_LOST")), 200);
      return;
    }
    const replyId = awaitElsewhere(state.w, reply, () => reply.finish(errorMessage(id, fault("MCPS_CALL_LOST")), 200));
    const payload = {
      from: parts.workerId,
      replyId,
      state,
      principalId: caller.principal.id,
      body: body.toString("base64"),
    };
    try {
      await parts.post.send(state.w, "parked-resume", JSON.stringify(payload));
    } catch (error) {
      remote.get(replyId)?.stop();
      throw error;
    }
  }

  /** Notes who waits for what another worker answers; `lost` is called when that worker is gone before its last message. */
  function awaitElsewhere(workerId: string, reply: ClientReply, lost: () => void): string {
    const replyId = randomUUID();
    const timer = setInterval(() => {
      parts.post.isAlive(workerId).then(
        (isAlive) => {
          if (isAlive || !remote.has(replyId)) return;
          stop();
          lost();
        },
        (error: unknown) => parts.log.debug("nobody knows whether a worker lives", { reason: String(error) }),
      );
    }, OWNER_CHECK_MS).unref();
    const stop = () => {
      clearInterval(timer);
      remote.delete(replyId);
    };
    remote.set(replyId, { reply, stop });
    return replyId;
  }

  return {
    parking,
    sealUrlState: (call: Call): string => sealState(call, "url"),

    /** Our requestState in this request; undefined when there is none or it is somebody else's. */
    stateOf(body: Buffer, envelope: Envelope): State | undefined {
      const token = stringAt(body, envelope.routing.requestState);
      const opened = token === undefined ? undefined : parts.sealing.open(PURPOSE, token);
      return opened === undefined ? undefined : (JSON.parse(opened.toString()) as State);
    },

    /**
     * Continues the call that a state names. Answers how to cancel it; `again` when the request has to be sent anew (the
     * state only said that a URL had to be visited).
     */
    resume(state: State, caller: Caller, body: Buffer, envelope: Envelope, reply: ClientReply): "again" | (() => void) {
      if (state.x < parts.now()) throw fault("MCPS_REQUEST_STATE", { reason: "it has expired" });
      if (state.p !== caller.principal.id)
        throw fault("MCPS_REQUEST_STATE", { reason: "it belongs to another principal" });
      if (state.d !== digestOf(body, envelope)) {
        throw fault("MCPS_REQUEST_STATE", { reason: "method or params differ from the request it was given for" });
      }
      if (state.k === "url") return "again";
      if (state.w === parts.workerId) {
        resumeHere(state, caller.principal.id, body, envelope, reply);
        return () => parked.get(state.c)?.call.cancel("the client closed its stream");
      }
      resumeElsewhere(state, caller, body, envelope, reply).catch((error: unknown) => {
        parts.log.warn("a parked call could not be resumed", { reason: String(error) });
        const id = envelope.id === undefined ? "null" : body.subarray(envelope.id.start, envelope.id.end);
        reply.finish(errorMessage(id, fault("MCPS_CALL_LOST")), 200);
      });
      return () => void parts.post.send(state.w, "parked-cancel", state.c).catch(() => undefined);
    },
  };
}

/** The same response under another id. */
function withId(raw: Buffer, id: Buffer): Buffer {
  const envelope = scanMessage(raw);
  return envelope.id === undefined ? raw : splice(raw, [{ ...envelope.id, text: id }]);
}

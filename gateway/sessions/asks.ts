/**
 * Requests from the far side to a client: elicitation, sampling, roots. The JSON-RPC id that the client sees is a sealed
 * note that says where its answer belongs, so that any worker of any replica can deliver it, and only for the session that
 * was asked.
 */
import { fault } from "../../contract/errors.ts";
import type { Caller } from "../federation/index.ts";
import { type Envelope, errorMessage, memberAt, splice, stringAt, valueAt } from "../mcp/index.ts";
import type { ConversationParts } from "./types.ts";

const PURPOSE = "ask";

type UpstreamNote = {
  readonly k: "up";
  readonly s: string;
  readonly x: number;
  readonly u: string;
  readonly i: string;
  readonly w: string;
};
type WaitNote = {
  readonly k: "wait";
  readonly s: string;
  readonly x: number;
  readonly w: string;
  readonly c: string;
  readonly q: string;
};
type Note = UpstreamNote | WaitNote;

export type ClientAnswer = { readonly result: Buffer } | { readonly error: Buffer };

export type Asks = ReturnType<typeof createAsks>;

export function createAsks(parts: ConversationParts) {
  const waiting = new Map<string, (answer: ClientAnswer) => void>();

  parts.post.handle("client-answer", (payload) => {
    const { key, result, error } = parseAnswer(payload);
    const settle = waiting.get(key);
    if (settle === undefined) return;
    waiting.delete(key);
    settle(result !== undefined ? { result: Buffer.from(result) } : { error: Buffer.from(error ?? "null") });
  });
  parts.post.handle("upstream-answer", (payload) => {
    const { upstreamId, caller, body } = JSON.parse(payload) as {
      upstreamId: string;
      caller: WireHolder;
      body: string;
    };
    void deliver(upstreamId, holderOf(caller), Buffer.from(body, "base64")).catch((error: unknown) => {
      parts.log.warn("a client's answer did not reach its upstream", { upstream: upstreamId, reason: String(error) });
    });
  });

  async function deliver(upstreamId: string, holder: Caller["holder"], body: Buffer): Promise<void> {
    const target = parts.federation.target(upstreamId);
    if (target === undefined) throw fault("MCPS_UPSTREAM_UNKNOWN", { id: upstreamId });
    await parts.federation.upstreams.notify(target, holder, { body, method: "response" });
  }

  function seal(note: Note): string {
    return JSON.stringify(parts.sealing.seal(PURPOSE, JSON.stringify(note)));
  }

  return {
    /** The upstream's request under an id that brings the answer back to it; raw JSON id. */
    forUpstream(caller: Caller, upstreamId: string, rawId: string): string {
      const x = parts.now() + parts.clientTimeoutMs;
      return seal({ k: "up", s: caller.sessionId ?? caller.holder.key, x, u: upstreamId, i: rawId, w: parts.workerId });
    },

    /** An id for a question of the gateway's own; `settle` is called at most once. */
    forWait(
      caller: Caller,
      callId: string,
      question: string,
      settle: (answer: ClientAnswer) => void,
    ): { id: string; drop: () => void } {
      const key = `${callId} ${question}`;
      waiting.set(key, settle);
      const x = parts.now() + parts.clientTimeoutMs;
      const id = seal({
        k: "wait",
        s: caller.sessionId ?? caller.holder.key,
        x,
        w: parts.workerId,
        c: callId,
        q: question,
      });
      return { id, drop: () => waiting.delete(key) };
    },

    /** Takes a client's response wherever it belongs. Unknown, foreign and late ones are dropped, as JSON-RPC asks. */
    async answer(caller: Caller, body: Buffer, envelope: Envelope): Promise<void> {
      const token = stringAt(body, envelope.id);
      const opened = token === undefined ? undefined : parts.sealing.open(PURPOSE, token);
      if (opened === undefined || envelope.id === undefined) return;
      const note = JSON.parse(opened.toString()) as Note;
      if (note.s !== (caller.sessionId ?? caller.holder.key) || note.x < parts.now()) return;
      if (note.k === "wait") {
        const key = `${note.c} ${note.q}`;
        const part = envelope.result ?? envelope.error;
        const text = part === undefined ? "null" : body.toString("utf8", part.start, part.end);
        await parts.post.send(
          note.w,
          "client-answer",
          JSON.stringify(envelope.result === undefined ? { key, error: text } : { key, result: text }),
        );
        return;
      }
      const message = splice(body, [{ ...envelope.id, text: note.i }]);
      const target = parts.federation.target(note.u);
      // The connection of an SSE upstream lives in the worker that asked; everything else is addressed by its session id.
      if (target?.transport === "sse" && note.w !== parts.workerId) {
        const payload = { upstreamId: note.u, caller: wireHolder(caller.holder), body: message.toString("base64") };
        await parts.post.send(note.w, "upstream-answer", JSON.stringify(payload));
        return;
      }
      await deliver(note.u, caller.holder, message);
    },

    /** Refuses an upstream's request on the spot, so that it never hangs. */
    async refuse(upstreamId: string, caller: Caller, rawId: string, method: string): Promise<void> {
      const refusal = errorMessage(
        rawId,
        fault("MCPS_METHOD", { method: `${method} (the client declared no such capability)` }),
      );
      await deliver(upstreamId, caller.holder, refusal);
    },

    deliver,
  };
}

/** Code and message of a client's error answer. */
export function clientError(error: Buffer): { code: number; message: string } {
  const root = { start: 0, end: error.length };
  const code = memberAt(error, root, "code");
  const value = code === undefined ? -32603 : valueAt(error, code);
  return {
    code: typeof value === "number" ? value : -32603,
    message: stringAt(error, memberAt(error, root, "message")) ?? "the client refused",
  };
}

function parseAnswer(payload: string): { key: string; result?: string; error?: string } {
  return JSON.parse(payload) as { key: string; result?: string; error?: string };
}

type WireHolder = {
  key: string;
  capabilities: string;
  info: string;
  version: string;
  ttlMs: number;
  actor?: Caller["holder"]["actor"];
};

export function wireHolder(holder: Caller["holder"]): WireHolder {
  return {
    key: holder.key,
    capabilities: holder.clientCapabilities.toString(),
    info: holder.clientInfo.toString(),
    version: holder.protocolVersion,
    ttlMs: holder.ttlMs,
    ...(holder.actor === undefined ? {} : { actor: actorOf(holder.actor) }),
  };
}

/** A principal is more than what an upstream may know of it. */
function actorOf({ id, teams, admin }: NonNullable<Caller["holder"]["actor"]>) {
  return { id, teams, admin };
}

function holderOf(wire: WireHolder): Caller["holder"] {
  return {
    key: wire.key,
    clientCapabilities: Buffer.from(wire.capabilities),
    clientInfo: Buffer.from(wire.info),
    protocolVersion: wire.version,
    ttlMs: wire.ttlMs,
    actor: wire.actor,
  };
}

/** Requests of an upstream that belong to no call: none of them may be left hanging. */
import type { Caller, ViewUpstream } from "../federation/index.ts";
import { type Envelope, splice } from "../mcp/index.ts";
import type { Asks } from "./asks.ts";
import { askedCapability, declared } from "./questions.ts";
import type { StreamOut } from "./streams.ts";
import type { ConversationParts } from "./types.ts";

/** A request of an upstream outside any call: ping is answered, what the client can do is asked, the rest is refused. */
export function answerOrForward(
  parts: ConversationParts,
  asks: Asks,
  upstream: ViewUpstream,
  caller: Caller,
  raw: Buffer,
  envelope: Envelope,
  out: StreamOut | undefined,
): void {
  if (envelope.id === undefined) return;
  const rawId = raw.toString("utf8", envelope.id.start, envelope.id.end);
  const failed = (error: unknown) =>
    parts.log.warn("an answer did not reach the upstream", { upstream: upstream.record.slug, reason: String(error) });
  if (envelope.method === "ping") {
    const pong = Buffer.from(`{"jsonrpc":"2.0","id":${rawId},"result":{}}`);
    asks.deliver(upstream.record.id, caller.holder, pong).catch(failed);
    return;
  }
  const needed = askedCapability(raw, envelope);
  if (out === undefined || needed === undefined || !declared(caller, needed)) {
    asks.refuse(upstream.record.id, caller, rawId, envelope.method).catch(failed);
    return;
  }
  out(splice(raw, [{ ...envelope.id, text: asks.forUpstream(caller, upstream.record.id, rawId) }]));
}

/**
 * subscriptions/listen at a modern upstream that comes back when it ends: an upstream that restarts must not silence the
 * stream of a client for good. What changed in between is not known, so the client is told to look again.
 */
import type { Envelope } from "../mcp/index.ts";
import type { Exchange, Holder, OutboundMessage, UpstreamTarget } from "../upstreams/index.ts";
import type { ConversationParts } from "./types.ts";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

export type KeptListener = {
  message(raw: Buffer, envelope: Envelope): void;
  /** The upstream has taken the subscription, or does not. */
  settled?(): void;
  /** It listens again after a gap. */
  resumed(): void;
};

/** Listens until cancelled; `message` makes the request anew for each attempt. A refusal (a JSON-RPC error) is final. */
export function keepListening(
  parts: ConversationParts,
  target: UpstreamTarget,
  holder: Holder,
  message: () => OutboundMessage,
  listener: KeptListener,
): Exchange {
  let pause = FIRST_PAUSE_MS;
  let attempts = 0;
  let startedAt = 0;
  let isOver = false;
  let exchange: Exchange | undefined;
  let timer: NodeJS.Timeout | undefined;

  function again(reason: string): void {
    if (isOver) return;
    listener.settled?.();
    // Only a stream that lasted shows that the upstream is well; one that ends at once is asked ever more rarely.
    if (parts.now() - startedAt > LONGEST_PAUSE_MS) pause = FIRST_PAUSE_MS;
    parts.log.debug("an upstream's listen stream ended", { upstream: target.slug, reason, againInMs: pause });
    timer = setTimeout(attempt, pause).unref();
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  }

  function attempt(): void {
    attempts++;
    startedAt = parts.now();
    let isTaken = false;
    exchange = parts.federation.upstreams.request(target, holder, message(), {
      message(raw, _status, envelope) {
        if (envelope.error !== undefined) isOver = true;
        if (!isTaken && envelope.kind !== "response") {
          isTaken = true;
          if (attempts > 1) listener.resumed();
        }
        listener.settled?.();
        listener.message(raw, envelope);
      },
      end: () => again("end"),
      fail: (failure) => again(failure.message),
    });
  }

  attempt();
  return {
    cancel() {
      isOver = true;
      clearTimeout(timer);
      exchange?.cancel();
    },
  };
}

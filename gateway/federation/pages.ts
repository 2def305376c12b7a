/** One message to an upstream and its final answer, for what the gateway asks on its own: list pages, discovery. */
import { asFault, type Fault, fault } from "../../contract/errors.ts";
import { type Envelope, memberAt, stringAt, valueAt } from "../mcp/index.ts";
import type { Holder, OutboundMessage, Upstreams, UpstreamTarget } from "../upstreams/index.ts";

export type Answer = { readonly raw: Buffer; readonly envelope: Envelope };

/** A JSON-RPC error that an upstream answered, kept apart from transport faults. */
export class UpstreamRefusal extends Error {
  readonly rpc: number;
  constructor(rpc: number, message: string) {
    super(message);
    this.name = "UpstreamRefusal";
    this.rpc = rpc;
  }
}

/** The room below keeps its own clock; this one is the one that speaks. */
const MARGIN_MS = 1000;

export type AskOptions = {
  readonly timeoutMs: number;
  /** What the upstream sends before its answer; requests among them have to be answered by the receiver. */
  readonly onMessage?: (raw: Buffer, envelope: Envelope) => void;
};

/** Resolves with a result; rejects with a Fault (transport, time) or an UpstreamRefusal (JSON-RPC error). */
export function ask(
  upstreams: Upstreams,
  target: UpstreamTarget,
  holder: Holder,
  message: OutboundMessage,
  options: AskOptions,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let settled = false;
    const settle = (act: () => void) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      act();
    };
    const timer = setTimeout(() => {
      settle(() =>
        reject(
          fault("MCPS_UPSTREAM_TIMEOUT", { upstream: target.slug, method: message.method, ms: options.timeoutMs }),
        ),
      );
      exchange.cancel();
    }, options.timeoutMs);
    timer.unref();
    const exchange = upstreams.request(
      target,
      holder,
      { ...message, timeoutMs: options.timeoutMs + MARGIN_MS },
      {
        message(raw, _status, envelope) {
          try {
            if (envelope.kind !== "response") options.onMessage?.(raw, envelope);
            else if (envelope.error !== undefined) {
              const { code, text } = errorOf(raw, envelope);
              settle(() => reject(new UpstreamRefusal(code, text)));
            } else settle(() => resolve({ raw, envelope }));
          } catch (error) {
            settle(() => reject(protocolFault(target, error)));
            exchange.cancel();
          }
        },
        end() {
          settle(() =>
            reject(
              fault("MCPS_UPSTREAM_PROTOCOL", {
                upstream: target.slug,
                reason: `${message.method} ended without an answer`,
              }),
            ),
          );
        },
        fail(failure) {
          settle(() => reject(failure));
        },
      },
    );
  });
}

/** Code and message of an error response; -32603 when the upstream sent none that can be read. */
export function errorOf(raw: Buffer, envelope: Envelope): { code: number; text: string } {
  const code = memberAt(raw, envelope.error, "code");
  const value = code === undefined ? undefined : valueAt(raw, code);
  return {
    code: typeof value === "number" ? value : -32603,
    text: stringAt(raw, memberAt(raw, envelope.error, "message")) ?? "error without a message",
  };
}

/** What is wrong with a message that an upstream sent, told as that upstream's fault. */
export function protocolFault(target: UpstreamTarget, error: unknown): Fault {
  const reason = error instanceof Error ? error.message : String(asFault(error, ""));
  return fault("MCPS_UPSTREAM_PROTOCOL", { upstream: target.slug, reason });
}

/** The upstream that is no server: requests to it are answered inside the gateway, by what main.ts has built in. */
import { Fault, fault } from "../../contract/errors.ts";
import { errorMessage, resultMessage, scanMessage, valueAt } from "../mcp/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { UpstreamMetrics } from "./options.ts";
import type { Exchange, OutboundMessage, ReplySink, UpstreamProfile, UpstreamTarget } from "./types.ts";
import { faultOf, rawIdOf } from "./wire.ts";

export type BuiltinRequest = {
  readonly method: string;
  /** Parsed JSON; undefined when there are none. */
  readonly params: unknown;
  readonly shows: NonNullable<OutboundMessage["shows"]>;
};

export type BuiltinServer = {
  /** Legacy and sessionless: what a modern caller gets is translated as from any legacy upstream. */
  readonly profile: UpstreamProfile;
  /** A raw result object. A Fault below 500 is an answer to the caller, any other failure is the upstream's. */
  answer(request: BuiltinRequest): Promise<Buffer>;
};

export type BuiltinContext = {
  readonly server: BuiltinServer | undefined;
  readonly log: Log;
  readonly metrics: UpstreamMetrics | undefined;
  readonly now: () => number;
};

/** Throws MCPS_UPSTREAM_UNREACHABLE when nothing is built in. */
export function builtinServer(server: BuiltinServer | undefined, target: UpstreamTarget): BuiltinServer {
  if (server !== undefined) return server;
  throw fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: target.slug, reason: "nothing is built in" });
}

/** The answer comes later, as from a server; cancel() drops it. */
export function askBuiltin(
  { server, log, metrics, now }: BuiltinContext,
  target: UpstreamTarget,
  message: OutboundMessage,
  sink: ReplySink,
): Exchange {
  const startedAt = now();
  let over = false;
  const end = (outcome: Parameters<UpstreamMetrics["requestEnded"]>[1], act: () => void) => {
    if (over) return;
    over = true;
    metrics?.requestEnded(target.slug, outcome, now() - startedAt);
    act();
  };
  const deliver = (raw: Buffer) =>
    end("ok", () => {
      sink.message(raw, 200, scanMessage(raw));
      sink.end();
    });
  respond(server, target, message).then(deliver, (error: unknown) => {
    if (!(error instanceof Fault))
      log.error("upstream.builtin_broken", { upstream: target.slug, reason: String(error) });
    const failure = faultOf(target, error);
    end(failure.code, () => sink.fail(failure));
  });
  return { cancel: () => end("cancelled", () => undefined) };
}

/** It never says anything unasked; changes of what it holds are changes of the catalogue. */
export function silentStream(sink: ReplySink): Exchange {
  let over = false;
  queueMicrotask(() => {
    if (!over) sink.end();
  });
  return {
    cancel: () => {
      over = true;
    },
  };
}

async function respond(
  server: BuiltinServer | undefined,
  target: UpstreamTarget,
  { body, method, shows = () => false, id = rawIdOf(body) }: OutboundMessage,
): Promise<Buffer> {
  const rawId = id ?? "null";
  const { params } = scanMessage(body);
  try {
    const result = await builtinServer(server, target).answer({
      method,
      params: params === undefined ? undefined : valueAt(body, params),
      shows,
    });
    return resultMessage(rawId, result);
  } catch (error) {
    if (error instanceof Fault && error.status < 500) return errorMessage(rawId, error);
    throw error;
  }
}

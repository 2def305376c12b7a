/** What goes on at upstreams without a request: health checks, circuits told to others, sessions of clients that are gone. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import { startSessionCleanUp } from "./clean-sessions.ts";
import type { Election, SharedState } from "./coordination/index.ts";
import type { Federation } from "./federation/index.ts";
import { type HealthOptions, startHealthChecks } from "./health.ts";
import type { Measures } from "./measures.ts";
import { shareCircuits } from "./share-circuits.ts";
import type { GatewayRecord } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";
import type { Upstreams } from "./upstreams/index.ts";

export type TendInput = {
  readonly settings: Settings;
  readonly state: SharedState;
  readonly upstreams: Upstreams;
  readonly federation: Federation;
  readonly election: Election;
  readonly observe: Measures;
  readonly log: Log;
  readonly teardown: Teardown;
  /** Inspects an upstream and stores what it found; rejects when the upstream is away. */
  readonly refresh: (record: GatewayRecord) => Promise<void>;
  /** Stores that an upstream is away. */
  readonly away: (record: GatewayRecord, reason: string) => Promise<void>;
};

export async function tendUpstreams(input: TendInput): Promise<void> {
  const { settings, state, upstreams, federation, election, observe, log, teardown } = input;
  const target = (id: string) => federation.target(id);
  observe.upstreamSessions(upstreams);
  if (settings.MCP_SESSION_POOL_CIRCUIT_BREAKER_SHARED) {
    const share = await shareCircuits(state, upstreams, target, log);
    teardown.add("shared circuits", () => share.close());
  }
  const health = startHealthChecks(state, { ...healthOptions(input), election });
  const forget = upstreams.onCircuit((id, _, circuit) => {
    if (circuit === "open") health.suspect(id);
  });
  teardown.add("health checks", () => {
    forget();
    return health.close();
  });
  const cleanUp = startSessionCleanUp(state, upstreams, {
    election,
    intervalMs: settings.SESSION_CLEANUP_INTERVAL * 1000,
    concurrency: settings.SESSION_CLEANUP_CONCURRENCY,
    target,
    log,
  });
  teardown.add("session clean-up", () => cleanUp.close());
}

function healthOptions({
  settings,
  upstreams,
  federation,
  refresh,
  away,
  log,
}: TendInput): Omit<HealthOptions, "election"> {
  const timeoutMs = settings.GATEWAY_HEALTH_CHECK_TIMEOUT * 1000;
  const pingMs = settings.MCP_SESSION_POOL_EXPLICIT_HEALTH_RPC ? settings.HEALTH_CHECK_TIMEOUT * 1000 : undefined;
  return {
    intervalMs: settings.HEALTH_CHECK_INTERVAL * 1000,
    threshold: settings.UNHEALTHY_THRESHOLD,
    concurrency: settings.MAX_CONCURRENT_HEALTH_CHECKS,
    refreshMs: settings.AUTO_REFRESH_SERVERS ? settings.GATEWAY_AUTO_REFRESH_INTERVAL * 1000 : undefined,
    gateways: () => federation.snapshot.gateways,
    async probe({ id }) {
      const target = federation.target(id);
      if (target !== undefined) await upstreams.probe(target, timeoutMs, pingMs);
    },
    refresh,
    away,
    log,
  };
}

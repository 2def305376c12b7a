/** What goes on at upstreams without a request: health checks, circuits told to others, sessions of clients that are gone. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import { startSessionCleanUp } from "./clean-sessions.ts";
import type { SharedState } from "./coordination/index.ts";
import type { Federation } from "./federation/index.ts";
import { startHealthChecks } from "./health.ts";
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
  readonly workerId: string;
  readonly observe: Measures;
  readonly log: Log;
  readonly teardown: Teardown;
  /** Inspects an upstream and stores what it found; rejects when the upstream is away. */
  readonly refresh: (record: GatewayRecord) => Promise<void>;
};

export async function tendUpstreams(input: TendInput): Promise<void> {
  const { settings, state, upstreams, federation, workerId, observe, log, teardown } = input;
  const election = {
    workerId,
    ttlMs: settings.REDIS_LEADER_TTL * 1000,
    heartbeatMs: settings.REDIS_LEADER_HEARTBEAT_INTERVAL * 1000,
  };
  const target = (id: string) => federation.target(id);
  observe.upstreamSessions(upstreams);
  if (settings.MCP_SESSION_POOL_CIRCUIT_BREAKER_SHARED) {
    const share = await shareCircuits(state, upstreams, target, log);
    teardown.add("shared circuits", () => share.close());
  }
  const intervalMs = settings.HEALTH_CHECK_INTERVAL * 1000;
  const health = startHealthChecks(state, federation, intervalMs, election, input.refresh, log);
  teardown.add("health checks", () => health.close());
  const cleanUp = startSessionCleanUp(state, upstreams, {
    election,
    intervalMs: settings.SESSION_CLEANUP_INTERVAL * 1000,
    concurrency: settings.SESSION_CLEANUP_CONCURRENCY,
    target,
    log,
  });
  teardown.add("session clean-up", () => cleanUp.close());
}

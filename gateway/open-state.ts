/** The shared state of this worker, by the settings, observed and known to answer. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import { observedState, openSharedState, type SharedState, stateAnswers } from "./coordination/index.ts";
import type { Foundation } from "./foundation.ts";
import type { Measures } from "./measures.ts";
import type { Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";

export type StateInput = {
  readonly settings: Settings;
  readonly foundation: Foundation;
  readonly isAlone: boolean;
  readonly log: Log;
  readonly teardown: Teardown;
};

/** Rejects with MCPS_STATE when it does not answer in STARTUP_TIMEOUT. */
export async function openState(
  { settings, foundation, isAlone, log, teardown }: StateInput,
  store: Store,
  observe: Measures,
): Promise<SharedState> {
  const opened = openSharedState({
    redisUrl: settings.REDIS_URL,
    redisFiles: {
      authorities: settings.REDIS_CA_FILE,
      certificate: settings.REDIS_SSL_CERTFILE,
      key: settings.REDIS_SSL_KEYFILE,
    },
    redisPrefix: settings.CACHE_PREFIX,
    redis: {
      commandTimeoutMs: settings.REDIS_COMMAND_TIMEOUT * 1000,
      connectTimeoutMs: settings.REDIS_SOCKET_CONNECT_TIMEOUT * 1000,
      maxRetryDelayMs: settings.REDIS_RETRY_INTERVAL_MS,
      healthIntervalMs: settings.REDIS_HEALTH_CHECK_INTERVAL * 1000,
      asksTwice: settings.REDIS_RETRY_ON_TIMEOUT,
      circuitFailures: settings.REDIS_CIRCUIT_FAILURE_THRESHOLD,
      circuitOpenMs: settings.REDIS_CIRCUIT_OPEN_DURATION * 1000,
      circuitChanged: observe.redisCircuit,
    },
    repository: store.sharedState,
    singleProcess: isAlone && foundation.database.isEmbedded && settings.REDIS_URL === undefined,
    log,
  });
  const state = observedState(opened, observe.stateFailure);
  teardown.add("shared state", () => state.close());
  await stateAnswers(opened, settings.STARTUP_TIMEOUT * 1000, log, settings.REDIS_MAX_RETRIES);
  return state;
}

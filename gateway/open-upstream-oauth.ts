/** OAuth towards upstreams by the settings. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import type { SharedState } from "./coordination/index.ts";
import { sealerOf } from "./sealers.ts";
import type { Secrets } from "./settings/index.ts";
import type { Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";
import { type AddressGuard, openUpstreamAuthorization, type UpstreamAuthorization } from "./upstreams/index.ts";

type Input = {
  readonly settings: Settings;
  readonly secrets: Secrets;
  readonly store: Store;
  readonly state: SharedState;
  readonly guard: AddressGuard;
  readonly workerId: string;
  readonly log: Log;
  readonly teardown: Teardown;
  /** Undefined until it is listened on. */
  readonly port: () => number | undefined;
};

export async function openUpstreamOAuth(input: Input): Promise<UpstreamAuthorization> {
  const { settings, secrets, store, state, guard, workerId, log, teardown, port } = input;
  const authorization = await openUpstreamAuthorization({
    rules: {
      timeoutMs: settings.OAUTH_REQUEST_TIMEOUT * 1000,
      discovers: settings.OAUTH_DISCOVERY_ENABLED,
      registers: settings.DCR_ENABLED,
      allowedIssuers: settings.DCR_ALLOWED_ISSUERS,
      clientName: settings.DCR_CLIENT_NAME_TEMPLATE,
      defaultScopes: settings.DCR_DEFAULT_SCOPES,
      authMethod: settings.DCR_TOKEN_ENDPOINT_AUTH_METHOD,
      metadataMs: settings.DCR_METADATA_CACHE_TTL * 1000,
    },
    asserting: { issuer: settings.JWT_ISSUER, secret: settings.IDENTITY_CLAIMS_SECRET },
    store,
    state,
    sealing: sealerOf(secrets.encryptionSecret, "AUTH_ENCRYPTION_SECRET"),
    guard,
    publicUrl: () => publicUrl(settings, port()),
    workerId,
    log,
    now: () => performance.now(),
    wallClock: Date.now,
  });
  teardown.add("upstream tokens", () => authorization.close());
  return authorization;
}

/** Where browsers find this gateway: as it is configured, else on this machine. */
function publicUrl({ APP_DOMAIN, TLS_CERT_FILE, URL_PATH_PREFIX, PORT }: Settings, port: number | undefined): string {
  if (APP_DOMAIN !== undefined) return APP_DOMAIN.replace(/\/+$/, "");
  return `${TLS_CERT_FILE === undefined ? "http" : "https"}://localhost:${port ?? PORT}${URL_PATH_PREFIX}`;
}

type Resealing = Pick<Store, "resealCredentials">;

/** Seals anew, while the gateway serves, what older keys of AUTH_ENCRYPTION_SECRET have sealed, so that one can be taken out of the ring. */
export function startResealing(store: Resealing, log: Log, teardown: Teardown): void {
  const stopping = new AbortController();
  const resealed = reseal(store, log, stopping.signal);
  // The end waits for one batch; the next start goes on with the others.
  teardown.add("sealing anew", () => {
    stopping.abort();
    return resealed;
  });
}

async function reseal(store: Resealing, log: Log, signal: AbortSignal): Promise<void> {
  try {
    let all = 0;
    for (let rows = -1; rows !== 0 && !signal.aborted; all += rows) rows = await store.resealCredentials();
    if (all > 0) log.info("stored credentials were sealed anew with the first key of the ring", { rows: all });
  } catch (error) {
    log.warn("stored credentials could not be sealed anew", { reason: String(error) });
  }
}

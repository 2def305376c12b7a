/** Admission, transports and the application, in the hands of an engine. Part of the composition root. */

import { lazily } from "../contract/lazily.ts";
import type { Principal } from "../contract/principal.ts";
import type { RestRoom } from "../contract/rest.ts";
import { IDENTITY_HEADER, type RestArea } from "../contract/routes.ts";
import type { Settings } from "../contract/settings.ts";
import type { Admission, Limits } from "./admission/index.ts";
import { type ApplicationParts, createApplication } from "./application.ts";
import type { Auth, Resources, SignInRoutes } from "./auth/index.ts";
import type { SharedState } from "./coordination/index.ts";
import { engines, type ServerEngine } from "./engine/index.ts";
import { engineOptions } from "./engine-options.ts";
import type { Federation } from "./federation/index.ts";
import { LEGACY_VERSIONS, MODERN_VERSIONS } from "./mcp/index.ts";
import type { measures } from "./measures.ts";
import { createReadiness } from "./readiness.ts";
import { type Descriptions, openApiDocument } from "./registry/index.ts";
import { resourceRoutes } from "./resource-routes.ts";
import { placesOf } from "./start-admission.ts";
import type { startSessions } from "./start-sessions.ts";
import type { Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import { type Log, METRICS_CONTENT_TYPE, type SecurityLog } from "./telemetry/index.ts";
import {
  createCompressor,
  createEdge,
  createHttpSse,
  createKeepalive,
  createPatience,
  createWebSockets,
  type TransportParts,
} from "./transports/index.ts";
import { NAME, VERSION } from "./version.ts";

type EngineInput = {
  readonly settings: Settings;
  readonly log: Log;
  readonly teardown: Teardown;
  readonly auth: Auth;
  readonly resources: Resources;
  readonly signIn: SignInRoutes;
  readonly rest: Readonly<Partial<Record<RestArea, RestRoom>>>;
  /** What narrows the use of API tokens. */
  readonly guards: ApplicationParts["guards"];
  readonly store: Store;
  readonly state: SharedState;
  readonly sessions: Awaited<ReturnType<typeof startSessions>>;
  readonly federation: Federation;
  readonly observe: ReturnType<typeof measures>;
  readonly security: SecurityLog | undefined;
  readonly admission: Admission;
  readonly limits: Limits;
  /** Of the settings in force. */
  readonly fingerprint: string;
  /** The caller as a cache in front may know him. */
  readonly identityOf: (principal: Principal) => string;
  readonly workerId: string;
  /** Other event loops listen on the same port. */
  readonly reusePort: boolean;
  /** The answer to a scrape. */
  readonly metricsText: () => string | Promise<string>;
};

export type StartedEngine = {
  readonly engine: ServerEngine;
  /** Requests that were let in so far, probes apart. */
  served(): number;
  /** The gateway ends: new work is refused, streams end. Resolves when those that had calls in flight have ended too. */
  drain(): Promise<void>;
  /** Another worker takes over: streams end, so that their clients go there; what still comes is served. Resolves as drain does. */
  handOver(): Promise<void>;
};

/** Admission, transports and the application over them, in the hands of the chosen engine. */
export function startEngine(input: EngineInput): StartedEngine {
  const { settings, log, teardown, sessions, observe, admission } = input;
  const keepalive = createKeepalive(settings.SSE_KEEPALIVE_INTERVAL * 1000);
  teardown.add("keepalive", () => keepalive.close());
  const patience = createPatience(settings.STREAM_AFTER, () => performance.now());
  teardown.add("patience", () => patience.close());
  const transports: TransportParts = {
    federation: input.federation,
    conversations: sessions.conversations,
    sessions: sessions.room,
    replay: sessions.replay,
    takeover: sessions.takeover,
    keepalive,
    patience,
    streams: {
      keepaliveMs: settings.SSE_KEEPALIVE_INTERVAL * 1000,
      retryMs: settings.SSE_RETRY_TIMEOUT,
      lingerMs: settings.STREAM_LINGER * 1000,
    },
    maxBatch: settings.MAX_BATCH_MESSAGES,
    log,
    now: Date.now,
    ...placesOf(admission, input.limits),
    hold: (principal, end) => input.auth.hold(principal, end),
    countStream: observe.stream,
  };
  const httpSse = createHttpSse(transports, input.state);
  const webSockets = createWebSockets(transports, settings.WEBSOCKET_PING_INTERVAL * 1000);
  teardown.add("websockets", () => webSockets.close());
  const own = settings.APP_DOMAIN === undefined ? [] : [new URL(settings.APP_DOMAIN)];
  const application = createApplication({
    admission,
    limits: input.limits,
    edge: createEdge({
      allowedHosts: [...settings.ALLOWED_HOSTS, settings.HOST, ...own.map(({ host }) => host)],
      allowedOrigins: [...settings.ALLOWED_ORIGINS, ...own.map(({ origin }) => origin)],
    }),
    auth: input.auth,
    rest: input.rest,
    guards: input.guards,
    transports,
    httpSse,
    webSockets,
    compressor: settings.COMPRESSION_ENABLED ? compressorOf(settings) : undefined,
    maxBodyBytes: settings.MAX_BODY_BYTES,
    pathPrefix: settings.URL_PATH_PREFIX,
    log,
    open: openRoutes(input, () => admission.gauges().draining),
    own: ownRoutes(input),
    counters: observe.application,
    accessLog: !settings.DISABLE_ACCESS_LOG,
    security: input.security,
    withAdmitted: input.security !== undefined && settings.SECURITY_LOGGING_LEVEL === "all",
  });
  const engine = engines[settings.HTTP_SERVER](
    engineOptions(settings, input.reusePort, (event, fields) => log.warn(event, fields)),
    application,
  );
  const handOver = async () => {
    sessions.conversations.drain();
    sessions.takeover.letGoAll();
    await Promise.all([httpSse.drain(), webSockets.drain()]);
  };
  return {
    engine,
    served() {
      const { call, list, control, stream } = admission.gauges().admitted;
      return call + list + control + stream;
    },
    async drain() {
      admission.drain();
      const handedOver = handOver();
      input.store.releaseIdle();
      await handedOver;
    },
    handOver,
  };
}

function compressorOf(settings: Settings) {
  return createCompressor({
    minimumBytes: settings.COMPRESSION_MINIMUM_SIZE,
    gzipLevel: settings.COMPRESSION_GZIP_LEVEL,
    brotliQuality: settings.COMPRESSION_BROTLI_QUALITY,
    zstdLevel: settings.COMPRESSION_ZSTD_LEVEL,
  });
}

/** Routes for anybody. `/health` depends on nothing; `/ready` on what a request would need. */
function openRoutes({ settings, store, state, resources, signIn }: EngineInput, isDraining: () => boolean) {
  const needs = { database: () => store.ping(), state: () => state.ping() };
  const timeoutMs = settings.READY_CHECK_TIMEOUT * 1000;
  return {
    health: () => ({ status: 200, body: { status: "healthy" } }),
    ready: createReadiness({ needs, isDraining, timeoutMs, now: () => performance.now() }),
    ...resourceRoutes(resources),
    ...signIn,
  };
}

/** Routes that tell principals of the gateway itself. */
function ownRoutes({ settings, workerId, metricsText, fingerprint, identityOf, rest, limits }: EngineInput) {
  const descriptions: Descriptions = Object.fromEntries(
    Object.entries(rest).map(([area, room]) => [area, room.description]),
  );
  // Made of hundreds of schemas: whoever asks first waits for it, and not every start.
  const openApi = lazily(() => openApiDocument(VERSION, descriptions, settings.URL_PATH_PREFIX));
  return {
    identity: (principal: Principal) => ({ status: 204, headers: { [IDENTITY_HEADER]: identityOf(principal) } }),
    version: () => ({
      status: 200,
      body: {
        name: NAME,
        version: VERSION,
        engine: settings.HTTP_SERVER,
        node: process.version,
        worker: workerId,
        settingsFingerprint: fingerprint,
        protocolVersions: [...MODERN_VERSIONS, ...LEGACY_VERSIONS],
      },
    }),
    metrics: async () => ({
      status: 200,
      headers: { "content-type": METRICS_CONTENT_TYPE },
      body: await metricsText(),
    }),
    limits: () => ({ status: 200, body: { worker: workerId, limits: limits.figures() } }),
    openapi: () => ({ status: 200, body: openApi() }),
  };
}

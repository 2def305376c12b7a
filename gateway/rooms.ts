/**
 * One worker's rooms: built in the order of the house, what flows upwards joined through sinks, the application in the hands of an
 * engine that listens. Part of the composition root.
 */
import { randomBytes } from "node:crypto";
import type { Settings } from "../contract/settings.ts";
import { addressGuard } from "./address-guard.ts";
import { poolSubject } from "./admin/index.ts";
import type { Caches } from "./cache/index.ts";
import { cacheIdentities } from "./cache-identity.ts";
import { joinWatches } from "./call-watch.ts";
import { watchCatalogue } from "./catalogue.ts";
import { compareSecrets } from "./compare-secrets.ts";
import { observedState, openSharedState, type SharedState, stateAnswers } from "./coordination/index.ts";
import { declare } from "./declare-upstreams.ts";
import { readDeployedPlan, showPlan } from "./deployed-plan.ts";
import { createFederation, type Federation, targetOf } from "./federation/index.ts";
import type { Foundation } from "./foundation.ts";
import { keepRecords } from "./keep-records.ts";
import { measures } from "./measures.ts";
import { openAccounts, openCallers } from "./open-accounts.ts";
import { openAdmin } from "./open-admin.ts";
import { openAuth } from "./open-auth.ts";
import { openDatabase } from "./open-database.ts";
import { openUpstreamOAuth, resealCredentials } from "./open-upstream-oauth.ts";
import { type Pins, startPins } from "./pins.ts";
import { sessionOptions } from "./pool-options.ts";
import { recordedRoom } from "./record-changes.ts";
import { watchedGuard } from "./record-security.ts";
import { createLibrary, createRegistry, isPerCaller, refreshGateway } from "./registry/index.ts";
import type { LoadedSettings } from "./settings/index.ts";
import { startAdmission } from "./start-admission.ts";
import { keptAnswersOf, startCaches } from "./start-caches.ts";
import { type StartedEngine, startEngine } from "./start-engine.ts";
import { limitWatch, startLimits } from "./start-limits.ts";
import { openRecords } from "./start-records.ts";
import { startSessions } from "./start-sessions.ts";
import type { GatewayRecord, Store } from "./store/index.ts";
import { Teardown } from "./teardown.ts";
import { collectBuild, collectLoopMetrics, type Log, type Metrics } from "./telemetry/index.ts";
import { tendUpstreams } from "./tend-upstreams.ts";
import { toolChecks } from "./tool-checks.ts";
import { identityOptions, targetRules, warnOfUnpassed } from "./upstream-rules.ts";
import { type Actor, createUpstreams, type UpstreamsOptions } from "./upstreams/index.ts";
import { NAME, VERSION } from "./version.ts";

export type RoomsInput = {
  readonly settings: Settings;
  readonly environment: LoadedSettings["environment"];
  readonly foundation: Foundation;
  readonly log: Log;
  readonly teardown: Teardown;
  readonly metrics: Metrics;
  readonly workerId: string;
  /** Of the settings in force. */
  readonly fingerprint: string;
  /** No other worker and no other replica serves the same clients. */
  readonly isAlone: boolean;
  /** Other event loops listen on the same port. */
  readonly reusePort: boolean;
  /** Whether the example server is among the upstreams that are declared. */
  readonly withExample: boolean;
  /** The answer to a scrape. */
  readonly metricsText: () => string | Promise<string>;
};

export type Rooms = StartedEngine & {
  readonly federation: Federation;
  readonly port: number;
  /** Registers the declared upstreams and watches their file: one worker's work. */
  declare(): Promise<void>;
  undeclare(): Promise<void>;
  /** A token for platform administration; empty where tokens are made elsewhere. */
  mint(): Promise<string>;
};

export async function openRooms(given: RoomsInput): Promise<Rooms> {
  const { settings, foundation, teardown, metrics, workerId, fingerprint } = given;
  const { secrets } = foundation;
  metrics.gauge("mcp_workers").set(1);
  collectBuild(metrics, VERSION, fingerprint);
  teardown.add("event loop metrics", collectLoopMetrics(metrics));
  const store = await openDatabase(foundation.database, settings, secrets, given.log, teardown);
  const { encryptionSecret } = secrets;
  const records = openRecords({ settings, store, encryptionSecret, workerId, log: given.log, metrics, teardown });
  const { log } = records;
  const input = { ...given, log };
  const observe = measures(metrics);
  observe.store(store);
  const state = await openState(input, store, observe);
  await compareSecrets(state, settings, secrets, log);
  const caches = startCaches({ settings, state, store, observe, log, teardown });
  const pins = startPins(settings, store, observe.pinned, log, teardown);
  const guard = watchedGuard(addressGuard(settings), records.security);
  const rules = targetRules(settings);
  warnOfUnpassed(settings, log);
  let listeningAt: number | undefined;
  const port = () => listeningAt;
  const oauth = await openUpstreamOAuth({ settings, secrets, store, state, guard, workerId, log, teardown, port });
  const resealing = resealCredentials(store, log);
  teardown.add("sealing anew", () => resealing);
  const { upstreams, federation } = await openUpstreams(
    input,
    store,
    state,
    caches,
    observe,
    { guard, tokens: oauth.tokens },
    pins,
  );

  const plan = await readDeployedPlan(settings.PLAN_FILE, log);
  const { admission, places } = startAdmission({
    settings,
    planned: plan === undefined ? undefined : showPlan(plan, metrics),
    observe,
    teardown,
    upstreamsWaiting: () => upstreams.waiting,
  });
  const limits = startLimits({
    settings,
    state,
    store,
    observe,
    teardown,
    log,
    isAlone: input.isAlone,
    replicas: plan?.gateway.replicas.max ?? 1,
  });
  const checks = toolChecks({ settings, store, federation: () => federation, log, count: observe.toolUnfit });
  const parts = {
    settings,
    log,
    teardown,
    state,
    workerId,
    secrets,
    federation,
    observe,
    places,
    watch: joinWatches([pins.watch, limitWatch(limits), checks, ...records.watches]),
  };
  const sessions = await startSessions(parts);
  const catalogue = await watchCatalogue(store, state, federation, sessions.conversations, log);
  teardown.add("catalogue", () => catalogue.close());
  const targetFor = (record: GatewayRecord, actor: Actor) => ({ ...targetOf(record, rules), actor });
  const inspect = (record: GatewayRecord, actor?: Actor) =>
    upstreams.inspect(actor === undefined ? targetOf(record, rules) : targetFor(record, actor));
  const changed = () => catalogue.changed();
  pins.onChanged(changed);
  const recorded = pins.recording(store);
  const imports = {
    maxBytes: settings.OPENAPI_MAX_BYTES,
    maxTools: settings.OPENAPI_MAX_TOOLS,
    fetchDocument: (url: string) =>
      upstreams.fetchDocument(url, settings.OPENAPI_MAX_BYTES, settings.OPENAPI_FETCH_TIMEOUT * 1000),
  };
  const registry = createRegistry({
    store: recorded,
    inspect,
    changed,
    log,
    separator: settings.GATEWAY_TOOL_NAME_SEPARATOR,
    allowsPublic: settings.ALLOW_PUBLIC_VISIBILITY,
    queryAuth: {
      allowed: settings.INSECURE_ALLOW_QUERYPARAM_AUTH,
      hosts: settings.INSECURE_QUERYPARAM_AUTH_ALLOWED_HOSTS,
    },
    authorization: { ...oauth, targetFor },
    checkAddress: (url) => guard.check(url, "user"),
    ...(settings.MCPGATEWAY_BULK_IMPORT_ENABLED ? { imports } : {}),
    circuitOf: (id) => upstreams.circuits().find((circuit) => circuit.id === id)?.state ?? "closed",
  });
  const election = {
    workerId,
    ttlMs: settings.REDIS_LEADER_TTL * 1000,
    heartbeatMs: settings.REDIS_LEADER_HEARTBEAT_INTERVAL * 1000,
  };
  await tendUpstreams({
    ...{ settings, state, upstreams, federation, election, observe, log, teardown },
    // Nobody's token is the gateway's to look around with.
    refresh: async (record) => {
      if (!isPerCaller(record)) await refreshGateway({ store: recorded, inspect, changed, log }, record);
    },
    async away({ id }, reason) {
      await store.recordInspection(id, { ok: false, reason });
      await changed();
    },
  });
  const upkeep = keepRecords({ settings, records: store.records, keys: records.chainKeys, now: Date.now, log });
  const keeping = upkeep.hold(state, election);
  teardown.add("upkeep of records", () => keeping.close());
  const pool = poolSubject({
    workerId,
    sessions: () => upstreams.sessionFigures(),
    circuits: () => upstreams.circuits(),
  });
  const admin = openAdmin(settings, store, records, upkeep, caches, pool);

  const callersInput = { settings, secrets, store, state, caches, log, teardown };
  const callers = await openCallers(callersInput);
  const { auth, resources, signIn } = openAuth({ settings, secrets, ...callers, log, count: observe.auth });
  const accounts = await openAccounts(callersInput, callers, auth, changed);
  const started = startEngine({
    settings,
    reusePort: input.reusePort,
    workerId,
    metricsText: input.metricsText,
    log,
    teardown,
    auth,
    resources,
    signIn,
    rest: {
      registry: recordedRoom(registry, records.changes),
      accounts: recordedRoom(accounts, records.changes),
      admin: recordedRoom(admin, records.changes),
    },
    security: records.security,
    guards: callers.guards,
    store,
    state,
    sessions,
    federation,
    observe,
    admission,
    limits,
    fingerprint,
    identityOf: cacheIdentities({
      secret: secrets.jwtSecret,
      build: `${VERSION}-${fingerprint}`,
      catalogueVersion: () => catalogue.version,
    }),
  });
  teardown.add("engine", () => started.engine.close());
  const [address] = await started.engine.listen();
  listeningAt = address?.port;
  log.info("listening", { host: settings.HOST, port: address?.port, state: state.kind });
  let declaring: Teardown | undefined;
  return {
    ...started,
    federation,
    port: address?.port ?? settings.PORT,
    async declare() {
      declaring = new Teardown(log);
      teardown.add("declarations", () => declaring?.run());
      const { environment, withExample } = input;
      await declare({
        settings,
        environment,
        log,
        teardown: declaring,
        store: recorded,
        inspect,
        changed,
        withExample,
      });
    },
    undeclare: async () => declaring?.run(),
    async mint() {
      if (!auth.mints) return "";
      const { PLATFORM_ADMIN_EMAIL: username, TOKEN_EXPIRY: expMinutes } = settings;
      return auth.mint({ username, expMinutes, admin: true });
    },
  };
}

type Observe = ReturnType<typeof measures>;

async function openState(
  { settings, foundation, isAlone, log, teardown }: RoomsInput,
  store: Store,
  observe: Observe,
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

async function openUpstreams(
  { settings, foundation, log, teardown }: RoomsInput,
  store: Store,
  state: SharedState,
  caches: Caches,
  observe: Observe,
  outbound: Pick<UpstreamsOptions, "guard" | "tokens">,
  { pinning }: Pins,
) {
  const nextId = idSource();
  const upstreams = createUpstreams({
    state,
    log,
    metrics: observe.upstreams,
    now: () => performance.now(),
    connectTimeoutMs: settings.UPSTREAM_CONNECT_TIMEOUT * 1000,
    maxMessageBytes: settings.UPSTREAM_MAX_MESSAGE_BYTES,
    connectionsPerOrigin: settings.UPSTREAM_CONNECTIONS,
    connectionWaitMs: settings.UPSTREAM_POOL_TIMEOUT * 1000,
    keepAliveMs: settings.UPSTREAM_KEEP_ALIVE_TIMEOUT * 1000,
    ...sessionOptions(settings),
    stdioSocket: () => foundation.stdioSocket,
    clientName: NAME,
    clientVersion: VERSION,
    idSource: nextId,
    ...outbound,
    identity: identityOptions(settings, settings.JWT_ISSUER),
    answers: keptAnswersOf(settings, caches),
    builtin: createLibrary({ store, identity: { name: NAME, version: VERSION } }),
    rest: {
      tools: async (id) => (await store.restTools(id)).filter(({ removed }) => !removed),
      maxTextLength: settings.REST_RESPONSE_TEXT_MAX_LENGTH,
    },
  });
  teardown.add("upstreams", () => upstreams.close());
  const parts = {
    upstreams,
    log,
    identity: { name: NAME, title: "MCP gateway", version: VERSION },
    pinning,
    separator: settings.GATEWAY_TOOL_NAME_SEPARATOR,
    listTimeoutMs: settings.LIST_TIMEOUT * 1000,
    ...targetRules(settings),
    nextId,
    countPartial: observe.partial,
  };
  return { upstreams, federation: createFederation(parts, await store.loadSnapshot()) };
}

/** Ids that no other process of this deployment makes: 21 random bits above a counter, exact in a double. */
function idSource(): () => string {
  const base = randomBytes(3).readUIntBE(0, 3) % 2 ** 21;
  let count = 0;
  return () => {
    count = (count + 1) % 2 ** 32;
    return String(base * 2 ** 32 + count);
  };
}

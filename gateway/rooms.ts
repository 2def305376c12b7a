/**
 * One worker's rooms: built in the order of the house, what flows upwards joined through sinks, the application in the hands of an
 * engine that listens. Part of the composition root.
 */
import type { Settings } from "../contract/settings.ts";
import { addressGuard } from "./address-guard.ts";
import { cacheSubject, poolSubject } from "./admin/index.ts";
import { cacheIdentities } from "./cache-identity.ts";
import { joinWatches } from "./call-watch.ts";
import { watchCatalogue } from "./catalogue.ts";
import { compareSecrets } from "./compare-secrets.ts";
import { declare } from "./declare-upstreams.ts";
import { readDeployedPlan, showPlan } from "./deployed-plan.ts";
import { type Federation, targetOf } from "./federation/index.ts";
import type { Foundation } from "./foundation.ts";
import { keepRecords } from "./keep-records.ts";
import { measures } from "./measures.ts";
import { openAccounts, openCallers } from "./open-accounts.ts";
import { openAdmin } from "./open-admin.ts";
import { openAuth } from "./open-auth.ts";
import { openDatabase } from "./open-database.ts";
import { openRegistry } from "./open-registry.ts";
import { openState } from "./open-state.ts";
import { openUpstreamOAuth, startResealing } from "./open-upstream-oauth.ts";
import { openUpstreams } from "./open-upstreams.ts";
import { startPins } from "./pins.ts";
import { recordApprovals } from "./record-approvals.ts";
import { recordedRoom } from "./record-changes.ts";
import { watchedGuard } from "./record-security.ts";
import { isPerCaller, refreshGateway } from "./registry/index.ts";
import type { LoadedSettings } from "./settings/index.ts";
import { startAdmission } from "./start-admission.ts";
import { startCaches } from "./start-caches.ts";
import { type StartedEngine, startEngine } from "./start-engine.ts";
import { limitWatch, startLimits } from "./start-limits.ts";
import { openRecords } from "./start-records.ts";
import { startSessions } from "./start-sessions.ts";
import type { GatewayRecord } from "./store/index.ts";
import { Teardown } from "./teardown.ts";
import { collectBuild, collectLoopMetrics, type Log, type Metrics } from "./telemetry/index.ts";
import { tendUpstreams } from "./tend-upstreams.ts";
import { toolChecks } from "./tool-checks.ts";
import { targetRules, warnOfUnpassed } from "./upstream-rules.ts";
import type { Actor } from "./upstreams/index.ts";
import { VERSION } from "./version.ts";

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
  await compareSecrets(state, secrets, log);
  const caches = startCaches({ settings, state, store, observe, log, teardown });
  const pins = startPins(settings, store, observe.pinned, log, teardown);
  const guard = watchedGuard(addressGuard(settings), records.security);
  const rules = targetRules(settings);
  warnOfUnpassed(settings, log);
  let listeningAt: number | undefined;
  const port = () => listeningAt;
  const oauth = await openUpstreamOAuth({ settings, secrets, store, state, guard, workerId, log, teardown, port });
  startResealing(store, log, teardown);
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
  const inspecting = { store: recorded, inspect, changed, log };
  const registry = openRegistry({
    ...{ ...inspecting, settings, upstreams, guard },
    authorization: { ...oauth, targetFor },
    ...(records.changes.audit === undefined ? {} : { approved: recordApprovals(records.changes.audit, Date.now) }),
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
      if (!isPerCaller(record)) await refreshGateway(inspecting, record);
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
  const admin = openAdmin(settings, store, records, upkeep, caches, pool, cacheSubject({ workerId, caches }));

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
  // What it cut off and still runs needs everything else.
  teardown.add("changes", () => records.finishChanges());
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

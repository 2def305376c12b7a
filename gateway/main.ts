/**
 * The gateway's way in: one process that serves, or a primary with workers where more than one was asked for. Which, and what goes wrong
 * on the way, is decided here.
 */
import { Fault } from "../contract/errors.ts";
import { keepCompiled } from "./compile-cache.ts";
import { guardProcess } from "./guard.ts";
import type { LoadedSettings } from "./settings/index.ts";
import { Teardown } from "./teardown.ts";
import { createLog, type Log } from "./telemetry/index.ts";
import { type WorkerOptions, workerOptions } from "./worker-options.ts";

export type ServeOptions = {
  readonly loaded: LoadedSettings;
  /** Reads settings, and the files of secrets that they name, once more. */
  readonly reload: () => Promise<LoadedSettings>;
  /** Print one JSON line when ready, and nothing else on stdout. */
  readonly json: boolean;
  /** Print a token and how to connect, and register the example server unless the settings say otherwise. */
  readonly firstRun: boolean;
};

/** What every way of serving is given. */
export type Serving = ServeOptions & {
  readonly log: Log;
  readonly teardown: Teardown;
  readonly workers: WorkerOptions;
  /** What our own processes are started with beside their settings. */
  readonly childEnvironment: Readonly<Record<string, string>>;
};

/** Runs a gateway until it is told to stop; the answer is the process's exit code. */
export async function serve(options: ServeOptions): Promise<number> {
  const { settings, warnings } = options.loaded;
  const log = createLog({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT });
  for (const warning of warnings) log.warn("settings", { warning });
  guardProcess(log);
  const teardown = new Teardown(log);
  const workers = workerOptions(settings);
  const childEnvironment = keepCompiled(settings.DATA_DIR);
  try {
    // What the other way needs is not loaded.
    const run = needsPrimary(workers)
      ? (await import("./primary.ts")).servePrimary
      : (await import("./serve-alone.ts")).serveAlone;
    return await run({ ...options, log, teardown, workers, childEnvironment });
  } catch (error) {
    await teardown.run();
    const failure = error instanceof Fault ? error : undefined;
    process.stderr.write(
      `${failure === undefined ? String(error instanceof Error ? error.stack : error) : `${failure.code}: ${failure.message}`}\n`,
    );
    return 1;
  }
}

<<<<<<< HEAD
type Running = {
  readonly engine: ServerEngine;
  readonly federation: Federation;
  readonly secrets: Secrets;
  readonly ready: Ready;
  drain(): void;
};

async function start(
  { settings, environment }: LoadedSettings,
  firstRun: boolean,
  log: Log,
  teardown: Teardown,
): Promise<Running> {
  const dataDir = resolve(settings.DATA_DIR);
  await mkdir(dataDir, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw fault("MCPS_DATA_DIR", { path: dataDir, reason: error instanceof Error ? error.message : String(error) });
  });
  const secrets = await ensureSecrets(dataDir, settings);
  const metrics = createMetrics();
  const fingerprint = settingsFingerprint(encodeSettings(settings));
  teardown.add("process metrics", collectProcessMetrics(metrics, VERSION, fingerprint));
  const hostStarting = startStdioHost({
    dataDir,
    maxChildren: settings.STDIO_MAX_CHILDREN,
    idleMs: settings.STDIO_IDLE_TIMEOUT * 1000,
    maxMessageBytes: settings.UPSTREAM_MAX_MESSAGE_BYTES,
    environment,
    log,
  });
  // Stopped whatever happens to the database meanwhile.
  teardown.add("stdio host", async () => (await hostStarting).stop());
  const { store, isEmbedded } = await openDatabase(settings, dataDir, secrets, log, teardown);
  const stdioHost = await hostStarting;
  const workerId = `w${randomBytes(6).toString("hex")}`;
  const observe = measures(metrics);
  observe.store(store);
  const opened = openSharedState({
    redisUrl: settings.REDIS_URL,
    redisCaFile: settings.REDIS_CA_FILE,
    redisPrefix: settings.CACHE_PREFIX,
    redisCommandTimeoutMs: settings.REDIS_COMMAND_TIMEOUT * 1000,
    repository: store.sharedState,
    singleProcess: isEmbedded && settings.REDIS_URL === undefined,
    log,
  });
  const state = observedState(opened, observe.stateFailure);
  teardown.add("shared state", () => state.close());
  await stateAnswers(opened, settings.STARTUP_TIMEOUT * 1000, log);

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
    stdioSocket: () => stdioHost.socketPath,
    clientName: NAME,
    clientVersion: VERSION,
    idSource: nextId,
    builtin: createLibrary({ store, identity: { name: NAME, version: VERSION } }),
  });
  teardown.add("upstreams", () => upstreams.close());
  const federation = createFederation(
    {
      upstreams,
      log,
      identity: { name: NAME, title: "MCP gateway", version: VERSION },
      separator: settings.GATEWAY_TOOL_NAME_SEPARATOR,
      listTimeoutMs: settings.LIST_TIMEOUT * 1000,
      callTimeoutMs: settings.TOOL_TIMEOUT * 1000,
      nextId,
      countPartial: observe.partial,
    },
    await store.loadSnapshot(),
  );

  const plan = await readDeployedPlan(settings.PLAN_FILE, log);
  const { admission, places } = startAdmission({
    settings,
    planned: plan === undefined ? undefined : showPlan(plan, metrics),
    observe,
    teardown,
    upstreamsWaiting: () => upstreams.waiting,
  });
  const sessions = await startSessions({
    settings,
    log,
    teardown,
    state,
    workerId,
    secrets,
    federation,
    observe,
    places,
  });
  const catalogue = await watchCatalogue(store, state, federation, sessions.conversations, log);
  teardown.add("catalogue", () => catalogue.close());
  const inspect = (record: Parameters<typeof targetOf>[0]) =>
    upstreams.inspect(targetOf(record, settings.TOOL_TIMEOUT * 1000));
  const changed = () => catalogue.changed();
  const registry = createRegistry({ store, inspect, changed, log, separator: settings.GATEWAY_TOOL_NAME_SEPARATOR });
  const health = startHealthChecks(
    state,
    federation,
    settings.HEALTH_CHECK_INTERVAL * 1000,
    (record) => refreshGateway({ store, inspect, changed, log }, record),
    log,
  );
  teardown.add("health checks", () => health.close());

  const auth = createAuth({
    secret: secrets.jwtSecret,
    algorithm: settings.JWT_ALGORITHM,
    audience: settings.JWT_AUDIENCE,
    issuer: settings.JWT_ISSUER,
    required: settings.AUTH_REQUIRED,
    metricsToken: settings.METRICS_TOKEN,
    cacheMs: settings.AUTH_CACHE_TTL * 1000,
    adminEmail: settings.PLATFORM_ADMIN_EMAIL,
    anonymousIsAdmin: isLoopback(settings.HOST),
    now: Date.now,
    count: observe.auth,
  });
  const { engine, drain } = startEngine({
    settings,
    log,
    teardown,
    auth,
    registry,
    store,
    state,
    sessions,
    federation,
    metrics,
    observe,
    admission,
    fingerprint,
    identityOf: cacheIdentities({
      secret: secrets.jwtSecret,
      build: `${VERSION}-${fingerprint}`,
      catalogueVersion: () => catalogue.version,
    }),
  });
  teardown.add("engine", () => engine.close());
  const [address] = await engine.listen();
  await declare({
    settings,
    environment,
    log,
    teardown,
    store,
    inspect,
    changed,
    withExample: settings.MCP_EXAMPLE_SERVER ?? firstRun,
  });
  const url = `http://${urlHost(settings.HOST)}:${address?.port ?? settings.PORT}`;
  const token = await auth.mint({
    username: settings.PLATFORM_ADMIN_EMAIL,
    expMinutes: settings.TOKEN_EXPIRY,
    admin: true,
  });
  log.info("ready", { url, worker: workerId, state: state.kind, database: isEmbedded ? "embedded" : "postgresql" });
  return { engine, federation, secrets, drain, ready: { url, mcpUrl: `${url}/mcp`, token, pid: process.pid } };
}

/** A forgotten rejection is a defect to be told, not a reason to drop every other client; nor is a reader of stdout that left. */
function guardProcess(log: Log): void {
  process.on("unhandledRejection", (reason) => {
    log.error("an unhandled rejection", {
      reason: reason instanceof Error ? (reason.stack ?? reason.message) : String(reason),
    });
  });
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
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

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
=======
/** One worker that nothing is to be done about serves without a process that would do it. */
function needsPrimary({ workers, mode, maxRequests, memoryBytes, reload }: WorkerOptions): boolean {
  return workers > 1 || mode === "mt" || maxRequests > 0 || memoryBytes !== undefined || reload;
>>>>>>> main
}

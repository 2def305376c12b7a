/**
 * The table of the sizing rules, one line per number, evaluated as it is printed. It says what a plan without pinned numbers must
 * contain. Like the budgets beside it, it imports nothing of the kernels.
 */
import type { SizingInput } from "../../../infra/sizing/input.ts";
import { arrivals, requestsInFlight } from "./naive-inequality.ts";
import { redisStateMiB } from "./naive-platform.ts";
import { serversFor } from "./naive-queueing.ts";

const TARGET_USE = 0.7;
const MAY_WAIT = 0.05;

/** A whole number that a product of fractions misses by its last bits is this number. */
const isWhole = (value: number): boolean => Math.abs(value - Math.round(value)) <= 1e-10 * Math.abs(value);
const up = (value: number): number => (isWhole(value) ? Math.round(value) : Math.ceil(value));
const down = (value: number): number => (isWhole(value) ? Math.round(value) : Math.floor(value));
const clamp = (value: number, least: number, greatest: number): number => Math.min(greatest, Math.max(least, value));

/** Numbers of the plan by path; null where it has no pooler. Only the paths that the table defines. */
export type Expected = Readonly<Record<string, number>>;

type Gateway = {
  readonly W: number;
  readonly min: number;
  readonly max: number;
  readonly peak: number;
  readonly B: number;
};

/** Erlangs up to which a sum of as many terms is worth its time. */
export const SUMMABLE = 2000;

/** What the table makes of an input whose engine is known: `bounded` has one listener per worker, `fastify` one. */
export function tableOf(input: SizingInput, engine: "fastify" | "bounded"): Expected {
  const rate = arrivals(input);
  const g = gatewayOf(input, engine, rate);
  const busy = (rate * input.load.dbQueriesPerRequest * input.load.dbTxMs) / 1000;
  const p = serversFor(busy / (g.min * g.W), MAY_WAIT, 2);
  const app = g.peak * g.W * (p + input.database.overflow);
  const pooled = input.database.mode === "pgbouncer" ? poolerOf(input, busy, app) : {};
  const servers = pooled["pgbouncer.maxDbConnections"];
  const k = input.database.pgbouncer.instances;
  const wanted = servers === undefined ? up(tenths(12, app)) + 20 : up(tenths(11, k * servers + 3 + 15));
  const maxConnections = Math.min(wanted, input.database.postgres.ceiling ?? wanted);
  return {
    "load.gatewayRps": rate,
    "load.inFlight": requestsInFlight(input),
    "load.dbConnectionsBusy": busy,
    ...namesOf(input, g, engine, rate),
    "database.poolPerWorker": p,
    "database.appConnections": app,
    "database.cleanupConcurrency": Math.min(20, p + input.database.overflow),
    ...pooled,
    "postgres.maxConnections": maxConnections,
    ...postgresOf(input, maxConnections),
    ...redisOf(input, g),
    ...nginxOf(input),
    "mcp.sessionsPerWorker": down(input.mcp.maxTotalSessions / (g.peak * g.W)),
  };
}

/** Tenths of a whole number, exact where 1.2·n and 1.1·n are not. */
function tenths(count: number, value: number): number {
  return (count * value) / 10;
}

function workersOf({ gateway }: SizingInput, engine: "fastify" | "bounded"): number {
  if (gateway.workers !== "auto") return gateway.workers;
  if (gateway.workerRule === "node") return clamp(down(gateway.cpu), 1, 16);
  // A share of a core is no worker, and none at all is no gateway.
  return Math.max(1, down(Math.min(engine === "fastify" ? 2 * gateway.cpu + 1 : gateway.cpu, 16)));
}

function gatewayOf(input: SizingInput, engine: "fastify" | "bounded", rate: number): Gateway {
  const { load, gateway } = input;
  const W = workersOf(input, engine);
  // What another engine was measured to do is no rate of this one; a worker without a core of its own serves no more than its share.
  const calibration = input.calibration?.engine === engine ? input.calibration : undefined;
  const cores = Math.min(W, gateway.cpu);
  // Where nobody gave or measured a rate, the guides' 100 and the examples' 150 are all there is.
  const rpw = gateway.rpsPerWorker ?? calibration?.rpsPerWorker ?? 150;
  const needed = up(rate / (cores * rpw * TARGET_USE));
  const average = up(rate / load.burst / (cores * rpw * TARGET_USE));
  const lostZone = load.zones > 1 ? up(((needed / load.burst) * load.zones) / (load.zones - 1)) : 0;
  const min = Math.max(gateway.haFloor, average, lostZone);
  const max = Math.max(min + 1, up(1.25 * needed));
  const peak = max + up(gateway.maxSurge * max);
  const B = clamp(up((1.5 * requestsInFlight(input)) / (min * W)), 16, 1024);
  return { W, min, max, peak, B };
}

function namesOf(input: SizingInput, g: Gateway, engine: string, rate: number): Expected {
  const { cpu, memory } = input.gateway;
  const calibration = input.calibration?.engine === engine ? input.calibration : undefined;
  const perSession = calibration?.workerBaseMiB === undefined ? 0 : (calibration.bytesPerSession ?? 0);
  const sessions = ((input.load.statefulSessions / (g.min * g.W)) * perSession) / 1024 / 1024;
  const bytes = input.gateway.bytesPerRequest ?? calibration?.bytesPerRequest ?? 65_536;
  // An idle worker as a load test sees it has no young generation yet: 48 of the 148.
  const base = input.gateway.workerBaseMiB ?? (calibration?.workerBaseMiB ?? 100) + 48 + sessions;
  const listeners = engine === "bounded" ? g.W : 1;
  const old = down((0.9 * memory - 60) / g.W - base - (g.B * bytes) / 1024 / 1024);
  return {
    "gateway.workers": g.W,
    "gateway.replicas.min": g.min,
    "gateway.replicas.max": g.max,
    "gateway.replicas.peak": g.peak,
    // Where the heap would not fit, requests in flight are cut instead; the table gives no number for how far.
    ...(old >= 128 ? { "gateway.inFlightPerWorker": g.B, "gateway.maxOldSpaceMiB": old } : {}),
    "gateway.listeners": listeners,
    "gateway.threadPool": clamp(4 * up(cpu / g.W), 4, 16),
    "gateway.backlog": backlogOf(rate / g.min / listeners, input.cluster.somaxconn),
  };
}

/** min(somaxconn, next power of two), at least 128; no rule makes the kernel give more than somaxconn. */
function backlogOf(perSecond: number, somaxconn: number): number {
  let power = 1;
  while (power < perSecond) power *= 2;
  return Math.min(somaxconn, Math.max(128, power));
}

function poolerOf({ database }: SizingInput, busy: number, app: number): Record<string, number> {
  const { instances: k, users, databases, forcedUser } = database.pgbouncer;
  const pools = databases * (forcedUser ? 1 : users + 1);
  const c = serversFor(busy, MAY_WAIT, 1);
  // Instances share no queue, so each has to be enough for its part.
  const pool = Math.max(serversFor(busy / k, MAY_WAIT, 1), up(Math.max(c, 2 * database.postgres.cpu + 1) / k));
  const reserve = up(pool / 4);
  const client = up(tenths(12, app) / Math.max(1, k - 1));
  return {
    "pgbouncer.pools": pools,
    "pgbouncer.defaultPoolSize": pool,
    "pgbouncer.reservePoolSize": reserve,
    "pgbouncer.minPoolSize": up(pool / 4),
    "pgbouncer.maxDbConnections": (pool + reserve) * pools,
    "pgbouncer.maxClientConn": client,
    "pgbouncer.nofile": client + 12 + (pool + reserve) * pools + 40,
  };
}

function postgresOf({ database }: SizingInput, maxConnections: number): Expected {
  const { memory, cpu } = database.postgres;
  const shared = down(memory / 4);
  const maintenance = down(Math.min(2048, memory / 16));
  return {
    "postgres.sharedBuffersMiB": shared,
    "postgres.maintenanceWorkMemMiB": maintenance,
    // The 8 of the table are max_worker_processes, which pgtune raises to the cores of a larger machine.
    "postgres.workMemMiB": down(Math.max(4, (memory - shared) / ((maxConnections + Math.max(8, down(cpu))) * 3))),
    "postgres.effectiveCacheSizeMiB": down((3 * memory) / 4),
  };
}

function redisOf(input: SizingInput, { W, peak }: Gateway): Expected {
  const connections = peak * W * input.redis.connectionsPerWorker + 10;
  const wanted = Math.max(1000, up(tenths(12, connections)));
  const maxclients = Math.min(wanted, input.redis.ceiling ?? wanted);
  const maxmemory = up(1.5 * redisStateMiB(input));
  return {
    "redis.connections": connections,
    "redis.maxclients": maxclients,
    "redis.nofile": maxclients + 32,
    "redis.maxmemoryMiB": maxmemory,
    "redis.memoryMiB": up(maxmemory * (input.redis.persistence ? 2 : 1.25) + 64),
  };
}

function nginxOf({ load, nginx }: SizingInput): Expected {
  const wp = Math.max(1, down(nginx.cpu));
  const clients = load.concurrentUsers + load.sseStreams;
  return {
    "nginx.workerProcesses": wp,
    "nginx.workerConnections": Math.max(1024, up((1.3 * 2 * clients) / (Math.max(1, nginx.replicas - 1) * wp))),
  };
}

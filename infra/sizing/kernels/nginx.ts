/** nginx: connections, the pool towards the gateway, cache zones. */
import type { Plan } from "../../../contract/plan.ts";
import type { Derivation } from "../derivation.ts";
import type { SizingInput } from "../input.ts";
import { down, tidy, up } from "../rounding.ts";

type Nginx = Plan["nginx"];

/** Clients and upstreams both count as connections; a third more for those that come and go. */
const CONNECTIONS_PER_CLIENT = 1.3 * 2;
const LEAST_CONNECTIONS = 1024;
/** Descriptors of a worker besides its connections: cache files, logs, listeners. */
const OTHER_DESCRIPTORS = 512;
/** States that a MiB of shared memory holds (nginx documentation): cache keys, request limits, connection limits. */
const KEYS_PER_MIB = 8000;
const REQUEST_STATES_PER_MIB = 8000;
const CONNECTION_STATES_PER_MIB = 16_000;
const DAY_S = 86_400;

export function planNginx(
  input: SizingInput,
  load: Plan["load"],
  gateway: Pick<Plan["gateway"], "replicas" | "workers" | "inFlightPerWorker">,
  streamReadS: number,
  derive: Derivation,
): Nginx {
  const { nginx, cluster, security } = input;
  const replicas = derive.number("nginx.replicas", nginx.replicas, "replicas", ["input.nginx.replicas"]);
  const cpu = derive.number("nginx.cpu", nginx.cpu, "cpu", ["input.nginx.cpu"]);
  const workerProcesses = derive.number("nginx.workerProcesses", Math.max(1, down(cpu)), "max(1, ⌊cpu⌋)", [
    "nginx.cpu",
  ]);
  // Any one instance may be lost, and the others carry its clients.
  const carrying = Math.max(1, replicas - 1);
  const workerConnections = derive.number(
    "nginx.workerConnections",
    Math.max(
      LEAST_CONNECTIONS,
      up(
        (CONNECTIONS_PER_CLIENT * (input.load.concurrentUsers + input.load.sseStreams)) / (carrying * workerProcesses),
      ),
    ),
    "max(1024, ⌈1.3 · 2 · (concurrentUsers + sseStreams) ÷ (max(1, replicas − 1) · workerProcesses)⌉)",
    ["input.load.concurrentUsers", "input.load.sseStreams", "nginx.replicas", "nginx.workerProcesses"],
  );
  const keepalivePerWorker = derive.number(
    "nginx.keepalivePerWorker",
    Math.max(
      1,
      down((gateway.replicas.min * gateway.workers * gateway.inFlightPerWorker) / (replicas * workerProcesses)),
    ),
    "⌊min · workers · inFlightPerWorker ÷ (replicas · workerProcesses)⌋, at least 1",
    ["gateway.replicas.min", "gateway.workers", "gateway.inFlightPerWorker", "nginx.replicas", "nginx.workerProcesses"],
  );
  const keepaliveRequests = derive.standard("nginx.keepaliveRequests", 100_000, "the documents");
  return {
    replicas,
    cpu,
    workerProcesses,
    workerConnections,
    keepalivePerWorker,
    keepaliveRequests,
    backlog: derive.number(
      "nginx.backlog",
      Math.min(cluster.somaxconn, 4096),
      "4096 (the documents), at most somaxconn",
      ["input.cluster.somaxconn"],
    ),
    newConnectionsPerSecond: derive.number(
      "nginx.newConnectionsPerSecond",
      tidy(
        newConnections(input, load, {
          carrying,
          pooled: keepalivePerWorker * workerProcesses,
          keepaliveRequests,
          streamReadS,
        }),
      ),
      "per instance: requests that find no pooled connection + 1 of keepaliveRequests + streams that end after streamReadS",
      [
        "load.gatewayRps",
        "load.inFlight",
        "nginx.replicas",
        "nginx.keepalivePerWorker",
        "nginx.workerProcesses",
        "nginx.keepaliveRequests",
        "input.load.sseStreams",
        "timeouts.streamReadS",
      ],
    ),
    memoryMiB: derive.number("nginx.memoryMiB", nginx.memory, "memory", ["input.nginx.memory"]),
    nofile: derive.number("nginx.nofile", 2 * workerConnections + OTHER_DESCRIPTORS, "2 · workerConnections + 512", [
      "nginx.workerConnections",
    ]),
    zones: planZones(input, derive),
    identityTtlS: derive.number(
      "nginx.identityTtlS",
      Math.min(5, security.revocationBudgetS),
      "5 s, at most revocationBudgetS",
      ["input.security.revocationBudgetS"],
    ),
  };
}

type Pool = {
  readonly carrying: number;
  readonly pooled: number;
  readonly keepaliveRequests: number;
  readonly streamReadS: number;
};

/** All to one address, as behind a ClusterIP: the case that runs out of ports first. */
function newConnections({ load: given }: SizingInput, load: Plan["load"], pool: Pool): number {
  const rate = load.gatewayRps / pool.carrying;
  const inFlight = load.inFlight / pool.carrying;
  const unpooled = inFlight > pool.pooled ? 1 - pool.pooled / inFlight : 0;
  return rate * (unpooled + 1 / pool.keepaliveRequests) + given.sseStreams / pool.carrying / pool.streamReadS;
}

const ZONE_PATHS = {
  static: zonePaths("static"),
  api: zonePaths("api"),
  schema: zonePaths("schema"),
  admin: zonePaths("admin"),
};

function zonePaths(name: string) {
  const path = `nginx.zones.${name}`;
  return {
    keysMiB: `${path}.keysMiB`,
    maxSizeMiB: `${path}.maxSizeMiB`,
    inactiveS: `${path}.inactiveS`,
    validS: `${path}.validS`,
  };
}

function planZones({ nginx, load }: SizingInput, derive: Derivation): Nginx["zones"] {
  const zone = (name: keyof typeof ZONE_PATHS, sizeMiB: number, formula: string, times: ZoneTimes) => {
    const paths = ZONE_PATHS[name];
    const maxSizeMiB = derive.number(paths.maxSizeMiB, Math.max(1, down(sizeMiB)), formula, ["input.nginx.cacheMiB"]);
    return {
      keysMiB: derive.number(
        paths.keysMiB,
        Math.max(1, up((maxSizeMiB * 1024) / nginx.objectKiB / KEYS_PER_MIB)),
        "⌈maxSizeMiB ÷ objectKiB ÷ 8000 keys⌉",
        [paths.maxSizeMiB, "input.nginx.objectKiB"],
      ),
      maxSizeMiB,
      inactiveS: derive.standard(paths.inactiveS, times.inactiveS, "the documents"),
      validS: derive.standard(paths.validS, times.validS, "the documents"),
    };
  };
  return {
    static: zone("static", (nginx.cacheMiB * 4) / 7, "cacheMiB · 4 ÷ 7", { inactiveS: 30 * DAY_S, validS: 30 * DAY_S }),
    api: zone("api", (nginx.cacheMiB * 2) / 7, "cacheMiB · 2 ÷ 7", { inactiveS: 300, validS: 300 }),
    schema: zone("schema", nginx.cacheMiB / 7, "cacheMiB ÷ 7", { inactiveS: DAY_S, validS: DAY_S }),
    admin: zone("admin", Math.min(16, nginx.cacheMiB), "16 MiB, at most cacheMiB", { inactiveS: 60, validS: 5 }),
    requestLimitMiB: derive.number(
      "nginx.zones.requestLimitMiB",
      Math.max(1, up(load.concurrentUsers / REQUEST_STATES_PER_MIB)),
      "⌈concurrentUsers ÷ 8000 states⌉",
      ["input.load.concurrentUsers"],
    ),
    connectionLimitMiB: derive.number(
      "nginx.zones.connectionLimitMiB",
      Math.max(1, up(load.concurrentUsers / CONNECTION_STATES_PER_MIB)),
      "⌈concurrentUsers ÷ 16 000 states⌉",
      ["input.load.concurrentUsers"],
    ),
  };
}

type ZoneTimes = { readonly inactiveS: number; readonly validS: number };

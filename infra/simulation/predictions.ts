/** What the plan and the queueing theory say about a scenario, each with what the simulation measures of it. */
import type { Plan } from "../../contract/plan.ts";
import { boundedWorker, erlangC, TARGET_USE, WAITING_SHARE } from "../sizing/index.ts";
import type { Measured } from "./measured.ts";
import { type Model, replicasAt, steadyReplicas } from "./model.ts";
import { burstShare, fewestSettled, lostReplicas, type ScenarioName } from "./scenarios.ts";
import { type Interval, intervalOf } from "./statistics.ts";

export type Prediction = {
  readonly statement: string;
  readonly unit: "share" | "requests" | "requests/s" | "connections" | "replicas" | "calls" | "s";
  readonly predicted: number;
  /** What the plan needs of a value: as long as it is kept, the theory may be a little off. */
  readonly limit?: number;
  /** A value is compared with the interval; a limit must not be exceeded. */
  readonly kind: "value" | "limit";
  /** On which side of a value it is no objection to be wrong. */
  readonly better: "less" | "more" | "neither";
  /** Of a maximum the interval is the figure itself. */
  readonly measure: (confidence: number) => Interval;
};

type Subject = { readonly plan: Plan; readonly model: Model; readonly measured: Measured };

/** Requests that may fail at the planned peak: the documents' target. */
const FAILED_SHARE = 0.001;
/** Room beyond the requests in flight that admission has to have (I1): how far the mean latency may be off. */
const ROOM = 1.2;
/** What the autoscaler tolerates above it. */
const TOLERATED_USE = TARGET_USE * 1.1;

export function predictionsFor(name: ScenarioName, subject: Subject): readonly Prediction[] {
  return [...OF_SCENARIO[name](subject), ...always(name, subject)];
}

const OF_SCENARIO: Readonly<Record<ScenarioName, (subject: Subject) => readonly Prediction[]>> = {
  steady(subject) {
    const { plan, model, measured } = subject;
    const replicas = steadyReplicas(plan);
    const perWorker = plan.load.gatewayRps / (replicas * model.workers);
    return [
      useOf("workers", TARGET_USE, (confidence) => measured.gatewayUse(confidence)),
      useOf("cores of PostgreSQL", TARGET_USE, (confidence) => measured.databaseUse(confidence)),
      {
        ...less("mean latency is the input's", "s", plan.load.inFlight / plan.load.gatewayRps, (confidence) =>
          measured.latencySeconds(confidence),
        ),
        limit: (ROOM * plan.load.inFlight) / plan.load.gatewayRps,
      },
      {
        ...less("requests in flight are rate · latency (Little)", "requests", plan.load.inFlight, (confidence) =>
          measured.inFlight(confidence),
        ),
        limit: ROOM * plan.load.inFlight,
      },
      shedOf(subject, plan.load.gatewayRps, replicas),
      {
        statement: "requests that fail",
        unit: "share",
        predicted: FAILED_SHARE,
        kind: "limit",
        better: "less",
        measure: (confidence) => measured.failed(confidence),
      },
      ...(model.transactions > 0 ? waitsOf(subject, perWorker) : []),
    ];
  },

  double(subject) {
    const { plan, model, measured } = subject;
    const rate = 2 * plan.load.gatewayRps;
    const replicas = fewestSettled(plan, rate);
    const capacity = (replicas * model.workers) / model.cpuS;
    // An engine that queues has no steady state beyond its capacity, and no plan says that it has; nor has a database without room.
    if (model.admission === Number.POSITIVE_INFINITY && (rate >= capacity || isDatabaseFull(plan, rate))) return [];
    const refused = boundedShed(model, rate / (replicas * model.workers));
    return [
      shedOf(subject, rate, replicas),
      {
        statement: "answers per second are what the workers can give",
        unit: "requests/s",
        predicted: rate * (1 - refused),
        kind: "value",
        better: "more",
        measure: (confidence) => measured.throughput(confidence),
      },
    ];
  },

  burst(subject) {
    const { plan, model } = subject;
    const { gatewayRps, averageRps } = plan.load;
    const workers = replicasAt(plan, averageRps) * model.workers;
    const share = burstShare(plan);
    const calm = (averageRps - share * gatewayRps) / (1 - share);
    // As if each burst lasted long enough to fill the queues.
    const refused =
      share * gatewayRps * boundedShed(model, gatewayRps / workers) +
      (1 - share) * calm * boundedShed(model, calm / workers);
    return [shed(subject, refused / averageRps, "M/M/1/K per worker, calm and burst each for itself")];
  },

  "lost-zone"(subject) {
    const { plan, model, measured } = subject;
    const replicas = replicasAt(plan, plan.load.averageRps);
    const lost = lostReplicas(replicas, model);
    const latencyS = plan.load.inFlight / plan.load.gatewayRps;
    const calls: Prediction = {
      statement: "calls that are lost are those in flight in the zone",
      unit: "calls",
      predicted: (plan.load.averageRps * latencyS * lost) / replicas,
      kind: "value",
      better: "less",
      measure: (confidence) => measured.perRun(({ total }) => total.lost, confidence),
    };
    if (model.zones === 1) return [calls];
    const found = most(
      "calls that found no replica",
      "calls",
      0,
      measured.most(({ total }) => total.unreachable),
    );
    if (lost === replicas) return [calls, found];
    return [
      calls,
      useOf("the workers that are left", TARGET_USE, (confidence) => measured.gatewayUse(confidence)),
      shedOf(subject, plan.load.averageRps, replicas - lost),
      found,
    ];
  },

  rollout(subject) {
    const { plan, measured } = subject;
    const { max, peak } = plan.gateway.replicas;
    // Kubernetes does not count replicas that end towards the surge, so there may be as many of them again.
    const surge = plan.autoscaling.surge;
    return [
      most(
        "calls that are lost",
        "calls",
        0,
        measured.most(({ total }) => total.killed + total.lost + total.unreachable),
      ),
      most(
        "replicas alive at the worst instant, a surge that starts and one that ends",
        "replicas",
        peak + surge,
        measured.most(({ peaks }) => peaks.replicasAlive),
      ),
      shedOf(subject, plan.load.gatewayRps, max),
    ];
  },

  scaling(subject) {
    const { plan, measured } = subject;
    const { gatewayRps } = plan.load;
    return [
      useOf("workers after scaling, with the autoscaler's tolerance,", TOLERATED_USE, (confidence) =>
        measured.gatewayUse(confidence),
      ),
      most(
        "replicas asked for",
        "replicas",
        plan.gateway.replicas.max,
        measured.most(({ desired }) => desired),
      ),
      shedOf(subject, gatewayRps, fewestSettled(plan, gatewayRps)),
    ];
  },
};

/** Scenarios that last long enough for Little's law: where the load changes within a phase, what is inside at its ends weighs too much. */
const LASTING: readonly ScenarioName[] = ["steady", "double", "burst"];

/** What holds at any instant of any scenario. */
function always(name: ScenarioName, { plan, model, measured }: Subject): readonly Prediction[] {
  const { gateway, pgbouncer, postgres } = plan;
  const forApplications = postgres.maxConnections - postgres.reservedConnections - postgres.directConnections;
  // The plan's own sum leaves out replicas that end; what counts is that nobody is turned away.
  const accepted = pgbouncer === null ? forApplications : pgbouncer.instances * pgbouncer.maxClientConn;
  const replicas = name === "rollout" ? gateway.replicas.peak : gateway.replicas.max;
  const little: Prediction = {
    statement: "requests in flight − rate · time inside (Little's law)",
    unit: "requests",
    predicted: 0,
    kind: "value",
    better: "neither",
    measure: (confidence) => measured.littleGap(confidence),
  };
  return [
    most(
      "connections of the pools at the worst instant, of replicas that end too",
      "connections",
      accepted,
      measured.most(({ peaks }) => peaks.connections),
    ),
    most(
      "connections to PostgreSQL at the worst instant",
      "connections",
      pgbouncer === null
        ? forApplications
        : Math.min(forApplications, pgbouncer.instances * pgbouncer.maxDbConnections),
      measured.most(({ peaks }) => peaks.serverConnections),
    ),
    // An engine that queues has no bound to keep when the load is beyond it.
    ...(name === "double" && model.admission === Number.POSITIVE_INFINITY
      ? []
      : [
          most(
            "requests in flight at the worst instant",
            "requests",
            replicas * gateway.workers * gateway.inFlightPerWorker,
            measured.most(({ peaks }) => peaks.inFlight),
          ),
        ]),
    ...(LASTING.includes(name) && !(name === "double" && isDatabaseFull(plan, 2 * plan.load.gatewayRps))
      ? [little]
      : []),
  ];
}

/** Beyond nine tenths of the server connections waits grow for as long as the load lasts, and pools fill up behind them. */
function isDatabaseFull({ load, pgbouncer, database }: Plan, rate: number): boolean {
  const busy = (load.dbConnectionsBusy * rate) / load.gatewayRps;
  const servers = pgbouncer === null ? database.appConnections : pgbouncer.instances * pgbouncer.defaultPoolSize;
  return busy >= 0.9 * servers;
}

/** Erlang-C at the pool of a worker and at an instance of PgBouncer. */
function waitsOf({ plan, model, measured }: Subject, perWorker: number): readonly Prediction[] {
  const { transactions, txS, pool, pooler } = model;
  const atPool = erlangC(pool, perWorker * transactions * txS);
  const waits: Prediction = {
    ...less("transactions that wait for a connection of their worker (Erlang-C)", "share", atPool, (confidence) =>
      measured.poolWaits(confidence),
    ),
    limit: WAITING_SHARE,
  };
  if (pooler === null) return [waits];
  const atPooler = erlangC(pooler.size, (plan.load.gatewayRps * transactions * txS) / pooler.instances);
  const pooled: Prediction = {
    ...less("transactions that wait in PgBouncer (Erlang-C)", "share", atPooler, (confidence) =>
      measured.poolerWaits(confidence),
    ),
    limit: WAITING_SHARE,
  };
  return [waits, pooled];
}

function boundedShed({ admission, cpuS, upstreamS, transactions, txS }: Model, perWorker: number): number {
  if (admission === Number.POSITIVE_INFINITY) return 0;
  return boundedWorker(admission, perWorker, cpuS, upstreamS + transactions * txS).refused;
}

function shedOf(subject: Subject, rps: number, replicas: number): Prediction {
  const { model } = subject;
  return shed(subject, boundedShed(model, rps / (replicas * model.workers)), "M/M/1/K per worker");
}

function shed({ model, measured }: Subject, refused: number, theory: string): Prediction {
  const isBounded = model.admission !== Number.POSITIVE_INFINITY;
  const statement = isBounded ? `requests turned away (${theory})` : "requests turned away: this engine queues";
  return less(statement, "share", refused, (confidence) => measured.shed(confidence));
}

function useOf(what: string, limit: number, measure: Prediction["measure"]): Prediction {
  return { statement: `use of ${what}`, unit: "share", predicted: limit, kind: "limit", better: "less", measure };
}

function less(
  statement: string,
  unit: Prediction["unit"],
  predicted: number,
  measure: Prediction["measure"],
): Prediction {
  return { statement, unit, predicted, kind: "value", better: "less", measure };
}

function most(statement: string, unit: Prediction["unit"], limit: number, seen: number): Prediction {
  return { statement, unit, predicted: limit, kind: "limit", better: "less", measure: () => intervalOf([seen]) };
}

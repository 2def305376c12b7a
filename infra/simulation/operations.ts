/** What the cluster does to the fleet: the autoscaler's steps, a rollout, a zone that goes and comes back. */
import type { Plan } from "../../contract/plan.ts";
import { Autoscaler, SYNC_S } from "./autoscaler.ts";
import { EVENT } from "./events.ts";
import { PHASE } from "./fleet.ts";
import type { Operator, System } from "./system.ts";

export type Order = { readonly atS: number; readonly what: "loseZone" | "returnZone" | "rollout" };

export type ReplicaStep = { readonly atS: number; readonly serving: number; readonly alive: number };

/** The zone that is lost: it has the most replicas. */
const LOST_ZONE = 0;
/** Place of the recurring order among the others. */
const SYNC = 0;

export class Operations implements Operator {
  readonly #system: System;
  readonly #orders: readonly Order[];
  readonly #autoscaler: Autoscaler | undefined;
  readonly #isAvailable: Uint8Array;
  readonly history: ReplicaStep[] = [];
  #desired: number;
  #generation = 0;
  #isRollingOut = false;
  #lostReplicas = 0;
  #busyAtSync = 0;
  #servingAtSync = 0;

  /** `autoscaling`: undefined keeps the number of replicas. */
  constructor(
    system: System,
    replicas: number,
    orders: readonly Order[],
    autoscaling: Plan["autoscaling"] | undefined,
  ) {
    this.#system = system;
    this.#orders = orders;
    this.#desired = replicas;
    this.#isAvailable = new Uint8Array(system.fleet.capacity);
    system.operateBy(this);
    for (let started = 0; started < replicas; started += 1) system.startReplica(0, 0);
    for (const [at, { atS }] of orders.entries()) system.plan(EVENT.order, at + 1, 0, atS);
    this.#autoscaler = autoscaling === undefined ? undefined : new Autoscaler(autoscaling);
    if (this.#autoscaler !== undefined) system.plan(EVENT.order, SYNC, 0, SYNC_S);
  }

  get desired(): number {
    return this.#desired;
  }

  onReady(replica: number): void {
    // What serves from the first instant was there long before.
    if (this.#system.now === 0) this.#isAvailable[replica] = 1;
    this.#note();
  }

  onAvailable(replica: number): void {
    this.#isAvailable[replica] = 1;
    if (this.#isRollingOut) this.#rollOn();
  }

  onGone(replica: number): void {
    this.#isAvailable[replica] = 0;
    this.#note();
  }

  carryOut(order: number): void {
    const what = this.#orders[order - 1]?.what;
    if (order === SYNC) this.#sync();
    else if (what === "loseZone") this.#loseZone();
    else if (what === "returnZone") this.#returnZone();
    else {
      this.#isRollingOut = true;
      this.#generation += 1;
      this.#rollOn();
    }
    this.#note();
  }

  #sync(): void {
    const system = this.#system;
    system.plan(EVENT.order, SYNC, 0, SYNC_S);
    const { cpuBusySeconds, servingSeconds } = system.counts();
    const { coresPerWorker, cpuRequest } = system.model;
    const used = (cpuBusySeconds - this.#busyAtSync) * coresPerWorker;
    const usePercent = (100 * used) / Math.max(1e-9, (servingSeconds - this.#servingAtSync) * cpuRequest);
    this.#busyAtSync = cpuBusySeconds;
    this.#servingAtSync = servingSeconds;
    const ready = system.fleet.servingCount;
    const starting = system.fleet.inPhase(PHASE.starting).length;
    const observed = { atS: system.now, replicas: this.#desired, ready, starting, usePercent };
    this.#desired = this.#autoscaler?.decide(observed) ?? this.#desired;
    this.#scaleTo(this.#desired - ready - starting);
  }

  /** Adds, or removes those that still start and then the last ones. */
  #scaleTo(more: number): void {
    const { fleet, model } = this.#system;
    for (let added = 0; added < more; added += 1) this.#system.startReplica(this.#generation, model.coldStartS);
    if (more >= 0) return;
    const surplus = [...fleet.inPhase(PHASE.serving), ...fleet.inPhase(PHASE.starting)].slice(more);
    for (const replica of surplus)
      if (fleet.phaseOf(replica) === PHASE.starting) this.#system.loseReplica(replica, "killed");
      else this.#system.drainReplica(replica);
  }

  /**
   * A Deployment with maxUnavailable 0: as many new replicas as the surge allows, and an old one goes for each that is available.
   * Replicas that terminate do not count towards the surge (Kubernetes documentation, "Deployments", max unavailable).
   */
  #rollOn(): void {
    const { fleet, model } = this.#system;
    const old = [...fleet.inPhase(PHASE.serving), ...fleet.inPhase(PHASE.starting)].filter(
      (replica) => fleet.generation[replica] !== this.#generation,
    );
    const available = fleet.inPhase(PHASE.serving).filter((replica) => this.#isAvailable[replica] === 1).length;
    const removable = old.slice(0, Math.max(0, available - this.#desired));
    for (const replica of removable) this.#system.drainReplica(replica);
    const created = fleet.servingCount + fleet.inPhase(PHASE.starting).length - (old.length - removable.length);
    const room = this.#desired + model.surge - created - (old.length - removable.length);
    const more = Math.min(this.#desired - created, room);
    for (let added = 0; added < more; added += 1) this.#system.startReplica(this.#generation, model.coldStartS);
    if (old.length === removable.length && created >= this.#desired) this.#isRollingOut = false;
  }

  #loseZone(): void {
    const { fleet } = this.#system;
    const here = [...fleet.inPhase(PHASE.serving), ...fleet.inPhase(PHASE.starting)].filter(
      (replica) => fleet.zoneOf(replica) === LOST_ZONE,
    );
    this.#lostReplicas = here.length;
    for (const replica of here) this.#system.loseReplica(replica, "lost");
  }

  #returnZone(): void {
    for (let added = 0; added < this.#lostReplicas; added += 1)
      this.#system.startReplica(this.#generation, this.#system.model.coldStartS, LOST_ZONE);
  }

  #note(): void {
    const { now, fleet } = this.#system;
    const last = this.history.at(-1);
    if (last?.serving === fleet.servingCount && last.alive === fleet.alive) return;
    if (last?.atS === now) this.history.pop();
    this.history.push({ atS: now, serving: fleet.servingCount, alive: fleet.alive });
  }
}

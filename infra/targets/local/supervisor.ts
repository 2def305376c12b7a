/** The stack on this machine: its workloads started in order, changed in place, replicas one after the other, ended from the outside in. */
import { join } from "node:path";
import type { Topology, Workload } from "../../topology/index.ts";
import { dependantsOf, differenceOf } from "./difference.ts";
import type { Disk } from "./layout.ts";
import { lastLines, logFile, rotateLog, sizeOf } from "./logs.ts";
import { requireFreePorts } from "./ports.ts";
import { bootId, statOf } from "./proc.ts";
import { checksumOf, type State, writeState } from "./state.ts";
import { hasHandedOver, serversIn, withoutServer, workersOf } from "./traffic.ts";
import { pause, Unit, type UnitContext } from "./unit.ts";
import type { Users } from "./users.ts";

export type SupervisorOptions = {
  /** Absolute; made already (`makeDataDirectory`). */
  readonly data: string;
  /** Where daemons listen and probes ask. */
  readonly host: string;
  /** Before a process that ended by itself is started again: the first pause, and the longest. */
  readonly pause: UnitContext["pause"];
  /** Told what happens, for people. */
  say(sentence: string): void;
};

/** What is made real, and with what. */
export type Wanted = {
  readonly topology: Topology;
  readonly secrets: Disk["secrets"];
  readonly users: Users;
};

const HAND_OVER_MS = 10_000;
const ROTATE_MS = 2000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #disk: Disk;
  #topology: Topology | undefined;
  #users: Users = {};
  readonly #units = new Map<string, Unit>();
  #work: Promise<unknown> = Promise.resolve();
  #end: Promise<void> | undefined;
  readonly #rotation: NodeJS.Timeout;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#disk = { data: options.data, secrets: {} };
    this.#rotation = setInterval(() => this.#rotate(), ROTATE_MS).unref();
  }

  /**
   * Makes what runs into this topology: everything at the first time, later what differs. Resolves when all of it is ready. Rejects with
   * RangeError naming the workload and what it printed; the rest goes on. One at a time: later calls wait.
   */
  apply(wanted: Wanted): Promise<void> {
    return this.#oneByOne(() => this.#apply(wanted));
  }

  /** Runs what a schedule would run, once. Rejects with RangeError where there is none of that name or it fails. */
  runOnce(name: string): Promise<void> {
    return this.#oneByOne(async () => {
      const found = this.#topology?.workloads.find((one) => one.name === name && one.shape.kind === "schedule");
      if (found?.shape.kind !== "schedule") {
        const names = (this.#topology?.workloads ?? []).filter(({ shape }) => shape.kind === "schedule");
        throw new RangeError(
          `${name} is no schedule of this stack; it has ${names.map((one) => one.name).join(", ") || "none"}`,
        );
      }
      const shape = { kind: "job", deadlineS: found.shape.deadlineS, retries: 0 } as const;
      await this.#begin(this.#unit({ ...found, shape }));
    });
  }

  /** From the outside in: nobody is ended before those who ask it. Everybody who asks waits for the same end. */
  stop(): Promise<void> {
    // Not after the work that goes on: a start that hangs is what people end.
    this.#end ??= this.#stopAll([...this.#units.values()]).then(() => {
      clearInterval(this.#rotation);
      this.#changed();
    });
    return this.#end;
  }

  names(): readonly string[] {
    return [...this.#units.keys()];
  }

  state(): State {
    const order = (this.#topology?.workloads ?? []).map(({ name }) => name);
    const place = ({ workload: { name } }: Unit) => (order.includes(name) ? order.indexOf(name) : order.length);
    const units = [...this.#units.values()].toSorted((a, b) => place(a) - place(b));
    const workloads = units.map((unit) => {
      const { workload, status } = unit;
      const { identity, ...told } = status;
      return {
        name: workload.name,
        tier: workload.tier,
        kind: workload.shape.kind === "job" ? ("job" as const) : ("service" as const),
        ...told,
        identity,
        ports: [...workload.ports],
        after: [...workload.after],
        signal: workload.shutdown.signal,
        graceS: workload.shutdown.graceS,
      };
    });
    const schedules = (this.#topology?.workloads ?? []).flatMap(({ name, shape }) =>
      shape.kind === "schedule" ? [{ name, cron: shape.cron }] : [],
    );
    return {
      stack: this.#topology?.stack ?? "",
      boot: bootId(),
      supervisor: { pid: process.pid, startTicks: statOf(process.pid)?.startTicks ?? 0 },
      checksum: this.#topology === undefined ? "" : checksumOf(this.#topology),
      entry: this.#topology?.entry ?? { workload: "", port: 0 },
      workloads,
      schedules,
    };
  }

  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#work.then(work);
    this.#work = result.catch(() => undefined);
    return result;
  }

  async #apply({ topology, secrets, users }: Wanted): Promise<void> {
    const isFirst = this.#topology === undefined;
    const running = [...this.#units.values()].map(({ workload }) => workload);
    const wanted = topology.workloads.filter(({ shape }) => shape.kind !== "schedule");
    if (!isFirst) await requireFreePorts(newPorts(running, wanted), [this.#options.host]);
    this.#topology = topology;
    this.#users = users;
    // Every unit holds this very object: a process that is started again by itself gets the new values too.
    Object.assign(this.#disk, { secrets });
    if (isFirst) return await this.#startAll(wanted);
    const { changes, gone } = differenceOf(running, wanted);
    for (const { workload, kind } of changes) {
      const unit = this.#units.get(workload.name) ?? this.#unit(workload);
      const isDown = unit.status.state === "failed" || unit.status.state === "ended";
      if (kind === "reload") await this.#reload(unit, workload);
      else if (kind === "restart" || isDown) await this.#restart(unit, workload);
      else if (kind === "start") await this.#start(unit);
      else unit.workload = workload;
      if (kind !== "keep")
        this.#options.say(`${workload.name}: ${kind === "reload" ? "read its files again" : "ready"}`);
    }
    await this.#stopAll(gone.flatMap(({ name }) => this.#units.get(name) ?? []));
    for (const { name } of gone) this.#units.delete(name);
    this.#changed();
  }

  /** Whatever does not wait for another starts at once. */
  async #startAll(wanted: readonly Workload[]): Promise<void> {
    const ready = new Map<string, Promise<void>>();
    for (const workload of wanted) {
      const unit = this.#unit(workload);
      const before = Promise.all(workload.after.map((name) => ready.get(name)));
      ready.set(
        workload.name,
        before.then(() => this.#start(unit)),
      );
    }
    this.#changed();
    await Promise.all(ready.values());
  }

  async #start(unit: Unit): Promise<void> {
    const from = performance.now();
    await this.#begin(unit);
    const seconds = ((performance.now() - from) / 1000).toFixed(1);
    this.#options.say(`${unit.workload.name}: ${unit.status.state} after ${seconds} s`);
  }

  #begin(unit: Unit): Promise<void> {
    if (this.#end !== undefined) throw new RangeError(`${unit.workload.name} is not started any more: the stack ends`);
    return unit.start();
  }

  /** The rest of its tier serves meanwhile, where there is a rest. */
  async #restart(unit: Unit, workload: Workload): Promise<void> {
    const back = await this.#leadAway(unit);
    try {
      await unit.stop(back === undefined ? 0 : unit.workload.shutdown.waitS * 1000);
      unit.workload = workload;
      await this.#begin(unit);
    } finally {
      await back?.();
    }
  }

  /** Undefined where nobody sends to it, or where nobody else could serve instead. The answer undoes it. */
  async #leadAway(unit: Unit): Promise<(() => Promise<void>) | undefined> {
    const { tier, ports } = unit.workload;
    const others = [...this.#units.values()].filter((one) => one !== unit && one.workload.tier === tier);
    const nginx = [...this.#units.values()].find(({ workload }) => workload.tier === "nginx");
    const port = ports[0]?.port;
    const isServing = others.some(({ status }) => status.state === "ready");
    if (nginx === undefined || port === undefined || !isServing || nginx.status.state !== "ready") return undefined;
    const original = nginx.workload;
    const without = withoutServer(original, port);
    if (without === null || serversIn(original) < 2) return undefined;
    await this.#reload(nginx, without);
    return () => this.#reload(nginx, original);
  }

  /** Rejects with RangeError where nginx, which can be seen to, does not take its files. */
  async #reload(unit: Unit, workload: Workload): Promise<void> {
    const { identity } = unit.status;
    if (unit.workload.tier !== "nginx" || identity === null) return unit.reload(workload);
    const before = workersOf(identity.pid);
    const file = logFile(join(this.#options.data, "logs"), workload.name);
    const logStart = sizeOf(file);
    unit.reload(workload);
    const end = performance.now() + HAND_OVER_MS;
    while (!hasHandedOver(identity.pid, before)) {
      if (performance.now() > end)
        throw new RangeError(
          `${workload.name} goes on with its old files; it printed: ${lastLines(file, 5, logStart).join("\n")}`,
        );
      await pause(20);
    }
  }

  async #stopAll(units: readonly Unit[]): Promise<void> {
    const workloads = units.map(({ workload }) => workload);
    const stopped = new Map<string, Promise<void>>();
    const stop = (unit: Unit): Promise<void> => {
      const { name } = unit.workload;
      const known = stopped.get(name);
      if (known !== undefined) return known;
      const dependants = dependantsOf(name, workloads).flatMap((one) =>
        units.filter(({ workload }) => workload.name === one),
      );
      const hasStopped = async (one: Unit) => {
        const ending = stop(one);
        // A stream ends when its gateway says so, and nginx waits for its streams: by then it takes nothing new.
        if (one.workload.tier === "nginx") await Promise.race([ending, pause(unit.workload.shutdown.waitS * 1000)]);
        else await ending;
      };
      const done = Promise.all(dependants.map(hasStopped)).then(() => unit.stop(0));
      stopped.set(name, done);
      return done;
    };
    await Promise.all(units.map(stop));
  }

  #unit(workload: Workload): Unit {
    const { data, host, pause: between, say } = this.#options;
    const unit = new Unit(workload, {
      disk: this.#disk,
      user: this.#users[workload.tier],
      logs: join(data, "logs"),
      host,
      pause: between,
      onChange: () => this.#changed(),
      say,
    });
    this.#units.set(workload.name, unit);
    return unit;
  }

  /** At once: a process that is not on record could not be ended after a kill of this one. A full disk is no reason to end them all. */
  #changed(): void {
    try {
      writeState(this.#options.data, this.state());
    } catch (error) {
      this.#options.say(`the state cannot be written: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #rotate(): void {
    for (const name of [...this.names(), "supervisor"]) rotateLog(logFile(join(this.#options.data, "logs"), name));
  }
}

/** The same workloads with those of their ports that nobody of the stack has yet. */
function newPorts(running: readonly Workload[], wanted: readonly Workload[]): readonly Workload[] {
  const held = new Set(running.flatMap(({ ports }) => ports.map(({ port }) => port)));
  return wanted.map((workload) => ({ ...workload, ports: workload.ports.filter(({ port }) => !held.has(port)) }));
}

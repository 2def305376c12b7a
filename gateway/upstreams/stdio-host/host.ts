/** The stdio host: all definitions and children of one gateway, their limits, their sweep and their end. */
import { fault } from "../../../contract/errors.ts";
import type { Log } from "../../telemetry/index.ts";
import type { Definition } from "./definition.ts";
import { Hosted } from "./hosted.ts";
import { killGroup, type ServerProcess } from "./server-process.ts";

export type HostOptions = {
  /** Children at once over all definitions; ≥ 1. */
  readonly maxChildren: number;
  /** Sessions and children unused for this long end, ms. */
  readonly idleMs: number;
  /** Longest message in either direction, bytes (UPSTREAM_MAX_MESSAGE_BYTES). */
  readonly maxMessageBytes: number;
  /** Between closing stdin and SIGTERM, and again until SIGKILL, ms. */
  readonly graceMs: number;
  /** How long an unknown server may be silent on server/discover until it counts as one of the legacy era, ms. */
  readonly probeTimeoutMs: number;
  /** What children inherit; see inheritedEnvironment. */
  readonly baseEnv: Readonly<Record<string, string>>;
  readonly log: Log;
  /** The pids (= process groups) of all children, whenever they change. */
  onChildren?(pids: readonly number[]): void;
};

const MAX_DEFINITIONS = 1000;

export class StdioHost {
  readonly options: HostOptions;
  #definitions = new Map<string, Hosted>();
  #children = new Set<ServerProcess>();
  #sweep: NodeJS.Timeout;
  #stopping = false;

  constructor(options: HostOptions) {
    this.options = options;
    const everyMs = Math.min(30_000, Math.max(10, options.idleMs / 4));
    this.#sweep = setInterval(() => {
      for (const hosted of this.#definitions.values()) hosted.sweep(performance.now());
    }, everyMs);
    this.#sweep.unref();
  }

  get(id: string): Hosted | undefined {
    return this.#definitions.get(id);
  }

  /** Takes a definition. The same revision changes nothing; another one retires what runs of the old. */
  put(definition: Definition): "created" | "unchanged" | "replaced" {
    if (this.#stopping) throw fault("MCPS_DRAINING");
    const old = this.#definitions.get(definition.id);
    if (old?.definition.revision === definition.revision) return "unchanged";
    if (old === undefined && this.#definitions.size >= MAX_DEFINITIONS) {
      throw fault("MCPS_OVERLOADED", { what: "stdio definitions", limit: MAX_DEFINITIONS });
    }
    old?.retire("its definition has changed", false);
    this.#definitions.set(definition.id, this.#hosted(definition));
    return old === undefined ? "created" : "replaced";
  }

  /** Removes a definition and ends its children; false when there was none. */
  remove(id: string): boolean {
    const hosted = this.#definitions.get(id);
    hosted?.retire("its definition was removed", true);
    return this.#definitions.delete(id);
  }

  status() {
    return {
      children: this.#children.size,
      maxChildren: this.options.maxChildren,
      definitions: [...this.#definitions.values()].map((hosted) => ({
        id: hosted.definition.id,
        revision: hosted.definition.revision,
        isolation: hosted.definition.isolation,
        sessions: hosted.sessions.size,
        restarts: hosted.restarts,
        failures: hosted.failures,
        lastEnd: hosted.lastEnd ?? null,
        children: [...hosted.children].map(({ process, link }) => ({
          pid: process.pid ?? null,
          kind: link.kind,
          waiting: link.waiting(),
        })),
      })),
    };
  }

  /** Ends every child; resolves when all are gone, at the latest after 2·graceMs and a little. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#sweep);
    for (const hosted of this.#definitions.values()) hosted.retire("the gateway is stopping", true);
    this.#definitions.clear();
    await Promise.all([...this.#children].map((child) => child.gone));
  }

  /** SIGKILL to all groups, synchronously: the last thing before the process is gone. */
  kill(): void {
    for (const child of this.#children) child.kill();
  }

  #hosted(definition: Definition): Hosted {
    const { baseEnv, maxMessageBytes, graceMs, idleMs, log } = this.options;
    return new Hosted({
      definition,
      baseEnv,
      maxMessageBytes,
      graceMs,
      idleMs,
      log,
      takeSlot: (upstream) => this.#checkSlot(upstream),
      childStarted: (child) => {
        this.#children.add(child);
        this.#report();
      },
      childEnded: (child) => {
        this.#children.delete(child);
        this.#report();
      },
    });
  }

  #checkSlot(upstream: string): void {
    if (this.#stopping) throw fault("MCPS_DRAINING");
    const { maxChildren } = this.options;
    if (this.#children.size < maxChildren) return;
    const reason = `${maxChildren} stdio children run already, which is the limit (STDIO_MAX_CHILDREN)`;
    throw fault("MCPS_UPSTREAM_LIMIT", { upstream, reason }, { reason });
  }

  #report(): void {
    this.options.onChildren?.([...this.#children].flatMap((child) => (child.pid === undefined ? [] : [child.pid])));
  }
}

/** Kills the groups that a host left behind when it died itself. */
export function killLeftGroups(pids: readonly number[]): void {
  for (const pid of pids) killGroup(pid, "SIGKILL");
}

/** Reads a docker compose file: environment, command and resources of the gateway and of the servers around it. Never throws. */
import { type Flag, postgresFlags, redisFlags, splitCommand } from "./flags.ts";
import { interpolate } from "./interpolate.ts";
import { findRole } from "./roles.ts";
import type { Assignment, FileProblem, Role, Source } from "./source.ts";
import { type Spot, YamlTree } from "./yaml-tree.ts";

type Service = { readonly name: string; readonly image: string; readonly keys: ReadonlyMap<string, Spot> };
const ROLES: readonly Role[] = ["gateway", "pgbouncer", "postgres", "redis", "nginx"];

/** Variables (`${NAME:-default}`) get their defaults: neither this process's environment nor another file is read. */
export function readCompose(text: string): Source {
  const reading = new Reading(text);
  return reading.read();
}

class Reading {
  readonly #tree: YamlTree;
  readonly #problems: FileProblem[];
  readonly #notes = new Set<string>();
  readonly #assignments: Assignment[] = [];

  constructor(text: string) {
    this.#tree = new YamlTree(text);
    this.#problems = [...this.#tree.problems];
  }

  read(): Source {
    const services = this.#services();
    const found = new Set<Role>();
    for (const role of ROLES) {
      const service = findRole(role, services);
      if (service === undefined) continue;
      found.add(role);
      this.#readService(role, service);
    }
    if (!found.has("gateway") && this.#problems.length === 0)
      this.#problems.push({ line: 1, message: "no service is called gateway or runs an image of it" });
    return {
      form: "compose",
      assignments: this.#assignments,
      problems: this.#problems,
      notes: [...this.#notes],
      services: found,
    };
  }

  #services(): readonly Service[] {
    const services = this.#tree.entriesOf(this.#tree.root).get("services");
    return [...this.#tree.entriesOf(services)].map(([name, spot]) => {
      const keys = this.#tree.entriesOf(spot);
      return { name, image: this.#text(keys.get("image")) ?? "", keys };
    });
  }

  #readService(role: Role, { keys }: Service): void {
    this.#environment(role, keys.get("environment"));
    for (const { name, value, line } of this.#flags(role, keys.get("command")))
      this.#add({ name, value, line, role, kind: "flag" });
    const resources = this.#tree.entriesOf(this.#tree.entriesOf(keys.get("deploy")).get("resources"));
    const limits = this.#tree.entriesOf(resources.get("limits"));
    const reservations = this.#tree.entriesOf(resources.get("reservations"));
    const properties: readonly (readonly [string, Spot | undefined])[] = [
      ["replicas", this.#tree.entriesOf(keys.get("deploy")).get("replicas") ?? keys.get("scale")],
      ["cpus", limits.get("cpus") ?? keys.get("cpus")],
      ["memory", limits.get("memory") ?? keys.get("mem_limit")],
      ["reservations.cpus", reservations.get("cpus")],
      ["shm_size", keys.get("shm_size")],
      ["image", keys.get("image")],
      ...this.#sysctls(keys.get("sysctls")),
    ];
    for (const [name, spot] of properties) {
      const value = this.#text(spot);
      if (spot !== undefined && value !== undefined) this.#add({ name, value, line: spot.line, role, kind: "service" });
    }
    for (const elsewhere of ["env_file", "extends"])
      if (keys.has(elsewhere))
        this.#notes.add(`${elsewhere} of the ${role} service names another file, which is not read`);
  }

  /** A mapping, or a list of `name=value`; kernel parameters of the container's own network. */
  #sysctls(spot: Spot | undefined): readonly (readonly [string, Spot])[] {
    const listed = (this.#tree.itemsOf(spot) ?? []).flatMap((item): [string, Spot][] => {
      const [, name, value] = /^([\w.]+)=(.*)$/s.exec(this.#tree.textOf(item) ?? "") ?? [];
      return name === undefined || value === undefined ? [] : [[name, this.#tree.scalar(value, item.line)]];
    });
    return [...this.#tree.entriesOf(spot), ...listed];
  }

  /** A mapping, or a list of `NAME=value`; a name alone takes its value from a shell that is not known here. */
  #environment(role: Role, spot: Spot | undefined): void {
    for (const [name, value] of this.#tree.entriesOf(spot)) this.#variable(role, name, value.line, this.#text(value));
    for (const item of this.#tree.itemsOf(spot) ?? []) {
      const written = this.#tree.textOf(item);
      const [, name, value] = /^([^=]+)(?:=(.*))?$/s.exec(written ?? "") ?? [];
      if (name === undefined) this.#problems.push({ line: item.line, message: "not NAME=value" });
      else
        this.#variable(role, name.trim(), item.line, value === undefined ? undefined : this.#expand(value, item.line));
    }
  }

  #variable(role: Role, name: string, line: number, value: string | undefined): void {
    if (value === undefined) this.#notes.add(`line ${line}: a variable is taken from the shell, which is not read`);
    else this.#add({ name, value, line, role, kind: "environment" });
  }

  #add(added: Assignment): void {
    const { name, role, kind } = added;
    const index = this.#assignments.findIndex((one) => one.name === name && one.role === role && one.kind === kind);
    const former = this.#assignments[index];
    if (former === undefined) this.#assignments.push(added);
    else {
      this.#notes.add(`lines ${former.line} and ${added.line} set the same name; the last one counts`);
      this.#assignments[index] = added;
    }
  }

  #flags(role: Role, spot: Spot | undefined): readonly Flag[] {
    if (role !== "postgres" && role !== "redis") return [];
    const single = this.#text(spot);
    const words =
      single === undefined
        ? (this.#tree.itemsOf(spot) ?? []).map((item) => ({ text: this.#text(item) ?? "", line: item.line }))
        : splitCommand(single, spot?.line ?? 1);
    return role === "postgres" ? postgresFlags(words) : redisFlags(words);
  }

  #text(spot: Spot | undefined): string | undefined {
    const written = this.#tree.textOf(spot);
    return written === undefined || spot === undefined ? undefined : this.#expand(written, spot.line);
  }

  #expand(written: string, line: number): string {
    const { text, unset, problem } = interpolate(written, () => undefined);
    if (problem !== undefined) this.#problems.push({ line, message: problem });
    // Not even the variable's name is repeated: an unescaped dollar in a password makes one of its tail.
    if (unset.length > 0)
      this.#notes.add(`line ${line}: a variable without a default is not set here and reads as empty`);
    return text;
  }
}

/**
 * Named processes, each a BACKEND with ARGS, in the words of the servers that the sources run: one of them becomes settings. Values are
 * handed on as text, so that every rule of a setting holds for them too.
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { knobOfKey, meaninglessKeys, nearestKey } from "../../contract/knobs.ts";
import { nearestOf } from "../../contract/nearest.ts";
import type { SettingName, Settings } from "../../contract/settings.ts";

export type NamedProcess = {
  readonly name: string;
  /** YAML or JSON to plain data; throws where it is neither. */
  readonly parse: (text: string) => unknown;
};

export type ProcessSettings = {
  /** Under the names of settings. */
  readonly values: Readonly<Record<string, string>>;
  readonly places: Readonly<Record<string, string>>;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
};

/** What BACKEND may be: the four servers of the sources, and our own engines. */
export const backends: Readonly<Record<string, Settings["HTTP_SERVER"]>> = {
  fastify: "fastify",
  bounded: "bounded",
  "django_prodserver.backends.granian.GranianASGIServer": "bounded",
  "django_prodserver.backends.granian.GranianWSGIServer": "bounded",
  "django_prodserver.backends.uvicorn.UvicornServer": "fastify",
  "django_prodserver.backends.gunicorn.GunicornServer": "fastify",
};

const FILES = ["processes.yaml", "processes.yml", "processes.json"];
/** The documents' name for the whole table; a file may leave it out. */
const TABLE = "PRODUCTION_PROCESSES";
const BOOLEANS: Readonly<Record<string, string>> = {
  true: "false",
  false: "true",
  "1": "false",
  "0": "true",
  yes: "false",
  no: "true",
  on: "false",
  off: "true",
};

type Findings = {
  values: Record<string, string>;
  places: Record<string, string>;
  problems: string[];
  warnings: string[];
};

/** Never throws: what is wrong stands in `problems`, each with its place. */
export function readProcess(
  named: NamedProcess,
  settings: Pick<Settings, "PROCESSES_FILE">,
  directory: string,
): ProcessSettings {
  const found: Findings = { values: {}, places: {}, problems: [], warnings: [] };
  const path =
    settings.PROCESSES_FILE ?? FILES.map((name) => resolve(directory, name)).find((name) => existsSync(name));
  if (path === undefined) {
    found.problems.push(
      `process ${JSON.stringify(named.name)} is looked up in a file: PROCESSES_FILE, else one of ${FILES.join(", ")}`,
    );
    return found;
  }
  const processes = tableOf(path, named, found);
  if (processes === undefined) return found;
  const process = Object.hasOwn(processes, named.name) ? processes[named.name] : undefined;
  const where = `${path}, ${named.name}`;
  if (process === undefined)
    found.problems.push(`${path} has no process ${JSON.stringify(named.name)}${nearestIn(named.name, processes)}`);
  else if (isTable(process)) readOne(process, where, found);
  else found.problems.push(`a process has to be a table with BACKEND and ARGS (${where})`);
  return found;
}

function tableOf(
  path: string,
  { parse }: NamedProcess,
  found: Findings,
): Readonly<Record<string, unknown>> | undefined {
  let content: unknown;
  try {
    content = parse(readFileSync(path, "utf8"));
  } catch (error) {
    found.problems.push(`${path} cannot be read: ${error instanceof Error ? error.message : "unknown reason"}`);
    return undefined;
  }
  const outer = isTable(content) && Object.hasOwn(content, TABLE) ? content[TABLE] : content;
  if (isTable(outer)) return outer;
  found.problems.push(`${path} has to hold a table of processes by name`);
  return undefined;
}

function readOne(process: Readonly<Record<string, unknown>>, where: string, found: Findings): void {
  for (const key of Object.keys(process))
    if (key !== "BACKEND" && key !== "ARGS")
      found.problems.push(
        `${shown(key)} is nothing that a process has; the nearest is ${nearestOf(key.toUpperCase(), ["BACKEND", "ARGS"])} (${where})`,
      );
  const { BACKEND: backend, ARGS: args = {} } = process;
  if (typeof backend === "string" && Object.hasOwn(backends, backend))
    set("HTTP_SERVER", backends[backend] ?? "", `${where}: BACKEND`, found);
  else
    found.problems.push(
      `BACKEND is ${shown(backend)}, it has to be one of ${Object.keys(backends).join(", ")} (${where})`,
    );
  if (!isTable(args)) found.problems.push(`ARGS is ${shown(args)}, it has to be a table of arguments (${where})`);
  else for (const [name, value] of Object.entries(args)) readArgument(name, value, where, found);
}

/** `log_access`, `--log-access` and `log-access` are the same. */
function readArgument(name: string, value: unknown, where: string, found: Findings): void {
  const key = name.replace(/^--/, "").replaceAll("_", "-").toLowerCase();
  const place = `${where}: ${name.slice(0, 128)}`;
  if (Object.hasOwn(meaninglessKeys, key)) {
    found.warnings.push(`${key} (${place}) has no meaning here: ${meaninglessKeys[key]}`);
    return;
  }
  const knob = knobOfKey(key);
  if (knob === undefined && key !== "bind") {
    found.problems.push(`${shown(name)} is no argument of a process; the nearest is ${nearestKey(key)} (${where})`);
    return;
  }
  const text = textOf(value);
  if (text === undefined)
    found.problems.push(`${key} is ${shown(value)}, it has to be text, a number, true or false (${place})`);
  else if (text === "") return;
  else if (knob === undefined) bind(text, place, found);
  else set(knob.setting, knob.opposite === true ? (BOOLEANS[text.trim().toLowerCase()] ?? text) : text, place, found);
}

/** `0.0.0.0:8000`, `[::]:8000`, `:8000` or an address alone, as Gunicorn takes it. */
function bind(text: string, place: string, found: Findings): void {
  const [, address = "", port = ""] = /^(\[[0-9A-Fa-f:.]+\]|[^:/[\]]*)(?::([^:]+))?$/.exec(text.trim()) ?? [];
  if (address === "" && port === "") {
    found.problems.push(`bind is ${shown(text)}, it has to be <address>:<port> (${place})`);
    return;
  }
  // Gunicorn binds every address where none is named.
  set("HOST", address === "" ? "0.0.0.0" : address.replace(/^\[|\]$/g, ""), place, found);
  if (port !== "") set("PORT", port, place, found);
}

function set(setting: SettingName, text: string, place: string, found: Findings): void {
  const before = found.places[setting];
  if (before !== undefined) found.problems.push(`${setting} is said twice (${before}; ${place})`);
  found.values[setting] = text;
  found.places[setting] = place;
}

/** Null, Python's None, is as good as absent; undefined for what is no single value. */
function textOf(value: unknown): string | undefined {
  if (value === null || value === "None") return "";
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
}

function shown(value: unknown): string {
  return value === undefined ? "not set" : (JSON.stringify(value) ?? typeof value).slice(0, 200);
}

function nearestIn(name: string, processes: Readonly<Record<string, unknown>>): string {
  const nearest = nearestOf(name, Object.keys(processes));
  return nearest === undefined ? "" : `; the nearest is ${nearest}`;
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

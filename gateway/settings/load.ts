/**
 * Command line, environment and .env file become one frozen Settings object, or one Fault that lists every problem. The only
 * place of the gateway that reads `process.env`.
 */
import { existsSync, readFileSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { parseEnv } from "node:util";
import { errors, Fault } from "../../contract/errors.ts";
import { isOfOtherServer, meaninglessKnob } from "../../contract/knobs.ts";
import type { SettingValue } from "../../contract/setting-values.ts";
import { type SettingName, type Settings, settingNames, settingOf } from "../../contract/settings.ts";
import { judgeUnknown, secretOfFile, settingNamed } from "./names.ts";
import { type NamedProcess, readProcess } from "./processes.ts";
import { readSecretFile } from "./secret-files.ts";
import { judgeTogether } from "./together.ts";
import { parseValue, redactValue } from "./values.ts";

/**
 * Where each value came from: `default`, `environment`, `command line` or `<file>:<line>`, with the alias that was used, or the variable
 * and the path of the file that holds a secret.
 */
export type Provenance = Readonly<Record<SettingName, string>>;
export type LoadedSettings = {
  readonly settings: Settings;
  readonly provenance: Provenance;
  /** Sentences for the log: aliases, ignored names. They hold no values. */
  readonly warnings: readonly string[];
  /** The environment as it was: what stdio servers inherit their few variables from. Holds secrets. */
  readonly environment: Readonly<Record<string, string | undefined>>;
};
export type LoadOptions = {
  /** `process.env` by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Read where it exists; `.env` of `directory` by default, false for none. */
  readonly envFile?: string | false;
  /** Values of command-line options under their setting names. */
  readonly cli?: Readonly<Record<string, string | undefined>>;
  /** The named process to serve, weaker than the environment. */
  readonly process?: NamedProcess;
  /** Weaker than everything that is configured, stronger than the defaults: what the plan of this machine says. */
  readonly planned?: Readonly<Record<string, string>>;
  /** What relative paths are relative to; the working directory by default. */
  readonly directory?: string;
};

type Source = {
  readonly values: Readonly<Record<string, string | undefined>>;
  readonly place: (name: string) => string;
  readonly isFile: boolean;
};
type Engine = Settings["HTTP_SERVER"];
/** `isPath`: the text is the path of a file with the value. */
type Found = { readonly text: string; readonly place: string; readonly as: string; readonly isPath: boolean };
type Findings = { readonly problems: string[]; readonly warnings: string[] };

/** An empty value counts as not set. Throws MCPS_SETTINGS that names each variable, its value unless secret, what is allowed and the source. */
export function loadSettings(options: LoadOptions = {}): LoadedSettings {
  const directory = options.directory ?? process.cwd();
  const findings: Findings = { problems: [], warnings: [] };
  const configured = sourcesOf(options, directory, findings);
  const named = processSource(options, configured, directory, findings);
  const sources = [...configured, ...named, plannedSource(options)];
  const engine = chosenEngine(sources, directory);
  const found = sources.map((source) => collect(source, engine, findings));
  const values: Record<string, SettingValue | undefined> = {};
  const provenance: Record<string, string> = {};
  for (const name of settingNames) {
    const first = found.map((of) => of.get(name)).find((hit) => hit !== undefined);
    provenance[name] = first === undefined ? "default" : originOf(name, first);
    values[name] = first === undefined ? defaultOf(name, directory) : readFound(name, first, directory, findings);
  }
  if (findings.problems.length > 0) throw unusable(findings.problems);
  const settings = Object.freeze(values) as Settings;
  const together = judgeTogether(settings, provenance as Provenance);
  if (together.problems.length > 0) throw unusable(together.problems);
  findings.warnings.push(...together.warnings);
  return {
    settings,
    provenance: Object.freeze(provenance) as Provenance,
    warnings: findings.warnings,
    environment: options.env ?? process.env,
  };
}

function originOf(name: SettingName, { text, place, as, isPath }: Found): string {
  if (isPath) return `${place} (${as}: ${text})`;
  return as === name ? place : `${place} (${as})`;
}

/** Not cut as other messages are: somebody has to read all of it, once. */
function unusable(problems: readonly string[]): Fault {
  const text = errors.MCPS_SETTINGS.message
    .replace("{count}", String(problems.length))
    .replace("{problems}", () => problems.map((problem) => `  ${problem}`).join("\n"));
  return new Fault("MCPS_SETTINGS", text, problems);
}

/** From the strongest to the weakest. */
function sourcesOf(options: LoadOptions, directory: string, findings: Findings): readonly Source[] {
  const cli: Source = { values: options.cli ?? {}, place: () => "command line", isFile: false };
  const environment: Source = { values: options.env ?? process.env, place: () => "environment", isFile: false };
  if (options.envFile === false) return [cli, environment];
  const path = resolve(directory, options.envFile ?? ".env");
  if (options.envFile === undefined && !existsSync(path)) return [cli, environment];
  try {
    const text = readFileSync(path, "utf8");
    const lines = text.split(/\r?\n/);
    const lineOf = (name: string) => lines.findLastIndex((line) => lineName(line) === name) + 1;
    const file: Source = { values: parseEnv(text), place: (name) => `${path}:${lineOf(name)}`, isFile: true };
    return [cli, environment, file];
  } catch (error) {
    findings.problems.push(`${path} cannot be read: ${error instanceof Error ? error.message : "unknown reason"}`);
    return [cli, environment];
  }
}

function plannedSource({ planned = {} }: LoadOptions): Source {
  return { values: planned, place: () => "plan of this machine", isFile: false };
}

/** What the process says stands between what is configured and the defaults. Its file may be named by any of the others. */
function processSource(
  { process: named }: LoadOptions,
  configured: readonly Source[],
  directory: string,
  findings: Findings,
): readonly Source[] {
  if (named === undefined) return [];
  const path = firstText(configured, "PROCESSES_FILE");
  const read = readProcess(
    named,
    { PROCESSES_FILE: path === undefined ? undefined : resolve(directory, path) },
    directory,
  );
  findings.problems.push(...read.problems);
  findings.warnings.push(...read.warnings);
  return [{ values: read.values, place: (name) => read.places[name] ?? named.name, isFile: false }];
}

/** The engine decides which of the sources' names count; a value that is none is told with the others, later. */
function chosenEngine(sources: readonly Source[], directory: string): Engine {
  const text = firstText(sources, "HTTP_SERVER");
  const parsed = text === undefined ? undefined : parseValue(settingOf("HTTP_SERVER"), text, directory);
  return parsed !== undefined && "value" in parsed && parsed.value === "bounded" ? "bounded" : "fastify";
}

function firstText(sources: readonly Source[], name: SettingName): string | undefined {
  return sources.map(({ values }) => values[name]).find((text) => text !== undefined && text !== "");
}

function lineName(line: string): string | undefined {
  return /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=/.exec(line)?.[1];
}

/** What one source sets. The setting's own name is stronger than an alias beside it; a secret comes from a file or not, never both. */
function collect(source: Source, engine: Engine, findings: Findings): ReadonlyMap<SettingName, Found> {
  const values = new Map<SettingName, Found>();
  const files = new Map<SettingName, Found>();
  for (const [name, text] of Object.entries(source.values)) {
    if (text === undefined || text === "") continue;
    const value = settingNamed(name);
    const setting = value ?? secretOfFile(name);
    if (setting === undefined) {
      judge(name, source, findings);
      continue;
    }
    if (isOfOtherServer(name, setting, engine)) {
      findings.warnings.push(
        `${name} (${source.place(name)}) is of the other server and is not read with HTTP_SERVER=${engine}; ${setting} is for both`,
      );
      continue;
    }
    const isPath = value === undefined;
    const ownName = isPath ? `${setting}_FILE` : setting;
    if (ownName !== name) findings.warnings.push(`${name} (${source.place(name)}) is an older name of ${ownName}`);
    const found = isPath ? files : values;
    if (ownName === name || !found.has(setting))
      found.set(setting, { text, place: source.place(name), as: name, isPath });
  }
  for (const [setting, file] of files) {
    const value = values.get(setting);
    if (value !== undefined)
      findings.problems.push(`${value.as} and ${file.as} are both set, only one of them may be (${file.place})`);
    values.set(setting, file);
  }
  return values;
}

function judge(name: string, source: Source, { problems, warnings }: Findings): void {
  const because = meaninglessKnob(name);
  if (because !== undefined) {
    warnings.push(`${name} (${source.place(name)}) has no meaning here: ${because}`);
    return;
  }
  const unknown = judgeUnknown(name);
  const shown = name.slice(0, 128);
  if (unknown.verdict === "refuse")
    problems.push(`${shown} is no setting of this gateway; the nearest is ${unknown.nearest} (${source.place(name)})`);
  else if (source.isFile)
    warnings.push(`${shown} (${source.place(name)}) is no setting of this gateway and is ignored`);
}

function defaultOf(name: SettingName, directory: string): SettingValue | undefined {
  const declaration = settingOf(name);
  if (declaration.default === null) return undefined;
  if (declaration.type === "path") return resolve(directory, declaration.default);
  return declaration.type === "list" ? Object.freeze([...declaration.default]) : declaration.default;
}

function readFound(name: SettingName, hit: Found, directory: string, findings: Findings): SettingValue | undefined {
  if (hit.isPath) return readFromFile(name, hit, directory, findings);
  const declaration = settingOf(name);
  const parsed = parseValue(declaration, hit.text, directory);
  if ("value" in parsed) return typeof parsed.value === "object" ? Object.freeze([...parsed.value]) : parsed.value;
  const shown = redactValue(declaration, hit.text);
  const value = shown === "(hidden)" || declaration.secret === true ? shown : JSON.stringify(shown.slice(0, 200));
  findings.problems.push(`${hit.as} is ${value}, it has to be ${parsed.problem} (${hit.place})`);
  return undefined;
}

function readFromFile(name: SettingName, hit: Found, directory: string, findings: Findings): SettingValue | undefined {
  // What is no path may be the secret itself, put into the wrong variable.
  const shown = `${hit.as} is ${isAbsolute(hit.text) ? JSON.stringify(hit.text.slice(0, 1000)) : "(hidden)"}`;
  const file = readSecretFile(hit.text);
  if ("problem" in file) {
    findings.problems.push(`${shown}, it has to be ${file.problem} (${hit.place})`);
    return undefined;
  }
  if (file.isOpen) findings.warnings.push(`${shown}, which every user of this machine can read (${hit.place})`);
  const parsed = parseValue(settingOf(name), file.text, directory);
  if ("value" in parsed) return parsed.value;
  findings.problems.push(`${shown}, the file has to hold ${parsed.problem} (${hit.place})`);
  return undefined;
}

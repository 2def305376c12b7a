/** Readers of single option values: each answers the value, or tells a problem and answers something of the right type that is never used. */
import { nearestOf } from "../../contract/nearest.ts";
import { parsed } from "./answers.ts";
import { hostProblem } from "./hosts.ts";
import { METHODS, type Method } from "./messages.ts";
import type { Mix } from "./questions.ts";

const MAX_SECONDS = 3600;
const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** Where problems are gathered, so that all are told at once. */
export type Problems = string[];
export type NumberRange = { readonly min: number; readonly max: number; readonly isWhole?: boolean };

function wrong(problems: Problems, name: string, text: string, allowed: string): void {
  problems.push(`--${name} is ${JSON.stringify(text.slice(0, 200))}, it has to be ${allowed}`);
}

export function readChoice<Choice extends string>(
  problems: Problems,
  name: string,
  text: string | undefined,
  allowed: readonly Choice[],
  otherwise: Choice,
): Choice {
  const found = allowed.find((choice) => choice === text);
  if (text !== undefined && found === undefined) wrong(problems, name, text, `one of ${allowed.join(", ")}`);
  return found ?? otherwise;
}

export function readNumber(
  problems: Problems,
  name: string,
  text: string | undefined,
  { min, max, isWhole = true }: NumberRange,
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max) || (isWhole && !Number.isInteger(value)))
    wrong(problems, name, text, `a ${isWhole ? "whole " : ""}number from ${min} to ${max}`);
  return value;
}

export function readSeconds(problems: Problems, name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const value = Number(amount) * (UNIT_SECONDS[unit] ?? Number.NaN);
  if (!(value > 0 && value <= MAX_SECONDS))
    wrong(problems, name, text, "a time above 0 and up to 1h, as 90, 90s, 5m, 500ms");
  return value;
}

export function readUrl(problems: Problems, text: string, owned: string | undefined): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) wrong(problems, "url", text, "an http or https URL");
  else if (url.username !== "" || url.password !== "")
    problems.push("--url must not carry a user name or a password: it is printed. --token-file is for the token");
  else {
    const problem = hostProblem(url.hostname, owned);
    if (problem !== undefined) problems.push(problem);
  }
  return url ?? new URL("http://127.0.0.1");
}

export function readArguments(
  problems: Problems,
  text: string | undefined,
): Readonly<Record<string, unknown>> | undefined {
  const value = text === undefined ? undefined : parsed(text);
  if (text !== undefined && value === undefined) wrong(problems, "arguments", text, "a JSON object");
  return value;
}

export function readTool(problems: Problems, text: string | undefined): string | undefined {
  // It becomes a header of modern requests.
  if (text !== undefined && !/^[\x21-\x7e]{1,200}$/.test(text))
    wrong(problems, "tool", text, "1 to 200 printable ASCII characters");
  return text;
}

export function readPids(problems: Problems, text: string | undefined): readonly number[] {
  if (text === undefined) return [];
  const pids = text.split(",").map((part) => part.trim());
  if (!pids.every((pid) => /^[1-9]\d{0,9}$/.test(pid)))
    wrong(problems, "pid", text, "process ids, as 4711 or 4711,4712");
  return pids.map(Number);
}

export function readMix(problems: Problems, text: string | undefined): Mix {
  const mix = new Map<Method, number>();
  if (text === undefined) return mix.set("tools/call", 1);
  for (const part of text.split(",")) {
    const [name = "", share = "", ...rest] = part.split("=").map((side) => side.trim());
    const method = METHODS.find((known) => known === name);
    if (method === undefined)
      wrong(
        problems,
        "mix",
        text,
        `made of ${METHODS.join(", ")}; the nearest to ${JSON.stringify(name)} is ${nearestOf(name, METHODS)}`,
      );
    else if (mix.has(method)) wrong(problems, "mix", text, `without ${method} twice`);
    else if (rest.length > 0 || !/^(?:0?\.\d+|[01](?:\.\d+)?)$/.test(share))
      wrong(problems, "mix", text, `shares from 0 to 1, as ${method}=0.5`);
    else mix.set(method, Number(share));
  }
  const sum = [...mix.values()].reduce((total, share) => total + share, 0);
  if (mix.size === text.split(",").length && Math.abs(sum - 1) > 1e-6)
    wrong(problems, "mix", text, `shares that are 1 together, these are ${Number(sum.toFixed(6))}`);
  return mix;
}

/** The options of `mcp-stack load`, read into an order. Every wrong one is told, each in a sentence. */
import { nearestOf } from "../../contract/nearest.ts";
import { type OptionValues, UsageError } from "../command.ts";
import { parsed } from "./answers.ts";
import { hostProblem } from "./hosts.ts";
import { METHODS, type Method } from "./messages.ts";
import { DEFAULT_SECONDS, OPEN_LOOP_CONNECTIONS, PROFILES, type Profile, profileNames } from "./profiles.ts";
import type { Mix } from "./questions.ts";
import type { LoadOrder } from "./run.ts";

const DEFAULT_URL = "http://127.0.0.1:4444/mcp";
const MAX_SECONDS = 3600;
const DEFAULT_TIMEOUT_S = 30;
const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };
const PROFILE_HELP = profileNames.map((name) => `${name}: ${PROFILES[name]}`).join("; ");

export const options = {
  url: { type: "string", value: "<url>", help: `MCP endpoint of the gateway (default: ${DEFAULT_URL})` },
  serve: {
    type: "boolean",
    help: "Start a gateway for the test in a temporary directory, and stop it afterwards (HTTP_SERVER chooses its engine)",
  },
  token: { type: "string", value: "<token>", help: "Token to present; others can see it in the list of processes" },
  "token-file": { type: "string", value: "<file>", help: "File with the token (default: MCP_STACK_TOKEN)" },
  profile: { type: "string", value: "<name>", help: `${PROFILE_HELP} (default: smoke)` },
  era: { type: "string", value: "<era>", help: "Protocol era of the clients: legacy, modern, mixed (default: legacy)" },
  mix: {
    type: "string",
    value: "<shares>",
    help: "Share of each method, as tools/call=0.8,tools/list=0.2 (default: tools/call=1)",
  },
  tool: { type: "string", value: "<name>", help: "Tool to call (default: one named echo, else convert_time)" },
  arguments: {
    type: "string",
    value: "<json>",
    help: "Arguments of the tool (default: the plainest that its schema allows)",
  },
  rps: {
    type: "string",
    value: "<rate>",
    help: "Open loop: requests per second, whether or not earlier ones were answered",
  },
  connections: { type: "string", value: "<count>", help: "Closed loop: connections with one request after the other" },
  duration: {
    type: "string",
    value: "<time>",
    help: `As 90, 90s, 5m, 1h; at most 1h (default: ${profileNames.map((name) => `${name} ${DEFAULT_SECONDS[name]}s`).join(", ")})`,
  },
  sessions: {
    type: "string",
    value: "<count>",
    help: "Legacy sessions that the clients share (default: one per connection); from 100 on their memory is measured",
  },
  timeout: {
    type: "string",
    value: "<time>",
    help: `Wait for an answer at most so long (default: ${DEFAULT_TIMEOUT_S}s)`,
  },
  pid: {
    type: "string",
    value: "<pids>",
    help: "Worker processes on this machine, for CPU and memory (default: /metrics)",
  },
  seed: { type: "string", value: "<number>", help: "Seed of the mix and the arrivals (default: 1)" },
  calibration: { type: "string", value: "<file>", help: "Write the measured service rate for the plan" },
  json: { type: "boolean", help: "Print the report as JSON" },
  "i-own-this-host": {
    type: "string",
    value: "<hostname>",
    help: "Required for any host but loopback: its name, exactly",
  },
} as const;

export type Values = OptionValues<typeof options>;
/** What the options say; the token and, with --serve, the endpoint come from elsewhere. */
export type Given = Omit<LoadOrder, "endpoint"> & {
  readonly url: URL;
  readonly timeoutMs: number;
  readonly pids: readonly number[];
};

/** Throws UsageError with every problem that the options have. */
export function readGiven(values: Values): Given {
  const problems: string[] = [];
  const read = readers(problems);
  const profile = read.choice("profile", values.profile, profileNames, "smoke");
  const era = read.choice("era", values.era, ["legacy", "modern", "mixed"] as const, "legacy");
  const seconds = read.seconds("duration", values.duration, DEFAULT_SECONDS[profile]);
  const rps = read.number("rps", values.rps, { min: 0.1, max: 100_000, isWhole: false });
  const connections = read.number("connections", values.connections, { min: 1, max: OPEN_LOOP_CONNECTIONS });
  const sessions = read.number("sessions", values.sessions, { min: 1, max: 100_000 });
  const mix = read.mix(values.mix);
  const args = read.json(values.arguments);
  const tool = read.tool(values.tool);
  const url = read.url(values.url ?? DEFAULT_URL, values["i-own-this-host"]);
  const pids = read.pids(values.pid);
  const timeoutMs = read.seconds("timeout", values.timeout, DEFAULT_TIMEOUT_S) * 1000;
  const seed = read.number("seed", values.seed, { min: 0, max: 2 ** 32 - 1 }) ?? 1;
  problems.push(...conflicts(values, profile, mix, era));
  if (problems.length > 0) throw new UsageError(problems.join("\n  "));
  return {
    url,
    profile,
    era,
    mix,
    wanted: { ...(tool === undefined ? {} : { name: tool }), ...(args === undefined ? {} : { arguments: args }) },
    ...(rps === undefined ? {} : { rps }),
    ...(connections === undefined ? {} : { connections }),
    ...(sessions === undefined ? {} : { sessions }),
    seconds,
    timeoutMs,
    pids,
    seed,
  };
}

function conflicts(values: Values, profile: Profile, mix: Mix, era: string): string[] {
  const problems: string[] = [];
  const both = (one: keyof Values, other: keyof Values, why: string): void => {
    if (values[one] !== undefined && values[other] !== undefined)
      problems.push(`--${one} and --${other} exclude each other: ${why}`);
  };
  both("rps", "connections", "arrivals at a rate, or so many connections");
  both("token", "token-file", "there is one token");
  for (const name of ["url", "token", "token-file", "pid", "i-own-this-host"] as const)
    both("serve", name, "a gateway of its own brings its own");
  if ((profile === "soak" || profile === "spike") && values.rps === undefined)
    problems.push(
      `--profile ${profile} needs --rps <rate>: ${profile === "soak" ? "the rate that it holds" : "the rate of which the spike is ten times"}`,
    );
  if (values.sessions !== undefined && era === "modern")
    problems.push("--sessions needs --era legacy or mixed: the modern era has no sessions");
  for (const name of ["tool", "arguments"] as const)
    if (values[name] !== undefined && !mix.has("tools/call")) problems.push(`--${name} needs tools/call in --mix`);
  return problems;
}

type NumberRange = { readonly min: number; readonly max: number; readonly isWhole?: boolean };

/** Each answers the value, or tells a problem and answers something of the right type that is never used. */
function readers(problems: string[]) {
  const wrong = (name: string, text: string, allowed: string): void => {
    problems.push(`--${name} is ${JSON.stringify(text.slice(0, 200))}, it has to be ${allowed}`);
  };
  return {
    choice<Choice extends string>(
      name: string,
      text: string | undefined,
      allowed: readonly Choice[],
      otherwise: Choice,
    ): Choice {
      const found = allowed.find((choice) => choice === text);
      if (text !== undefined && found === undefined) wrong(name, text, `one of ${allowed.join(", ")}`);
      return found ?? otherwise;
    },
    number(name: string, text: string | undefined, { min, max, isWhole = true }: NumberRange): number | undefined {
      if (text === undefined) return undefined;
      const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
      if (!(value >= min && value <= max) || (isWhole && !Number.isInteger(value)))
        wrong(name, text, `a ${isWhole ? "whole " : ""}number from ${min} to ${max}`);
      return value;
    },
    seconds(name: string, text: string | undefined, otherwise: number): number {
      if (text === undefined) return otherwise;
      const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
      const value = Number(amount) * (UNIT_SECONDS[unit] ?? Number.NaN);
      if (!(value > 0 && value <= MAX_SECONDS)) wrong(name, text, "a time above 0 and up to 1h, as 90, 90s, 5m, 500ms");
      return value;
    },
    url(text: string, owned: string | undefined): URL {
      const url = URL.canParse(text) ? new URL(text) : undefined;
      if (url === undefined || !/^https?:$/.test(url.protocol)) wrong("url", text, "an http or https URL");
      else if (url.username !== "" || url.password !== "")
        problems.push("--url must not carry a user name or a password: it is printed. --token-file is for the token");
      else {
        const problem = hostProblem(url.hostname, owned);
        if (problem !== undefined) problems.push(problem);
      }
      return url ?? new URL(DEFAULT_URL);
    },
    json(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
      const value = text === undefined ? undefined : parsed(text);
      if (text !== undefined && value === undefined) wrong("arguments", text, "a JSON object");
      return value;
    },
    tool(text: string | undefined): string | undefined {
      // It becomes a header of modern requests.
      if (text !== undefined && !/^[\x21-\x7e]{1,200}$/.test(text))
        wrong("tool", text, "1 to 200 printable ASCII characters");
      return text;
    },
    pids(text: string | undefined): readonly number[] {
      if (text === undefined) return [];
      const pids = text.split(",").map((part) => part.trim());
      if (!pids.every((pid) => /^[1-9]\d{0,9}$/.test(pid))) wrong("pid", text, "process ids, as 4711 or 4711,4712");
      return pids.map(Number);
    },
    mix(text: string | undefined): Mix {
      const mix = new Map<Method, number>();
      if (text === undefined) return mix.set("tools/call", 1);
      for (const part of text.split(",")) {
        const [name = "", share = "", ...rest] = part.split("=").map((side) => side.trim());
        const method = METHODS.find((known) => known === name);
        if (method === undefined)
          wrong(
            "mix",
            text,
            `made of ${METHODS.join(", ")}; the nearest to ${JSON.stringify(name)} is ${nearestOf(name, METHODS)}`,
          );
        else if (mix.has(method)) wrong("mix", text, `without ${method} twice`);
        else if (rest.length > 0 || !/^(?:0?\.\d+|[01](?:\.\d+)?)$/.test(share))
          wrong("mix", text, `shares from 0 to 1, as ${method}=0.5`);
        else mix.set(method, Number(share));
      }
      const sum = [...mix.values()].reduce((total, share) => total + share, 0);
      if (mix.size === text.split(",").length && Math.abs(sum - 1) > 1e-6)
        wrong("mix", text, `shares that are 1 together, these are ${Number(sum.toFixed(6))}`);
      return mix;
    },
  };
}

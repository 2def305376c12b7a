/** The options of `mcp-stack load`, read into an order. Every wrong one is told, each in a sentence. */
import { type OptionValues, UsageError } from "../command.ts";
import {
  readArguments,
  readChoice,
  readMix,
  readNumber,
  readPids,
  readSeconds,
  readTool,
  readUrl,
} from "./option-values.ts";
import { DEFAULT_SECONDS, OPEN_LOOP_CONNECTIONS, PROFILES, type Profile, profileNames } from "./profiles.ts";
import type { Mix } from "./questions.ts";
import type { LoadOrder } from "./run.ts";

const DEFAULT_URL = "http://127.0.0.1:4444/mcp";
const DEFAULT_TIMEOUT_S = 30;
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
  const profile = readChoice(problems, "profile", values.profile, profileNames, "smoke");
  const era = readChoice(problems, "era", values.era, ["legacy", "modern", "mixed"] as const, "legacy");
  const seconds = readSeconds(problems, "duration", values.duration, DEFAULT_SECONDS[profile]);
  const rps = readNumber(problems, "rps", values.rps, { min: 0.1, max: 100_000, isWhole: false });
  const connections = readNumber(problems, "connections", values.connections, { min: 1, max: OPEN_LOOP_CONNECTIONS });
  const sessions = readNumber(problems, "sessions", values.sessions, { min: 1, max: 100_000 });
  const mix = readMix(problems, values.mix);
  const args = readArguments(problems, values.arguments);
  const tool = readTool(problems, values.tool);
  const url = readUrl(problems, values.url ?? DEFAULT_URL, values["i-own-this-host"]);
  const pids = readPids(problems, values.pid);
  const timeoutMs = readSeconds(problems, "timeout", values.timeout, DEFAULT_TIMEOUT_S) * 1000;
  const seed = readNumber(problems, "seed", values.seed, { min: 0, max: 2 ** 32 - 1 }) ?? 1;
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

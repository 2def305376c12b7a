/** wrk and h2load, load generators in C: what they are told and what they say. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BESIDE, isInstalled, output, start } from "./machine.ts";
import { posted, type Shot } from "./requests.ts";

/** `bytes`: of all answers with their heads; undefined where nobody counts them. */
export type Counted = {
  readonly calls: number;
  readonly seconds: number;
  readonly failures: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly bytes: number | undefined;
};

export type Volley = {
  readonly url: string;
  readonly shots: readonly Shot[];
  readonly connections: number;
  readonly seconds: number;
};

export const hasWrk = isInstalled("wrk", "-v");
export const hasH2load = isInstalled("h2load", "--version");

/** A Lua script for wrk that sends these requests one after the other and says what came of them in one line of JSON. */
export function wrkScript(requests: readonly string[]): string {
  const texts = requests.map((request) => `  ${luaString(request)},\n`);
  return `local requests = {
${texts.join("")}}
local at = 0
request = function()
  at = at % #requests + 1
  return requests[at]
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('{"calls":%d,"seconds":%.6f,"failures":%d,"p50Ms":%.3f,"p99Ms":%.3f,"bytes":%d}\\n', summary.requests,
    summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, summary.bytes))
end
`;
}

/** Every byte that could mean something else in Lua as its decimal escape. */
function luaString(text: string): string {
  const escaped = [...Buffer.from(text)].map((byte) => {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    return plain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, "0")}`;
  });
  return `"${escaped.join("")}"`;
}

export async function fireWrk({ url, shots, connections, seconds }: Volley): Promise<Counted> {
  const directory = await mkdtemp(join(tmpdir(), "mcp-stack-wrk-"));
  try {
    const script = join(directory, "requests.lua");
    await writeFile(script, wrkScript(posted(url, shots)));
    const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "20s", "--latency", "-s", script, url];
    const said = await output(start(BESIDE, "wrk", args));
    return JSON.parse(said.slice(said.lastIndexOf('{"calls"')));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Streams at once on each connection of h2load. */
const STREAMS = 8;

/** HTTP/2 with prior knowledge; `connections` are streams at once over all of its connections. h2load repeats the first shot. */
export async function fireH2load({ url, shots, connections, seconds }: Volley): Promise<Counted> {
  const directory = await mkdtemp(join(tmpdir(), "mcp-stack-h2load-"));
  try {
    const body = join(directory, "body");
    const [shot] = shots;
    await writeFile(body, shot?.body ?? "");
    const headers = Object.entries(shot?.headers ?? {}).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
    const clients = Math.max(1, Math.round(connections / STREAMS));
    const args = ["-t1", `-c${clients}`, `-m${Math.min(STREAMS, connections)}`, "-D", String(seconds), "-d", body];
    return readH2load(await output(start(BESIDE, "h2load", [...args, ...headers, url])));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What h2load prints. It tells no percentiles. */
export function readH2load(said: string): Counted {
  const number = (pattern: RegExp): number => Number(pattern.exec(said)?.[1] ?? Number.NaN);
  const calls = number(/^status codes: (\d+) 2xx/m);
  const perSecond = number(/^finished in .*?, ([\d.]+) req\/s/m);
  const failures =
    number(/(\d+) failed/) + number(/2xx, (\d+) 3xx/) + number(/3xx, (\d+) 4xx/) + number(/4xx, (\d+) 5xx/);
  if (!(calls >= 0 && failures >= 0)) throw new Error(`h2load said:\n${said.slice(0, 2000)}`);
  const seconds = perSecond > 0 ? number(/^requests: \d+ total, \d+ started, (\d+) done/m) / perSecond : 0;
  return { calls, seconds, failures, p50Ms: undefined, p99Ms: undefined, bytes: undefined };
}
